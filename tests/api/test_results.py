"""Results of jobs over real HTTP, whole and in ranges; the tests themselves act as the worker."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from latentaug.datasets import digits
from latentaug.runtime.jobs import Attempts, connect
from tests.api import services
from tests.api.services import Home

pytestmark = pytest.mark.usefixtures("empty_redis")
DATA = bytes(range(256)) * 10
MEBIBYTE = 2**20


def finished(api: httpx.Client, worker: Attempts) -> str:
    """An augment job that has succeeded, whose files are yet to be put into the store."""
    job: str = api.post("/v1/jobs/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    worker.finish(job, 1, "succeeded", {})
    return job


@pytest.fixture
def result(api: httpx.Client, home: Home, worker: Attempts) -> str:
    job = finished(api, worker)
    home.store.put(f"jobs/{job}/images.npz", DATA)
    return f"/v1/jobs/{job}/result"


def ask(api: httpx.Client, result: str, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.get(result, headers={"Accept": "application/x-npz", **names})


def test_a_result_comes_whole_and_says_that_ranges_can_be_asked_for(api: httpx.Client, result: str) -> None:
    answer = ask(api, result)

    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-length"] == str(len(DATA))
    assert answer.headers["accept-ranges"] == "bytes"
    head = api.head(result, headers={"Accept": "application/x-npz"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(DATA)))


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=100-", 100, 2560), ("bytes=-5", 2555, 2560), ("bytes=2000-9999", 2000, 2560)],
)
def test_a_range_gives_these_bytes_alone(api: httpx.Client, result: str, asked: str, start: int, stop: int) -> None:
    answer = ask(api, result, Range=asked)

    assert (answer.status_code, answer.content) == (206, DATA[start:stop])
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/2560"


@pytest.mark.parametrize("asked", ["bytes=2560-", "bytes=-0", "bytes=9999999-99999999"])
def test_a_range_without_bytes_is_refused(api: httpx.Client, result: str, asked: str) -> None:
    answer = ask(api, result, Range=asked)

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == "bytes */2560"


@pytest.mark.parametrize(
    "asked", ["bytes=", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "rows=1-2", "bytes=a-b", "x" * 999]
)
def test_what_is_no_range_or_several_gives_the_whole(api: httpx.Client, result: str, asked: str) -> None:
    assert ask(api, result, Range=asked).content == DATA


def test_a_download_goes_on_only_if_the_file_is_the_same(api: httpx.Client, home: Home, result: str) -> None:
    tag = ask(api, result, Range="bytes=0-9").headers["etag"]

    assert ask(api, result, Range="bytes=10-", If_Range=tag).content == DATA[10:]
    home.store.put(f"jobs/{result.split('/')[3]}/images.npz", DATA[::-1])
    assert ask(api, result, Range="bytes=10-", If_Range=tag).content == DATA[::-1]


def test_a_result_that_is_gone_is_not_found(api: httpx.Client, worker: Attempts) -> None:
    answer = api.get(f"/v1/jobs/{finished(api, worker)}/result")

    assert answer.status_code == 404
    assert "run the job again" in answer.json()["detail"]


@pytest.fixture
def alone(home: Home) -> Iterator[tuple[httpx.Client, int]]:
    """An API whose memory nothing else has grown, and its process id."""
    port = services.free_port()
    with (
        services.process("service.api", home.environment(port=port, log_level="error")) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client,
    ):
        services.wait_until(lambda: services.answers(client))
        yield client, running.pid


def most_resident(pid: int) -> int:
    """Bytes that a process has held in memory at most."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) * 1024


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["folders", "webdataset", "huggingface", "yolo"])
def test_four_at_a_time_take_little_memory_however_large_they_are(
    alone: tuple[httpx.Client, int], home: Home, tmp_path: Path, layout: str
) -> None:
    client, pid = alone
    with connect(home.settings) as redis:
        job = finished(client, Attempts(redis, home.store, home.settings))
    loaded = digits.load()
    size = large(home.folder / "store" / "jobs" / job / "images.zip", 300 * MEBIBYTE)
    home.store.put(f"jobs/{job}/result.json", json.dumps({"dataset_checksum": loaded.checksum}).encode())
    before = most_resident(pid)

    def taken(_: int) -> int:
        url, asked = f"/v1/jobs/{job}/result", {"layout": layout}
        with client.stream("GET", url, params=asked, headers={"Accept": "application/zip, */*;q=0.1"}) as answer:
            assert answer.status_code == 200
            return sum(map(len, answer.iter_bytes()))

    with ThreadPoolExecutor(4) as callers:
        received = list(callers.map(taken, range(4)))

    assert min(received) > 0.9 * size
    assert most_resident(pid) - before < 400 * MEBIBYTE


def large(path: Path, size: int) -> int:
    """Write a zip as of a job, with large files that need not be images to be passed on; return its bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        lines = ["file,label"]
        for i in range(size // MEBIBYTE):
            lines.append(f"3/{i:06d}.png,3")
            archive.writestr(f"3/{i:06d}.png", random.Random(i).randbytes(MEBIBYTE))  # noqa: S311
        archive.writestr("manifest.csv", "\n".join(lines))
    return path.stat().st_size
