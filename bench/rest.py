"""How soon the service is ready, and what it costs while nobody calls it: `python -m bench.rest --help`.

Times are of processes on this machine, read from `/proc`, so this measures on Linux only.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TypedDict

from bench import memory, results
from examples.running import running_service

HOME = Path("build/rest")
SETTLING = 15.0
"""Seconds after the start that are not counted."""
OTHERS = "Valkey and what starts the others"


class Found(TypedDict):
    """Seconds from each start until the service was ready, and then the percent of one core that each part took."""

    starts: list[float]
    idle: dict[str, float]


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure and write docs/results/rest.md and .json."""
    parser = argparse.ArgumentParser(description="Measure how soon the service is ready, and what it costs at rest.")
    parser.add_argument("--starts", type=int, default=5, help="starts, one after the other (5)")
    parser.add_argument("--seconds", type=float, default=60.0, help="seconds of rest that are measured (60)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    if not memory.AVAILABLE:
        parser.error("this system has no /proc to read times from; measure on Linux")
    environment = results.environment()
    found = measure(home, asked.starts, asked.seconds)
    command = f"python -m bench.rest {' '.join(arguments)}".rstrip()
    results.write(asked.results, "rest", command, environment, found, page(found, asked.seconds))


def measure(home: Path, starts: int, seconds: float) -> Found:
    """Start the whole service again and again in an empty home, then leave it alone for so many seconds."""
    taken = list[float]()
    while True:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        begun = time.monotonic()
        with running_service(home):
            taken.append(time.monotonic() - begun)
            if len(taken) == starts:
                time.sleep(min(SETTLING, seconds))
                return {"starts": taken, "idle": idle(seconds)}


def idle(seconds: float) -> dict[str, float]:
    """The percent of one core that each part takes over the next seconds, with its processes that end meanwhile."""
    before = used()
    time.sleep(seconds)
    after = used()
    return {part: 100 * (after[part] - before.get(part, 0.0)) / seconds for part in after}


def used() -> dict[str, float]:
    """Seconds of the processor that each part has used so far, with the processes that it has started and buried."""
    found = dict[str, float]()
    for pid in memory.descendants(os.getpid()):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            continue
        part = memory.part_of(pid) or OTHERS
        ticks = sum(map(int, fields[11:15]))  # utime, stime and those of children, as proc(5) has them
        found[part] = found.get(part, 0.0) + ticks / os.sysconf("SC_CLK_TCK")
    return found


def page(found: Found, seconds: float) -> list[str]:
    """The figures as a page."""
    starts, shares = found["starts"], found["idle"]
    rows = [f"| {part} | {share:.2f} |" for part, share in sorted(shares.items())]
    return [
        "# At rest",
        "",
        f"`python -m service.stack` in an empty home is ready after **{median(starts):.1f} s**: model server, API, "
        f"worker and embedded Valkey. That is the median of {len(starts)} starts, which took {min(starts):.1f} to "
        f"{max(starts):.1f} s.",
        "",
        f"While nobody calls it, it takes **{sum(shares.values()):.2f} %** of one core, over {seconds:g} s:",
        "",
        "| part | percent of one core |",
        "|---|---|",
        *rows,
    ]


if __name__ == "__main__":
    main()
