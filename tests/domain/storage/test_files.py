"""Stored files, read in pieces."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from latentaug.errors import NotFound
from latentaug.storage.files import PIECE, StoredFile, pieces
from latentaug.storage.objects import ArtefactStore

DATA = np.random.default_rng(0).integers(0, 256, 5 * PIECE // 2, np.uint8).tobytes()


pytestmark = pytest.mark.stores


@pytest.fixture
def store(store_url: str) -> ArtefactStore:
    made = ArtefactStore(store_url)
    made.put("a/file", DATA)
    return made


@pytest.mark.parametrize(("start", "stop"), [(0, len(DATA)), (3, 7), (PIECE - 1, PIECE + 1), (5, 5)])
def test_any_stretch_is_read_piece_by_piece(store: ArtefactStore, start: int, stop: int) -> None:
    read = list(pieces(store, "a/file", start, stop))

    assert b"".join(read) == DATA[start:stop]
    assert all(len(piece) <= PIECE for piece in read)


def test_a_zip_is_read_from_the_store_as_from_a_file(store: ArtefactStore) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(40):
            archive.writestr(f"{i}.bin", DATA[i : i + PIECE // 8])
    store.put("a/zip", out.getvalue())

    with zipfile.ZipFile(io.BufferedReader(StoredFile(store, "a/zip"))) as archive:
        for i in reversed(range(40)):
            assert archive.read(f"{i}.bin") == DATA[i : i + PIECE // 8]


def test_places_are_those_of_the_whole_file(store: ArtefactStore) -> None:
    file = io.BufferedReader(StoredFile(store, "a/file"))

    assert file.seek(-3, io.SEEK_END) == len(DATA) - 3
    assert file.read() == DATA[-3:]
    assert file.read() == b""
    with pytest.raises(ValueError, match="before the file"):
        StoredFile(store, "a/file").seek(-1)


def test_what_is_not_there_is_not_found(store: ArtefactStore) -> None:
    with pytest.raises(NotFound):
        StoredFile(store, "a/none")
    with pytest.raises(NotFound):
        store.part("a/none", 0, 1)


def test_a_file_that_is_written_anew_has_another_tag(store: ArtefactStore) -> None:
    before = store.look("a/file")
    store.put("a/file", DATA[:-1])

    assert store.look("a/file").tag != before.tag
    assert before.size == len(DATA)
