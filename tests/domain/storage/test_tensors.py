"""Arrays in the form of safetensors: the same bytes as the library's, and the same arrays again."""

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save

from latentaug.storage import tensors

ARRAYS: list[dict[str, NDArray[np.generic]]] = [
    {"images": np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1), "train": np.arange(3), "labels": np.arange(2)},
    {"images": np.zeros((0, 8, 8, 3), np.uint8), "validation": np.zeros(0, np.int64), "b": np.ones(1, np.int64)},
    {"a": np.ones(7, np.uint8)},
]


@pytest.mark.parametrize("arrays", ARRAYS)
def test_the_bytes_are_those_of_the_library(arrays: dict[str, NDArray[np.generic]]) -> None:
    assert b"".join(tensors.pieces(arrays)) == save(arrays)


def test_large_arrays_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "PIECE", 5)
    pieces = list(tensors.pieces(ARRAYS[0]))
    assert b"".join(pieces) == save(ARRAYS[0])
    assert max(map(len, pieces[1:])) == 5


@pytest.mark.parametrize("arrays", ARRAYS)
def test_views_are_what_was_written_and_no_copies(arrays: dict[str, NDArray[np.generic]]) -> None:
    data = np.frombuffer(save(arrays), np.uint8)
    found, expected = tensors.views(data), load(data.tobytes())
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name], strict=True)
        assert not array.size or np.shares_memory(array, data)
