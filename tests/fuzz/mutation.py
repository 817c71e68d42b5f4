"""Real files that are broken in many ways, and the bounds that hold for whatever reads them.

`FUZZ_EXAMPLES` says how many broken files each test tries; `make fuzz MINUTES=n` tries as many as fit into the time.
"""

from __future__ import annotations

import os
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from latentaug.errors import LatentaugError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "200"))
MOST_SECONDS = 5.0
"""Of a processor, for one file; far more than any takes."""
MOST_BYTES = 256 * 2**20
"""By which this process's memory may grow in one test."""
MOST_INPUT_BYTES = 64 * 2**20
"""The same for one input that is small itself, under the limits that `tests.fuzz.decoders` sets."""
CASES: Counter[str] = Counter()
"""How many files each test tried, for the summary."""

fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

_EXTREMES = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80\0\0\0", b"\0\0\0\x80"]
_PIECES = st.one_of(st.binary(max_size=8), st.sampled_from(_EXTREMES), st.integers(0, 255).map(lambda n: bytes([n])))
_EDIT = st.tuples(
    st.sampled_from(["replace", "insert", "delete", "repeat", "cut", "splice"]),
    st.floats(0, 1),
    st.floats(0, 1),
    _PIECES,
)


def broken(seeds: Mapping[str, bytes]) -> st.SearchStrategy[bytes]:
    """One of some files after a few edits: bytes replaced, put in, left out or repeated, cut off, or another file's."""
    files = st.sampled_from(sorted(seeds.values()))
    return st.builds(_edited, files, files, st.lists(_EDIT, min_size=1, max_size=6))


def _edited(data: bytes, other: bytes, edits: list[tuple[str, float, float, bytes]]) -> bytes:
    for kind, first, second, piece in edits:
        at, to = sorted((int(first * len(data)), int(second * len(data))))
        if kind == "replace":
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "delete":
            data = data[:at] + data[to:]
        elif kind == "repeat":
            data = data[:to] + data[at:to] + data[to:]
        elif kind == "cut":
            data = data[:to]
        else:
            data = data[:at] + other[int(second * len(other)) :]
        data = data[: 2**20]
    return data


def tried(name: str, read: Callable[[], object]) -> None:
    """Have something read, which may refuse it with an error of our own, but neither fail otherwise nor take long."""
    CASES[name] += 1
    started = time.process_time()
    try:
        read()
    except LatentaugError as error:
        assert error.status < 500, f"{error.code} is no fault of the caller's"
        assert error.detail
    assert time.process_time() - started < MOST_SECONDS


@contextmanager
def little_memory(most: int = MOST_BYTES) -> Iterator[None]:
    """Bounds what this process has in memory at most, beside what it had before."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < most, f"grown by {grown} KiB"
