"""Recommend jobs and recipes over real HTTP; the tests themselves act as the worker."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from latentaug.runtime.jobs import Attempts
from tests.api import services
from tests.api.bodies import NPZ, npz, pictures, post
from tests.api.services import Home

JOBS = "/v1/jobs"
RECIPE: dict[str, Any] = {
    "model": "eight",
    "spread": {"space": "pixels", "keep": None, "images": 100},
    "parts": [{"source": "affine", "copies": 2, "alpha": None, "decode": None}],
    "seed": 4,
}
pytestmark = pytest.mark.usefixtures("empty_redis")


@pytest.fixture
def found(api: httpx.Client, worker: Attempts) -> str:
    """The id of a recommend job that has succeeded."""
    job: str = api.post(f"{JOBS}/recommend", json={"dataset": "digits"}).json()["id"]
    worker.claim(job, 1)
    worker.finish(job, 1, "succeeded", {"recipe": RECIPE})
    return job


def test_a_recommendation_is_accepted_with_its_defaults(api: httpx.Client) -> None:
    answer = api.post(f"{JOBS}/recommend", json={"dataset": "digits", "model": "eight", "labelled": 30})

    record = answer.json()
    assert answer.status_code == 202, answer.text
    assert record["kind"] == "recommend"
    assert record["params"]["budget_seconds"] == 180
    assert (record["params"]["classifiers"], record["params"]["labelled"]) == (["svm", "knn"], 30)


def test_the_same_key_gives_the_same_recommendation(api: httpx.Client) -> None:
    headers = {"Idempotency-Key": "one"}
    first, second = (api.post(f"{JOBS}/recommend", json={"dataset": "digits"}, headers=headers) for _ in range(2))

    assert first.json()["id"] == second.json()["id"]


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"dataset": "digits", "labelled": 9}, 422, "10 to 1079"),
        ({"dataset": "digits", "labelled": 1080}, 422, "10 to 1079"),
        ({"dataset": "digits", "model": "tiny"}, 409, "trained on 'pets'"),
    ],
)
def test_what_can_never_work_is_refused(api: httpx.Client, params: dict[str, Any], status: int, words: str) -> None:
    answer = api.post(f"{JOBS}/recommend", json=params)

    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def test_a_data_set_without_labels_has_no_best_training_set(api: httpx.Client) -> None:
    assert post(api, "/v1/datasets", npz(images=pictures(8)), NPZ, "*/*", name="bare").status_code == 201
    recommend = api.post(f"{JOBS}/recommend", json={"dataset": "bare"})
    augment = api.post(f"{JOBS}/augment", json={"dataset": "bare", "recipe": {}})
    api.delete("/v1/datasets/bare")

    assert (recommend.status_code, augment.status_code) == (422, 422)
    assert "no labels" in recommend.json()["detail"]
    assert "no labels" in augment.json()["detail"]


def test_a_recipe_is_given_whole_or_by_the_job_that_found_it(api: httpx.Client, found: str) -> None:
    by_object = api.post(f"{JOBS}/augment", json={"dataset": "digits", "recipe": RECIPE})
    by_id = api.post(f"{JOBS}/augment", json={"dataset": "digits", "recipe": found})

    assert (by_object.status_code, by_id.status_code) == (202, 202), by_id.text
    assert by_id.json()["params"] == by_object.json()["params"]
    assert by_id.json()["params"]["recipe"] == RECIPE


def test_a_recipes_model_is_in_use(api: httpx.Client, home: Home) -> None:
    services.save_model(home.store, "busy", 8, 8, 1)
    recipe = {**RECIPE, "model": "busy"}
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "recipe": recipe}).json()["id"]
    in_use = api.delete("/v1/models/busy")
    api.delete(f"{JOBS}/{job}")
    freed = api.delete("/v1/models/busy")

    assert (in_use.status_code, freed.status_code) == (409, 204)


@pytest.mark.parametrize(
    ("recipe", "status", "words"),
    [
        ("0" * 32, 404, "0" * 32),
        ("x", 422, "A recipe, or the id of a recommend job"),
        ({"parts": [{"source": "noise"}]}, 422, "name a model"),
        ({"parts": [{"source": "magic"}]}, 422, "'affine'"),
        ({"model": "nobody"}, 404, "nobody"),
        ({"model": "tiny"}, 409, "[12, 10, 1]"),
        ({"part": []}, 422, "there are model, spread, parts, seed"),
        ([], 422, "recipe"),
        (3, 422, "recipe"),
    ],
)
def test_a_recipe_that_cannot_be_made_is_refused(api: httpx.Client, recipe: Any, status: int, words: str) -> None:
    answer = api.post(f"{JOBS}/augment", json={"dataset": "digits", "recipe": recipe})

    assert answer.status_code == status, answer.text
    assert words in answer.text


def test_a_job_that_found_none_is_no_recipe(api: httpx.Client) -> None:
    waiting = api.post(f"{JOBS}/recommend", json={"dataset": "digits"}).json()["id"]
    other = api.post(f"{JOBS}/train", json={"dataset": "digits"}).json()["id"]

    for job in (waiting, other):
        answer = api.post(f"{JOBS}/augment", json={"dataset": "digits", "recipe": job})
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "no recommend job that has succeeded" in answer.json()["detail"]
