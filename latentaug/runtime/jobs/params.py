"""The parameters of each kind of job, for whoever reads them from a record."""

from __future__ import annotations

from pydantic import ValidationError

from latentaug.options import AugmentParams, EvaluateParams, LabelParams, RecommendParams, TrainParams
from latentaug.runtime.jobs.record import Json, Kind

PARAMS: dict[Kind, type[TrainParams | EvaluateParams | AugmentParams | LabelParams | RecommendParams]] = {
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "augment": AugmentParams,
    "label": LabelParams,
    "recommend": RecommendParams,
}
_OF_NEWER = {"extra_forbidden", "literal_error"}
"""Pydantic's names for what is wrong with an option, or a choice of one, that only a newer release knows."""


def understood(kind: Kind, params: Json) -> bool:
    """Whether this release knows all options of a job, and what was chosen; other faults are for the job to tell of."""
    try:
        PARAMS[kind].model_validate(params)
    except ValidationError as error:
        return not any(fault["type"] in _OF_NEWER for fault in error.errors())
    return True
