"""The audit log: a line for each change, and for each that was refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from latentaug.runtime.settings import Settings
from service.api import keys
from service.api.app import create_app
from tests.api import services
from tests.api.bodies import NPZ, npz, pictures, post
from tests.api.contract import operations
from tests.api.services import Home

KEYS = "secret-one:infer+train+admin@first,secret-two:train@second"
OWNER = keys.load(Settings(api_keys=KEYS)).find("secret-one")  # type: ignore[arg-type]
NOBODY = "0" * 32
Line = dict[str, Any]


@pytest.fixture(scope="module")
def house() -> Iterator[Home]:
    with services.home() as made:
        services.save_model(made.store, "plain", 8, 8, 1)
        yield made


@pytest.fixture(scope="module")
def file(house: Home) -> Path:
    return house.folder / "audit.log"


@pytest.fixture(scope="module")
def served(house: Home, file: Path) -> Iterator[httpx.Client]:
    with services.api(house, api_keys=KEYS, tenants=True, audit_file=file) as client:
        client.headers["Authorization"] = "Bearer secret-one"
        yield client


@pytest.fixture
def told(file: Path) -> Callable[[], list[Line]]:
    """Reads the lines that were added since the test began."""
    before = len(file.read_bytes())
    return lambda: [json.loads(line) for line in file.read_bytes()[before:].splitlines()]


def test_a_line_says_who_did_what_and_how_it_ended(served: httpx.Client, told: Callable[[], list[Line]]) -> None:
    answer = post(served, "/v1/datasets", npz(images=pictures(8, 8, 8)), NPZ, "*/*", name="mine")

    (line,) = told()
    assert answer.status_code == 201
    assert OWNER is not None
    assert datetime.now(UTC) - datetime.fromisoformat(line.pop("time")) < timedelta(minutes=1)
    assert line == {
        "request_id": answer.headers["x-request-id"],
        "owner": OWNER.owner,
        "tenant": "first",
        "action": "upload_dataset",
        "name": "mine",
        "outcome": "done",
        "status": 201,
    }


def test_jobs_are_told_by_their_ids_and_repeated_requests_as_such(
    served: httpx.Client, told: Callable[[], list[Line]]
) -> None:
    asked: dict[str, Any] = {"json": {"dataset": "digits"}, "headers": {"Idempotency-Key": "k"}}
    job, again = (served.post("/v1/jobs/train", **asked).json()["id"] for _ in range(2))
    served.delete(f"/v1/jobs/{job}")
    served.delete(f"/v1/jobs/{job}/record")

    assert again == job
    assert [(line["action"], line["name"], line["outcome"]) for line in told()] == [
        ("submit_train", job, "done"),
        ("submit_train", job, "repeated"),
        ("cancel_job", job, "done"),
        ("delete_job", job, "done"),
    ]


def test_every_operation_that_changes_something_is_told_of(
    served: httpx.Client, told: Callable[[], list[Line]]
) -> None:
    """Also where it is refused, as here each of them is."""
    changing = [
        each
        for each in operations(served.get("/openapi.json").json())
        if not each.reads and not each.path.startswith("/v1/models/{model}/")
    ]
    for operation in changing:
        path = operation.path.format(model="no", dataset="no", job=NOBODY, number=0)
        served.request(operation.method, path, params={"name": "new"})

    lines = told()
    assert len(lines) > 8
    assert [line["action"] for line in lines] == [operation.id for operation in changing]
    assert {line["outcome"] for line in lines} == {"refused"}
    assert {"no", NOBODY, "new"} <= {line["name"] for line in lines}


def test_who_may_not_is_told_of_and_keys_are_not(
    served: httpx.Client, told: Callable[[], list[Line]], file: Path
) -> None:
    for key, status in (("secret-two", 403), ("secret-three", 401)):
        answer = served.delete("/v1/datasets/mine", headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == status

    lines = told()
    assert [(line["outcome"], line["status"], line["tenant"]) for line in lines] == [
        ("refused", 403, "second"),
        ("refused", 401, None),
    ]
    assert lines[1]["owner"] is None
    assert "secret" not in file.read_text()


def test_who_only_looks_or_computes_leaves_no_line(served: httpx.Client, told: Callable[[], list[Line]]) -> None:
    served.get("/v1/datasets")
    served.get("/v1/jobs")
    served.head("/v1/models")
    served.post("/v1/models/plain/encode", content=b"", headers={"Content-Type": NPZ})
    served.post("/nowhere")

    assert told() == []


def test_a_file_that_was_moved_away_is_begun_anew(served: httpx.Client, file: Path) -> None:
    served.delete("/v1/datasets/before")
    moved = file.rename(file.with_suffix(".1"))
    served.delete("/v1/datasets/after")

    assert json.loads(moved.read_text().splitlines()[-1])["name"] == "before"
    assert [json.loads(line)["name"] for line in file.read_text().splitlines()] == ["after"]
    assert file.stat().st_mode & 0o077 == 0, "it is nobody else's to read"


def test_where_no_line_can_be_added_the_change_is_made_and_the_log_has_it(
    house: Home, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = house.folder / "elsewhere"
    folder.mkdir()
    with services.api(house, audit_file=folder / "audit.log") as client:
        os.remove(folder / "audit.log")
        folder.rmdir()
        answer = post(client, "/v1/datasets", npz(images=pictures(8, 8, 8)), NPZ, "*/*", name="all-the-same")

    assert answer.status_code == 201
    (line,) = [line for line in capfd.readouterr().err.splitlines() if "a line could not be added" in line]
    assert "action=upload_dataset name=all-the-same outcome=done" in line


def test_the_log_has_the_same_line(house: Home, capfd: pytest.CaptureFixture[str]) -> None:
    port = services.free_port()
    environment = house.environment(port=port, log_format="json")
    with (
        services.process("service.api", environment),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        services.wait_until(lambda: services.answers(client))
        client.delete("/v1/models/nobodys", headers={"X-Request-ID": "abc"})

    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if '"latentaug.audit"' in line]
    assert len(lines) == 1
    assert lines[0]["message"] == "delete_model refused"
    assert (lines[0]["request_id"], lines[0]["name"], lines[0]["status"]) == ("abc", "nobodys", 404)
    assert (lines[0]["owner"], lines[0]["tenant"]) == (None, None)


def test_a_file_that_cannot_be_written_is_told_at_start(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"audit.log \(LATENTAUG_AUDIT_FILE\) cannot be written \(No such file"):
        create_app(Settings(home=tmp_path, audit_file=tmp_path / "no folder" / "audit.log"))
