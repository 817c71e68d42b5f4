"""`python -m bench.fanout`: how much sooner two processes finish one evaluation than one does.

The same grid on the bundled digits (SVM, kNN and MLP, four draws) is measured by one and by two processes of the
evaluate queue, with one thread each. Trust the ratio only on a machine with two idle cores.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from bench import machine
from examples.running import running_service

HOME = Path("build/fanout")
JOB_TIMEOUT = 3600.0  # seconds
EVALUATE = {
    "dataset": "digits",
    "latent_dims": [10],
    "epochs": 5,
    "labelled": 100,
    "draws": 4,
    "methods": ["interpolation"],
    "comparators": [],
    "combine": False,
    "tune": False,
}
GOAL = 0.65


def main() -> None:
    """Measure both and print the ratio."""
    seconds = {processes: _seconds(processes) for processes in (1, 2)}
    ratio = seconds[2] / seconds[1]
    print(
        f"one process {seconds[1]:.0f} s, two {seconds[2]:.0f} s: ratio {ratio:.2f} (goal: at most {GOAL})\n"
        f"on {machine.describe()}, load {machine.load():.1f} at the end"
    )


def _seconds(processes: int) -> float:
    """Seconds from the job's submission to its end, with this many processes of one thread each."""
    shutil.rmtree(HOME, ignore_errors=True)
    with running_service(HOME, threads=str(processes), evaluate_processes=str(processes)) as service:
        started = time.monotonic()
        service.job("evaluate", EVALUATE, JOB_TIMEOUT)
        return time.monotonic() - started


if __name__ == "__main__":
    main()
