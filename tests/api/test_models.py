"""The trained models: list, describe, delete."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from tests.api import services
from tests.api.bodies import NPY, npy, pictures, post, train
from tests.api.services import PLACES, Home


def test_models_are_listed_with_their_descriptions(api: httpx.Client) -> None:
    listed = api.get("/v1/models").json()["models"]

    assert {"colour", "tiny"} <= {model["name"] for model in listed}


def test_a_model_is_described_with_shape_sigma_curve_and_checksums(api: httpx.Client) -> None:
    model = api.get("/v1/models/tiny").json()

    assert (model["height"], model["width"], model["channels"], model["latent_dim"]) == (12, 10, 1, 4)
    assert len(model["sigma"]) == 4
    assert model["curve"] == [{"epoch": 0, "train_loss": 1.5}]
    assert len(model["weights_sha256"]) == 64
    assert model["created_at"].endswith("Z")


def test_a_deleted_model_is_gone_at_once_and_its_name_is_free(api: httpx.Client, home: Home) -> None:
    services.save_model(home.store, "doomed", 8, 8, 1)
    before = post(api, "/v1/models/doomed/encode", npy(pictures(1, 8, 8)), NPY)

    deleted = api.delete("/v1/models/doomed")
    after = post(api, "/v1/models/doomed/encode", npy(pictures(1, 8, 8)), NPY)

    assert (before.status_code, deleted.status_code, after.status_code) == (200, 204, 404)
    assert api.get("/v1/models/doomed").status_code == 404
    assert api.delete("/v1/models/doomed").status_code == 404
    services.save_model(home.store, "doomed", 8, 8, 3)
    assert api.get("/v1/models/doomed").json()["channels"] == 3
    assert post(api, "/v1/models/doomed/encode", npy(pictures(1, 8, 8)), NPY).status_code == 200
    api.delete("/v1/models/doomed")


def test_a_model_in_use_is_not_deleted(api: httpx.Client) -> None:
    for kind in ("evaluate", "augment"):
        job = api.post(f"/v1/jobs/{kind}", json={"dataset": "digits", "model": "eight"}).json()["id"]

        in_use = api.delete("/v1/models/eight")
        api.delete(f"/v1/jobs/{job}")

        assert in_use.status_code == 409
        assert job in in_use.json()["detail"]


def test_a_model_whose_train_job_has_not_ended_is_not_deleted(api: httpx.Client, home: Home) -> None:
    named, nameless = train(api, name="coming").json()["id"], train(api).json()["id"]
    for job, name in ((named, "coming"), (nameless, f"vae-{nameless[-8:]}")):
        services.save_model(home.store, name, 8, 8, 1)

        in_use = api.delete(f"/v1/models/{name}")
        api.delete(f"/v1/jobs/{job}")
        freed = api.delete(f"/v1/models/{name}")

        assert (in_use.status_code, freed.status_code) == (409, 204)
        assert job in in_use.json()["detail"]


@pytest.mark.parametrize("listed", ["models", "datasets"])
def test_a_list_takes_no_options(api: httpx.Client, listed: str) -> None:
    answer = api.get(f"/v1/{listed}?limit=3")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"loc": "limit", "msg": "no such option; there are none here"}]


def test_a_model_s_training_images_are_projected_to_a_plane(api: httpx.Client) -> None:
    answer = api.get("/v1/models/tiny/projection").json()

    assert answer["rows"] == [10, 11, 12, 13, 14, 15]
    assert answer["labels"] == ["cat"] * 3 + ["dog"] * 3
    assert [len(answer["points"]), len(answer["points"][0])] == [6, 2]
    assert [len(answer["components"]), len(answer["components"][0]), len(answer["mean"])] == [2, 4, 4]
    assert 0 < sum(answer["explained"]) <= 1


def test_points_of_unlabelled_images_have_no_label(api: httpx.Client, home: Home) -> None:
    services.save_model(home.store, "partly", 8, 8, 1, labels=(0, -1, 1, -1, -1, 1))

    shown = api.get("/v1/models/partly/projection").json()
    api.delete("/v1/models/partly")

    assert shown["labels"] == ["cat", None, "dog", None, None, "dog"]


def test_a_projection_gives_no_more_points_than_asked_for(api: httpx.Client) -> None:
    assert len(api.get("/v1/models/tiny/projection?limit=2").json()["points"]) == 2
    assert api.get("/v1/models/tiny/projection?limit=0").status_code == 422
    assert api.get("/v1/models/nobody/projection").status_code == 404


def test_places_by_umap_are_given_with_latents_that_place_others(api: httpx.Client) -> None:
    plane = api.get("/v1/models/colour/projection").json()
    answer = api.get("/v1/models/colour/projection?method=umap").json()
    fewer = api.get("/v1/models/colour/projection?method=umap&limit=2").json()

    assert answer["points"] == PLACES.tolist()
    assert sorted(answer["rows"]) == plane["rows"]
    labels = dict(zip(plane["rows"], plane["labels"], strict=True))
    assert answer["labels"] == [labels[row] for row in answer["rows"]]
    points = dict(zip(plane["rows"], plane["points"], strict=True))
    placed = (np.array(answer["latents"]) - plane["mean"]) @ np.array(plane["components"]).T
    assert placed == pytest.approx(np.array([points[row] for row in answer["rows"]]), abs=1e-3)
    assert fewer["rows"] == answer["rows"][:2]
    assert answer["explained"] is None


def test_a_model_without_places_by_umap_says_how_it_gets_them(api: httpx.Client) -> None:
    answer = api.get("/v1/models/tiny/projection?method=umap")

    assert answer.status_code == 422
    assert "latentaug[umap]" in answer.json()["detail"]
