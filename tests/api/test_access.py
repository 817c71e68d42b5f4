"""Keys, scopes and rates, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.api import keys
from tests.api import services
from tests.api.bodies import NPY, TINY, npy, pictures
from tests.api.services import Home


@pytest.fixture(scope="module")
def guarded(home: Home, api: httpx.Client) -> Iterator[httpx.Client]:
    """An API with keys and a rate, beside the open one, on the same model server."""
    with services.api(home, api_keys="i:infer,t:train,a:admin,rated:infer", rate_limit="40/minute") as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    "headers", [{}, bearer("nobody"), {"Authorization": "Basic aTo="}, {"Authorization": "Bearer"}]
)
def test_without_a_known_key_nothing_is_told(guarded: httpx.Client, headers: dict[str, str]) -> None:
    answer = guarded.get("/v1/models", headers=headers)

    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", f"{TINY}/encode", "infer"),
        ("POST", f"{TINY}/augment", "infer"),
        ("POST", "/v1/jobs/train", "train"),
        ("GET", "/v1/jobs", "train"),
        ("POST", "/v1/datasets", "train"),
        ("DELETE", "/v1/datasets/nobody", "admin"),
        ("DELETE", "/v1/models/nobody", "admin"),
        ("DELETE", f"/v1/jobs/{'0' * 32}/record", "admin"),
    ],
)
def test_each_endpoint_asks_for_its_own_scope(guarded: httpx.Client, method: str, path: str, scope: str) -> None:
    statuses = {key: guarded.request(method, path, headers=bearer(key)).status_code for key in ("i", "t", "a")}

    for key, status in statuses.items():
        assert (status == 403) == (key != scope[0]), statuses


@pytest.mark.parametrize("path", ["/v1/jobs/train", f"{TINY}/encode"])
def test_nobody_without_a_key_has_a_body_read(guarded: httpx.Client, path: str) -> None:
    broken = guarded.post(path, content=b"{", headers={"Content-Type": "application/json"})
    too_large = guarded.post(path, content=bytes(2**21), headers={"Content-Type": "application/json"})

    assert [broken.status_code, too_large.status_code] == [401, 401]


@pytest.mark.parametrize("key", ["i", "t", "a"])
@pytest.mark.parametrize("path", ["/v1/models", "/v1/datasets", "/v1/models/tiny", "/metrics", "/metrics/model-server"])
def test_any_key_may_look(guarded: httpx.Client, path: str, key: str) -> None:
    assert guarded.get(path, headers=bearer(key)).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/docs"])
def test_health_and_contract_need_no_key(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_a_caller_over_the_rate_waits_and_others_do_not(guarded: httpx.Client) -> None:
    statuses = [guarded.get("/v1/models", headers=bearer("rated")).status_code for _ in range(45)]
    refused = guarded.get("/v1/models", headers=bearer("rated"))

    assert statuses[:20] == [200] * 20
    assert refused.status_code == 429
    assert refused.json()["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert guarded.get("/healthz").status_code == 200


def test_a_key_from_a_file_opens_what_its_line_says(home: Home, api: httpx.Client, tmp_path: Path) -> None:
    token, line = keys.new(["infer"])
    file = tmp_path / "keys"
    file.write_text(line)

    with services.api(home, api_keys_file=file) as client:
        encoded = client.post(
            f"{TINY}/encode", content=npy(pictures(1)), headers={**bearer(token), "Content-Type": NPY}
        )
        refused = client.get("/v1/jobs", headers=bearer(token))

    assert encoded.status_code == 200
    assert refused.status_code == 403


def test_off_loopback_the_service_does_not_start_without_keys(home: Home) -> None:
    environment = home.environment(host="0.0.0.0", port=services.free_port())  # noqa: S104
    with services.process("service.api", environment) as running:
        assert running.wait(30) != 0
