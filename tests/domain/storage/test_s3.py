"""An object store over a way on which things go wrong: what was begun is done, or nothing of it is seen."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import numpy as np
import pytest

from latentaug import datasets
from latentaug.errors import Away, Conflict
from latentaug.storage.files import StoredFile
from latentaug.storage.objects import ArtefactStore
from service.stack import ports
from tests import object_stores
from tests.object_stores import S3, Listening
from tests.relay import HOST
from tests.waiting import within
from tests.ways import Asked, Trouble, Way, way

pytestmark = pytest.mark.slow

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
LARGE = np.random.default_rng(0).bytes(32 * 2**20)
PART = 5 * 2**20


@pytest.fixture
def lossy(s3_server: S3) -> Iterator[Way]:
    with way(s3_server.server.url) as made:
        yield made


@pytest.fixture
def url(lossy: Way, monkeypatch: pytest.MonkeyPatch) -> str:
    return f"{object_stores.name(lossy.url, monkeypatch)}/{uuid4().hex}"


@pytest.fixture
def store(url: str) -> ArtefactStore:
    return ArtefactStore(url)


def unfinished(server: S3, url: str) -> int:
    """How many uploads in parts the server holds for a store that were neither completed nor aborted."""
    bucket, prefix = url.removeprefix("s3://").split("/", 1)
    return httpx.get(f"{server.server.url}/{bucket}?uploads").text.count(f"<Key>{prefix}/")


def parts(lossy: Way) -> list[Asked]:
    return [asked for asked in lossy.asked if "partNumber=" in asked.path]


def test_a_large_file_goes_and_comes_in_parts(store: ArtefactStore, lossy: Way, s3_server: S3, url: str) -> None:
    store.put("large", LARGE)
    assert len(parts(lossy)) == -(-len(LARGE) // PART)
    assert unfinished(s3_server, url) == 0
    lossy.asked.clear()
    file = StoredFile(store, "large")
    file.seek(20 * 2**20)
    assert file.read(100) == LARGE[20 * 2**20 :][:100]
    assert [asked.command for asked in lossy.asked] == ["HEAD", "GET"]
    assert store.get("large") == LARGE


def test_of_an_upload_that_is_broken_off_nothing_is_seen(
    store: ArtefactStore, lossy: Way, s3_server: S3, url: str
) -> None:
    store.put("large", b"earlier")
    lossy.trouble = lambda asked: Trouble.BUSY if "partNumber=3" in asked.path else None
    with pytest.raises(Away):
        store.put("large", LARGE)
    lossy.trouble = lambda _: None
    assert store.get("large") == b"earlier"
    assert [entry.size for entry in store.entries("")] == [len(b"earlier")]
    assert unfinished(s3_server, url) == 0, "the parts are not left for a rule of the bucket to find"


def test_what_comes_piece_by_piece_goes_in_parts_and_of_a_broken_source_nothing_is_seen(
    store: ArtefactStore, lossy: Way, s3_server: S3, url: str
) -> None:
    pieces = [LARGE[start : start + 2**20] for start in range(0, len(LARGE), 2**20)]
    store.put_pieces("whole", iter(pieces))
    assert len(parts(lossy)) == -(-len(LARGE) // PART)
    assert store.get("whole") == LARGE

    def broken() -> Iterator[bytes]:
        yield from pieces[:20]
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        store.put_pieces("half", broken())
    assert [entry.path for entry in store.entries("")] == ["whole"]
    assert unfinished(s3_server, url) == 0


WRITER = """
import sys
from latentaug.storage.objects import ArtefactStore

ArtefactStore(sys.argv[1]).put("large", bytes(32 * 2**20))
"""


def test_of_an_upload_whose_process_is_killed_nothing_is_seen(
    store: ArtefactStore, lossy: Way, s3_server: S3, url: str
) -> None:
    lossy.delay = 0.5
    writer = subprocess.Popen([sys.executable, "-c", WRITER, url])
    assert within(30, lambda: len(parts(lossy)) >= 2)
    writer.kill()
    writer.wait()
    lossy.delay = 0.0
    assert store.entries("") == []
    assert unfinished(s3_server, url) == 1, "as the page tells, for a rule of the bucket to end"


@pytest.mark.parametrize("trouble", [Trouble.BUSY, Trouble.BROKEN])
def test_a_server_that_errs_once_is_asked_again(store: ArtefactStore, lossy: Way, trouble: Trouble) -> None:
    asks = {
        "put": lambda: store.put("a/b", b"1"),
        "create": lambda: store.create("a/c", b"2"),
        "large": lambda: store.put("a/large", LARGE[: 2 * PART]),
        "get": lambda: store.get("a/b") == b"1",
        "part": lambda: store.part("a/c", 0, 1) == b"2",
        "look": lambda: store.look("a/b").size == 1,
        "exists": lambda: store.exists("a/b"),
        "files": lambda: store.files("a") == ["b", "c", "large"],
        "folders": lambda: store.folders("") == ["a"],
        "entries": lambda: len(store.entries("a")) == 3,
        "probe": store.probe,
        "delete": lambda: store.delete("a/b"),
        "delete_folder": lambda: store.delete_folder("a"),
    }
    for name, ask in asks.items():
        lossy.once(trouble)
        assert ask() in (None, True), name


def test_an_answer_that_breaks_off_is_asked_for_again(store: ArtefactStore, lossy: Way) -> None:
    store.put("large", LARGE)
    lossy.once(Trouble.CUT)
    assert store.get("large") == LARGE


def test_what_was_written_although_its_answer_was_lost_is_not_taken_for_somebody_elses(
    store: ArtefactStore, lossy: Way
) -> None:
    lost: list[Asked] = []

    def lose_the_first(asked: Asked) -> Trouble | None:
        if not asked.conditional or lost:
            return None
        lost.append(asked)
        return Trouble.LOST

    lossy.trouble = lose_the_first
    made = datasets.create(store, "mine", IMAGES, None, 2**20)
    assert lost
    assert datasets.describe("mine", store) == made
    assert len(datasets.load("mine", store, ()).images) == 12
    with pytest.raises(Conflict):
        datasets.create(store, "mine", IMAGES, None, 2**20)
    with pytest.raises(Conflict):
        store.create("datasets/mine/dataset.json", b"another")


def test_a_store_that_is_slow_to_answer_is_waited_for(store: ArtefactStore, lossy: Way) -> None:
    lossy.delay = 2.0
    datasets.create(store, "mine", IMAGES, None, 2**20)
    assert "mine" in datasets.names(store)
    assert len(datasets.load("mine", store, ()).images) == 12


def test_a_large_file_goes_over_a_slow_line(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, rate, data = ports.free(HOST), 1.5e6, LARGE[: 4 * PART]
    inner = s3_server.server.url.rsplit(":", 1)[1]
    with Listening(outer, "tests.relay", str(outer), inner, str(rate)) as line:
        store = ArtefactStore(f"{object_stores.name(line.url, monkeypatch)}/{uuid4().hex}")
        started = time.monotonic()
        store.put("large", data)
        assert time.monotonic() - started > 0.9 * len(data) / rate > 10, "and longer than any answer is waited for"
        assert store.get("large") == data


MEMORY = """
import resource, sys
from latentaug.storage.files import StoredFile
from latentaug.storage.objects import ArtefactStore

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

store, size = ArtefactStore(sys.argv[1]), int(sys.argv[2])
store.put("small", bytes(2**20))
data = bytes(size)
for i in range(0, size, 4096):
    data[i]
before = peak()
store.put("large", data)
print(peak() - before)
"""


def test_a_large_file_takes_little_more_memory_than_itself(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"{object_stores.name(s3_server.server.url, monkeypatch)}/{uuid4().hex}"
    command = [sys.executable, "-c", MEMORY, url, str(256 * 2**20)]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 64 * 2**20
