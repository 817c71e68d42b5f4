"""How much each caller may still take of something in a time, counted for all processes together."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering


@dataclass(frozen=True)
class Rate:
    """So much of something in so many seconds.

    Attributes:
        name: what is counted.
        most: how much in any window.
        seconds: length of a window.
    """

    name: str
    most: int
    seconds: int


class Allowances:
    """Counts in Redis, over a sliding window of Redis's own clock."""

    def __init__(self, redis: Redis) -> None:
        self._allow = scripts.load(redis, "allow")

    def take(self, rate: Rate, caller: str, needed: int, wanted: int) -> tuple[int, float]:
        """Take some of what a caller may have.

        Args:
            rate: what, and how much of it.
            caller: whose.
            needed: the least that is of use.
            wanted: how much to take, if so much is left.

        Returns:
            How much was taken, 0 where less than `needed` is left; and the seconds in which it must be used or, where
            nothing was taken, after which it is worth trying again.

        Raises:
            Away: Redis does not answer.
        """
        arguments: list[str | int] = [rate.name, caller, rate.most, rate.seconds, needed, max(needed, wanted)]
        with answering():
            granted, milliseconds = self._allow(args=arguments)
        return int(granted), int(milliseconds) / 1000
