"""The places for uploads: who is quick, or whom nobody waits for, keeps one for as long as it takes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from latentaug.errors import Stalled, TooManyRequests
from service.api.http.places import BYTES_PER_SECOND, FREE_SECONDS, WANTED_SECONDS, Place, Places


class Clock:
    """A clock that is told the time."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(places: Places) -> None:
    with pytest.raises(TooManyRequests) as caught, places.one():
        pass
    assert caught.value.retry_after


def come_in(place: Place, clock: Clock, seconds: int, rate: int, meanwhile: Callable[[], None] = lambda: None) -> int:
    """How many seconds of an upload come in until it has to give way."""
    for second in range(seconds):
        clock.now += 1
        meanwhile()
        try:
            place.room(rate)
        except Stalled:
            return second
    return seconds


@pytest.mark.parametrize(
    ("rate", "lasts"),
    [(1024, FREE_SECONDS), (BYTES_PER_SECOND // 2, 2 * FREE_SECONDS), (BYTES_PER_SECOND, 3600)],
)
def test_who_comes_in_slowly_gives_way_to_others(rate: int, lasts: float) -> None:
    clock = Clock()
    places = Places(1, clock)
    with places.one() as place:
        assert come_in(place, clock, 3600, rate, lambda: refused(places)) == pytest.approx(lasts, abs=2)
    with places.one():
        pass


def test_whom_nobody_waits_for_may_take_as_long_as_it_takes() -> None:
    clock = Clock()
    places = Places(1, clock)
    with places.one() as place:
        refused(places)
        clock.now += WANTED_SECONDS
        assert come_in(place, clock, 3600, 1024) == 3600
