"""The client's typed options are those that the service takes: add what a new one is called to options.py."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest
from latentaug_client import options
from pydantic import BaseModel

import latentaug.options as theirs_all


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [
        (options.AugmentOptions, theirs_all.AugmentOptions, set()),
        (options.ImageOptions, theirs_all.ImageOptions, set()),
        (options.InterpolateOptions, theirs_all.InterpolateOptions, set()),
        (options.LabelOptions, theirs_all.LabelRequest, set()),
        (options.LabelJobOptions, theirs_all.LabelParams, {"dataset", "model"}),
        (options.TrainOptions, theirs_all.TrainParams, {"dataset"}),
        (options.EvaluateOptions, theirs_all.EvaluateParams, {"dataset"}),
        (options.AugmentDatasetOptions, theirs_all.AugmentParams, {"dataset", "model"}),
        (options.RecommendOptions, theirs_all.RecommendParams, {"dataset"}),
    ],
)
def test_every_option_is_there(ours: type, theirs: type[BaseModel], apart: set[str]) -> None:
    assert get_type_hints(ours).keys() == theirs.model_fields.keys() - apart


def test_the_choices_are_those_of_the_service() -> None:
    assert get_args(options.Method) == theirs_all.METHODS
    assert get_args(options.Decode) == theirs_all.DECODES
