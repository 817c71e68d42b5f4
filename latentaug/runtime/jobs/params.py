"""The parameters of each kind of job, for whoever reads them from a record."""

from __future__ import annotations

from latentaug.options import AugmentParams, EvaluateParams, LabelParams, TrainParams
from latentaug.runtime.jobs.record import Kind

PARAMS: dict[Kind, type[TrainParams | EvaluateParams | AugmentParams | LabelParams]] = {
    "train": TrainParams,
    "evaluate": EvaluateParams,
    "augment": AugmentParams,
    "label": LabelParams,
}
