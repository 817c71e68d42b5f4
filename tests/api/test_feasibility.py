"""Jobs that can never work are refused when they are submitted, with what would work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import numpy as np
import pytest

from latentaug import datasets
from latentaug.errors import Conflict, TooFewImages
from latentaug.runtime.jobs import JobRecord
from service.api.jobs.feasibility import check_beside, check_train
from tests.api.bodies import NPZ, npz, pictures, post

JOBS = "/v1/jobs"
pytestmark = pytest.mark.usefixtures("empty_redis")


@pytest.fixture(scope="module", autouse=True)
def uploads(api: httpx.Client) -> Iterator[None]:
    """Of the shape of `tiny`: `bare` without labels, `rare` with a class of three, of which two are to train on, and
    `partly` with unlabelled images.
    """
    rare = npz(images=pictures(13), labels=np.array(["many"] * 10 + ["few"] * 3))
    partly = npz(images=pictures(34), labels=np.array(["many"] * 7 + ["few"] * 7 + [""] * 20))
    for name, body in (("bare", npz(images=pictures(8))), ("rare", rare), ("partly", partly)):
        assert post(api, "/v1/datasets", body, NPZ, "*/*", name=name).status_code == 201
    yield
    for name in ("bare", "rare", "partly"):
        assert api.delete(f"/v1/datasets/{name}").status_code == 204


REFUSED: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "accuracy without labels": ("evaluate", {"dataset": "bare"}, 422, "no labels"),
    "more labelled than there are": ("evaluate", {"dataset": "digits", "labelled": 1080}, 422, "10 to 1079"),
    "fewer labelled than classes": ("evaluate", {"dataset": "digits", "labelled": 9}, 422, "10 to 1079"),
    "a model of other data": ("evaluate", {"dataset": "rare", "model": "tiny"}, 409, "trained on 'pets'"),
    "one good and one bad model": (
        "evaluate",
        {"dataset": "digits", "model": ["eight", "tiny"]},
        409,
        "trained on 'pets'",
    ),
    "two models of one latent dimension": (
        "evaluate",
        {"dataset": "digits", "model": ["eight", "eight-too"]},
        422,
        "one of each",
    ),
    "beside a job that is none": ("evaluate", {"dataset": "digits", "beside": ["0" * 32]}, 404, "0" * 32),
    "a model of another size": ("augment", {"dataset": "digits", "model": "tiny"}, 409, "[12, 10, 1]"),
    "labels to spread where there are none": ("label", {"dataset": "bare", "model": "tiny"}, 422, "no label to spread"),
    "labels where there are all": ("label", {"dataset": "rare", "model": "tiny"}, 422, "has a label already"),
    "labels by a model of another size": ("label", {"dataset": "digits", "model": "tiny"}, 409, "[12, 10, 1]"),
    "a model in colour": ("label", {"dataset": "digits", "model": "colour"}, 409, "[8, 8, 3]"),
    "a class without neighbours": ("augment", {"dataset": "rare", "model": "tiny", "k": 2}, 422, "class 'few' has 2"),
    "too large a k": ("augment", {"dataset": "rare", "model": "tiny", "k": 2}, 422, "k up to 1"),
    "a class with few labelled images": (
        "augment",
        {"dataset": "partly", "model": "tiny", "k": 4},
        422,
        "class 'few' has 4 labelled images to train on",
    ),
    "a class with few images in all": (
        "augment",
        {"dataset": "rare", "model": "tiny", "k": 3, "whole": True},
        422,
        "class 'few' has 3 images in all, too few to find 3 neighbours among; use k up to 2",
    ),
    "more labelled than train with a label": ("evaluate", {"dataset": "partly", "labelled": 9}, 422, "2 to 8, all"),
    "too many of each image": (
        "augment",
        {"dataset": "digits", "model": "eight", "per_image": 1000},
        413,
        "per_image can be up to 914",
    ),
    "too many of each class": ("augment", {"dataset": "digits", "model": "eight", "per_class": 100_000}, 413, "986895"),
    "too many for equal classes": (
        "augment",
        {"dataset": "digits", "model": "eight", "balance": "200000"},
        413,
        "ask for fewer",
    ),
    "too many by a recipe": (
        "augment",
        {"dataset": "digits", "recipe": {"parts": [{"source": "affine", "copies": 1000}]}},
        413,
        "fewer copies",
    ),
    "too few without labels": ("augment", {"dataset": "bare", "model": "tiny", "k": 64}, 422, "training images"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_never_work_is_refused(api: httpx.Client, case: str) -> None:
    kind, params, status, words = REFUSED[case]

    answer = api.post(f"{JOBS}/{kind}", json=params)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]
    assert api.get(JOBS, params={"status": "queued"}).json()["jobs"] == []


ACCEPTED: dict[str, tuple[str, dict[str, Any]]] = {
    "noise needs no neighbours": ("augment", {"dataset": "rare", "model": "tiny", "method": "noise", "k": 64}),
    "unlabelled images beside a class large enough": ("augment", {"dataset": "partly", "model": "tiny", "k": 3}),
    "labels to spread over unlabelled images": ("label", {"dataset": "partly", "model": "tiny"}),
    "the largest k": ("augment", {"dataset": "rare", "model": "tiny", "k": 1}),
    "the largest k among all images": ("augment", {"dataset": "rare", "model": "tiny", "k": 2, "whole": True}),
    "as many of each image as fit": ("augment", {"dataset": "digits", "model": "eight", "per_image": 914}),
    "training without labels": ("train", {"dataset": "bare"}),
    "the whole training part": ("evaluate", {"dataset": "digits", "labelled": 1079}),
    "one of each class": ("evaluate", {"dataset": "digits", "labelled": 10}),
    "models of this data": ("evaluate", {"dataset": "digits", "model": ["eight"]}),
    "a model of this data": ("evaluate", {"dataset": "digits", "model": "eight"}),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_may_work_is_accepted(api: httpx.Client, case: str) -> None:
    kind, params = ACCEPTED[case]

    answer = api.post(f"{JOBS}/{kind}", json=params)

    assert answer.status_code == 202, answer.text
    api.delete(answer.headers["location"])


def test_one_image_is_not_trained_on() -> None:
    one = datasets.BUILT_IN["digits"].model_copy(update={"parts": {"train": 1, "validation": 1, "test": 2}})

    with pytest.raises(TooFewImages, match="at least 2"):
        check_train(one)


def test_evaluations_of_another_data_set_are_not_drawn_beside() -> None:
    now = datetime.now(UTC)
    other = JobRecord(id="0" * 32, kind="evaluate", status="succeeded", created_at=now, params={"dataset": "mnist"})

    with pytest.raises(Conflict, match="evaluated 'mnist'; name evaluations of 'digits'"):
        check_beside(other, datasets.BUILT_IN["digits"])
