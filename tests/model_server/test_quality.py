"""The model server's operation `quality`: checked, described, and the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentaug.errors import InvalidInput, MalformedInput, TooLarge
from latentaug.evaluation.quality_report import NUMBERS
from latentaug.storage import models
from service.model_server.measuring import OUTPUTS
from tests.model_server.conftest import Process, Start, save_model
from tests.model_server.test_server import ask, call, get, images, infer

LABELS = np.arange(20, dtype=np.int64) % 3


@pytest.fixture(scope="module")
def server(start: Start) -> Process:
    process = start(max_images=64)
    save_model(process.store, "m")
    return process


def test_images_are_set_beside_the_stored_latents(server: Process) -> None:
    answer = infer(server, "quality", {"images": images(20), "labels": LABELS}, list(OUTPUTS))

    assert {name: array.dtype for name, array in answer.items()}["density"] == np.float64
    assert (answer["new_images"][0], answer["real_images"][0], answer["unseen_images"][0]) == (20, 30, 30)
    assert all(len(answer[name]) == 1 for name in NUMBERS)
    assert set(answer["nearest"]) <= set(range(100, 160, 2))
    latents = infer(server, "encode", {"images": images(20)}, ["latents"])["latents"]
    stored = models.read_projected(server.store, models.describe(server.store, "m")).latents
    gaps = np.linalg.norm(latents[:, None] - stored, axis=2)
    assert np.allclose(answer["distance"], gaps.min(axis=1), rtol=1e-4)
    assert (answer["nearest"] == 100 + 2 * gaps.argmin(axis=1)).all()


def test_without_labels_there_is_no_agreement(server: Process) -> None:
    answer = infer(server, "quality", {"images": images(20)}, ["label_agreement", "label_agreement_of_unseen"])

    assert [array.tolist() for array in answer.values()] == [[-1], [-1]]


def test_its_tensors_are_described(server: Process) -> None:
    _, described, _ = get(server, "/v2/models/m.quality")

    assert [entry["name"] for entry in described["inputs"]] == ["images", "labels"]
    assert {entry["name"]: entry["datatype"] for entry in described["outputs"]} == OUTPUTS


@pytest.mark.parametrize(
    ("tensors", "parameters", "error", "words"),
    [
        ({"labels": LABELS}, {}, MalformedInput, "needs the input images"),
        ({"images": images(4), "labels": LABELS}, {}, InvalidInput, "4 images but 20 labels"),
        ({"images": images(4), "labels": LABELS[:4] - 2}, {}, InvalidInput, "-1 or more"),
        ({"images": images(65)}, {}, TooLarge, "65 rows"),
        ({"images": images(4)}, {"k": 3}, MalformedInput, "no parameter 'k'"),
        ({"images": images(4)}, {"requests": 2}, InvalidInput, "one by one"),
    ],
)
def test_what_it_cannot_use_is_refused(
    server: Process, tensors: dict[str, Any], parameters: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        infer(server, "quality", tensors, ["density"], **parameters)


def test_requests_at_the_same_time_are_answered_alike(server: Process) -> None:
    one = call("quality", {"images": images(20), "labels": LABELS}, list(OUTPUTS))

    answers = ask(server, *[one] * 4)

    for answer in answers:
        assert isinstance(answer, dict)
        assert all((answer[name] == answers[0][name]).all() for name in OUTPUTS)
