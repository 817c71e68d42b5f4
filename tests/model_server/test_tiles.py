"""Rows are cut into tiles so that all are computed once, and soon."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.model_server.tiles import START, pieces

SIZES = st.lists(st.integers(1, 100), min_size=1, max_size=5, unique=True).map(sorted)


def cost(found: list[tuple[int, slice]]) -> int:
    return sum(-(-(part.stop - part.start) // tile) * (tile + START) for tile, part in found)


@given(st.integers(0, 500), SIZES, st.integers(1, 20))
def test_every_row_is_in_one_piece_in_order(n: int, sizes: list[int], most: int) -> None:
    found = list(pieces(n, sizes, most))
    assert [row for _, part in found for row in range(part.start, part.stop)] == list(range(n))
    for tile, part in found:
        assert tile in sizes
        assert 0 < part.stop - part.start <= most * tile


@given(st.integers(1, 500), SIZES)
def test_several_sizes_take_no_longer_than_the_one_that_a_request_alone_would_have(n: int, sizes: list[int]) -> None:
    alone = next((size for size in sizes if size >= n), sizes[-1])
    assert cost(list(pieces(n, sizes, 1))) <= cost(list(pieces(n, [alone], 1)))


@pytest.mark.parametrize(
    ("n", "tiles"),
    [(1, [4]), (5, [4, 4]), (7, [4, 4]), (9, [16]), (40, [16, 16, 4, 4]), (60, [64]), (129, [64, 64, 4])],
)
def test_for_example(n: int, tiles: list[int]) -> None:
    assert [tile for tile, _ in pieces(n, (4, 16, 64), 1)] == tiles
