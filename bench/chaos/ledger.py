"""What callers saw while the service was broken and healed."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

BROKEN = 0
"""Stands for the status of a request that got no whole answer: nobody listened, or the connection broke."""
MEANWHILE = frozenset({BROKEN, 429, 503, 504})
"""Statuses that a caller may see while a part is away, and then tries again. Any other stands for itself."""
NO_ROOM = 507
"""The status while files cannot be written, and for a while after that."""
AFTERWARDS = 10.0
"""Seconds after a disk has been mended for which a request may still be answered as if it were not."""


@dataclass
class Ledger:
    """Counts of answers, and all that must not be.

    Attributes:
        answers: how often each kind of request got each status.
        checked: whole answers that were compared with what a quiet service had given.
        wrong: answers that were not what they must be, in words.
        lost: what was accepted and is not there, or did not end as it must, in words.
        stuck: jobs that had not ended long after everything else had healed.
        ended: how often jobs of each kind ended in which way.
        for_want_of_room: jobs that failed because their files could not be written, which they said.
    """

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    checked: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    for_want_of_room: int = 0
    _no_room_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(
        self,
        what: str,
        status: int,
        *,
        right: bool | None = None,
        said: str = "",
        its_own: Collection[int] = (),
    ) -> None:
        """Note one answer.

        Args:
            what: the kind of request.
            status: its status, or `BROKEN`.
            right: whether a success was what it must be; None where it was not compared.
            said: the beginning of what it said, for the case that it is wrong.
            its_own: errors that may be the right answer to this request, which the caller judges itself.
        """
        expected = status in MEANWHILE or 200 <= status < 300 or status in its_own
        expected = expected or (status == NO_ROOM and self.short_of_room())
        with self._lock:
            self.answers[what, status] += 1
            self.checked += right is not None
            if right is False or not expected:
                self.wrong.append(f"{what}: {status} {said[:300]}")

    def accuse(self, wrong: str) -> None:
        """Note something that is not as it must be."""
        with self._lock:
            self.wrong.append(wrong)

    def lose(self, what: str) -> None:
        """Note something that was accepted and is lost."""
        with self._lock:
            self.lost.append(what)

    def job_ended(self, kind: str, how: str) -> None:
        """Note the end of a job."""
        with self._lock:
            self.ended[kind, how] += 1
            self.for_want_of_room += how == "no room"

    def disk_broken(self) -> None:
        """From now on files may not be written."""
        self._no_room_until = math.inf

    def disk_mended(self) -> None:
        """They can be written again."""
        self._no_room_until = time.monotonic() + AFTERWARDS

    def short_of_room(self, since: float | None = None) -> bool:
        """Whether files may not be written now, or could not at some time since `since`, on the monotonic clock."""
        return self._no_room_until > (time.monotonic() if since is None else since)

    def check(self) -> None:
        """Make sure that nothing was lost, wrong or stuck.

        Raises:
            AssertionError: something was; the message says what.
        """
        if not self.clean:
            raise AssertionError("\n".join([*self.lost, *self.wrong, *self.stuck]))

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, wrong or stuck."""
        return not (self.wrong or self.lost or self.stuck)
