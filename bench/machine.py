"""The machine that a figure was measured on: what it is, and how busy it was."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from latentaug.runtime.lifeline import tied
from latentaug.runtime.settings import available_cores

_SPEED_SECONDS, _START_SECONDS = 0.2, 0.2


def describe() -> str:
    """Name the processor, the cores that may be used, the system and Python, in a line."""
    return (
        f"{_processor()}, {available_cores()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def load() -> float:
    """Return how many processes ran or wanted to in the last minute; if more than the cores, times are too long."""
    return os.getloadavg()[0]


def rate(call: Callable[[], object], seconds: float) -> float:
    """Measure calls per second, one after the other, for so long and at least once."""
    started, count = time.perf_counter(), 0
    while not count or time.perf_counter() < started + seconds:
        call()
        count += 1
    return count / (time.perf_counter() - started)


def beside_a_busy_core() -> float:
    """Measure a core's speed while another one is busy, as a fraction of its speed alone. This takes about 2 s.

    It is well below 1 where the two are threads of one core, so that a server's processes slow one another.
    """
    return median(_share() for _ in range(3))


def _share() -> float:
    alone = _speed()
    with subprocess.Popen(tied([sys.executable, "-m", __name__])) as neighbour:
        time.sleep(_START_SECONDS)
        beside = _speed()
        neighbour.kill()
    return beside / alone


def _speed() -> float:
    """Objects per second that are written as JSON and read back, as a service does all day."""
    document = {"name": "bench", "shape": [64, 28, 28, 1], "parameters": {"k": 3, "alpha": 0.5}}
    return rate(lambda: json.loads(json.dumps(document)), _SPEED_SECONDS)


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


if __name__ == "__main__":
    while True:
        _speed()
