"""The client's typed options are those that the service takes: add what a new one is called to options.py."""

from __future__ import annotations

from typing import get_type_hints

import pytest
from latentaug_client import options
from pydantic import BaseModel

from latentaug.runtime import job_params
from service.api.http import options as schemas


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [
        (options.AugmentOptions, schemas.AugmentOptions, set()),
        (options.TrainOptions, job_params.TrainParams, {"dataset"}),
        (options.EvaluateOptions, job_params.EvaluateParams, {"dataset"}),
        (options.AugmentJobOptions, job_params.AugmentParams, {"dataset", "model"}),
    ],
)
def test_every_option_is_there(ours: type, theirs: type[BaseModel], apart: set[str]) -> None:
    assert get_type_hints(ours).keys() == theirs.model_fields.keys() - apart
