"""Runs a module with Python's profiler in every thread: `python -m bench.profiled FILE MODULE`.

At SIGUSR1 it forgets what it has seen so far, such as imports. When the module ends, or SIGTERM ends it, FILE holds a
line of JSON for each thread that has computed: its name, and for each function its file, line, name, calls, and the
seconds of the processor that it took alone and with what it called.
"""

from __future__ import annotations

import cProfile
import json
import runpy
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

_profiles = dict[str, cProfile.Profile]()


def main() -> None:
    """Run the module that the command line names."""
    target, module = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGUSR1, _forget)
    threading.setprofile(_begin)
    _begin()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        target.write_text("".join(f"{json.dumps([name, _rows(each)])}\n" for name, each in _profiles.items()))


def _begin(frame: FrameType | None = None, event: str = "", argument: object = None) -> None:
    """Profile this thread from now on; a thread calls it with its first event."""
    profile = _profiles[threading.current_thread().name] = cProfile.Profile(time.thread_time)
    profile.enable()


def _forget(number: int, frame: FrameType | None) -> None:
    for profile in _profiles.values():
        profile.clear()


def _rows(profile: cProfile.Profile) -> list[list[Any]]:
    return [[*_place(entry.code), entry.callcount, entry.inlinetime, entry.totaltime] for entry in profile.getstats()]


def _place(code: Any) -> tuple[str, int, str]:
    """File, line and name of a function; one that is not of Python has neither file nor line."""
    return ("", 0, code) if isinstance(code, str) else (code.co_filename, code.co_firstlineno, code.co_qualname)


if __name__ == "__main__":
    main()
