"""An object store that is away or does not answer is told of in time, so that nobody waits for minutes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from latentaug.errors import Away
from latentaug.storage.objects import ArtefactStore
from tests import object_stores


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def at(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> ArtefactStore:
    return ArtefactStore(object_stores.name(endpoint, monkeypatch))


def check(store: ArtefactStore, seconds: float, least: float = 0.0) -> None:
    started = time.monotonic()
    with pytest.raises(Away, match="try again in a few seconds") as caught:
        store.probe()
    assert caught.value.retry_after
    assert least <= time.monotonic() - started < seconds


def test_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    store = at("http://127.0.0.1:9", monkeypatch)
    check(store, 12)
    for ask in (lambda: store.get("a"), lambda: store.exists("a"), lambda: store.folders("a")):
        with pytest.raises(Away):
            ask()


@pytest.mark.slow
def test_one_that_does_not_answer(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check(at(silent, monkeypatch), 25, least=5)


def test_variables_of_the_environment_still_count(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_READ_TIMEOUT", "1s")
    monkeypatch.setenv("AWS_TIMEOUT", "1s")
    check(at(silent, monkeypatch), 8, least=1)
