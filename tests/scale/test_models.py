"""A model is in the memory of one model server, whichever API is asked; what happens to it reaches all of them."""

from __future__ import annotations

import httpx
import numpy as np
import pytest

from bench.fleet import Fleet
from tests.api.bodies import NPY, npy, pictures, post
from tests.model_server.conftest import save_model
from tests.scale.conftest import Shared
from tests.waiting import within

IMAGES = npy(pictures(2, 8, 8))
KNOWN_SECONDS = 3.0
"""Seconds after which every API knows of a change: descriptions of models are kept for two."""


def encoded(api: httpx.Client, model: str) -> httpx.Response:
    return post(api, f"/v1/models/{model}/encode", IMAGES, NPY, accept=NPY)


def in_memory(fleet: Fleet) -> list[set[str]]:
    """The models that each model server has in memory."""
    found = []
    for server in fleet.model_servers:
        entries = httpx.post(f"{server.url}/v2/repository/index", json={"ready": True}).json()
        found.append({entry["name"].partition(".")[0] for entry in entries})
    return found


def test_all_apis_ask_the_same_model_server_for_a_model(fleet: Fleet, apis: list[httpx.Client], shared: Shared) -> None:
    names = [f"sharded-{number}" for number in range(12)]
    for number, name in enumerate(names):
        save_model(shared.store, name, seed=number)
    for name in names:
        answers = [encoded(api, name) for api in apis]
        assert [answer.status_code for answer in answers] == [200] * len(apis)
        assert len({answer.content for answer in answers}) == 1

    one, other = (memory & set(names) for memory in in_memory(fleet))
    assert one | other == set(names)
    assert not one & other
    assert min(len(one), len(other)) > 0


def test_a_deleted_model_is_gone_from_every_memory_and_every_api_at_once(
    fleet: Fleet, apis: list[httpx.Client], shared: Shared
) -> None:
    save_model(shared.store, "fleeting", version="v1", seed=1)
    old = [encoded(api, "fleeting").content for api in apis]
    for server in fleet.model_servers:  # as after one of them was away
        httpx.post(f"{server.url}/v2/repository/models/fleeting/load").raise_for_status()
    assert all("fleeting" in memory for memory in in_memory(fleet))

    assert apis[0].delete("/v1/models/fleeting").status_code == 204
    assert [encoded(api, "fleeting").status_code for api in apis] == [404] * len(apis)
    assert not any("fleeting" in memory for memory in in_memory(fleet))

    save_model(shared.store, "fleeting", version="v2", seed=2)
    assert within(KNOWN_SECONDS, lambda: all(encoded(api, "fleeting").status_code == 200 for api in apis))
    new = [encoded(api, "fleeting").content for api in apis]
    assert len(set(old)) == len(set(new)) == 1
    assert set(old) != set(new)


@pytest.mark.parametrize("killed", [True, False], ids=["killed", "stopped"])
def test_the_models_of_a_server_that_is_away_are_asked_for_at_the_other_until_it_is_back(
    fleet: Fleet, apis: list[httpx.Client], shared: Shared, killed: bool
) -> None:
    names = [f"moving-{killed}-{number}".lower() for number in range(6)]
    for name in names:
        save_model(shared.store, name)
    right = {name: encoded(apis[0], name).content for name in names}
    gone, stays = fleet.model_servers
    if killed:
        gone.kill()
    else:
        gone.stop()

    assert all(encoded(api, name).content == right[name] for api in apis for name in names)
    assert {api.get("/readyz").json()["missing"] for api in apis} == {"1 of 2 model servers"}
    told = apis[0].get("/metrics/model-server").text
    assert f'server="{stays.url}"' in told
    assert gone.url not in told
    assert "model_servers_left_out 1.0" in apis[0].get("/metrics").text

    gone.start()
    assert within(60, lambda: all(api.get("/readyz").json() == {"status": "ready"} for api in apis))
    assert all(encoded(api, name).content == right[name] for api in apis for name in names)
    assert set(names) & in_memory(fleet)[0], "its own models are asked for there again"
    assert np.all([gone.url in api.get("/metrics/model-server").text for api in apis])
