"""How many bytes each key's owner has in the artefact store: data sets, models, and what jobs made."""

from __future__ import annotations

from typing import cast

from redis import Redis

from latentaug.runtime.jobs import scripts
from latentaug.runtime.jobs.connection import answering
from latentaug.runtime.jobs.keys import key


class Ledger:
    """Entries by path, such as `datasets/mine`. All methods raise `Away` while Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._enter = scripts.load(redis, "enter")

    def enter(self, path: str, owner: str, size: int) -> None:
        """Write down whose bytes are stored at a path, and how many; without an owner nothing is."""
        if owner:
            with answering():
                self._enter(args=[path, owner, size])

    def erase(self, path: str) -> None:
        """Write down that nothing is stored at a path any more."""
        with answering():
            self._enter(args=[path, "", 0])

    def total(self, owner: str) -> int:
        """Bytes of one owner."""
        with answering():
            return int(cast("bytes | None", self._redis.hget(key("stored-bytes"), owner)) or 0)

    def totals(self) -> dict[str, int]:
        """Bytes of each owner who has any."""
        with answering():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(key("stored-bytes")))
        return {owner.decode(): int(size) for owner, size in found.items() if int(size)}
