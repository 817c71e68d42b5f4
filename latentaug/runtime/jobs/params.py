"""The parameters of each kind of job, for whoever reads them from a record."""

from __future__ import annotations

from latentaug.options import AugmentParams, EvaluateParams, LabelParams, RecommendParams, TrainParams
from latentaug.runtime.jobs.record import Kind

PARAMS: dict[Kind, type[TrainParams | EvaluateParams | AugmentParams | LabelParams | RecommendParams]] = {
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "augment": AugmentParams,
    "label": LabelParams,
    "recommend": RecommendParams,
}
