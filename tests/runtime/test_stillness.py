"""A process that stands still is noticed, and one that goes on again in time is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from latentaug.runtime import stillness
from latentaug.runtime.processes import ModuleProcess
from latentaug.runtime.stillness import Stillness
from tests.waiting import within

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells that a process stands still")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock by which stillness is measured."""

    def put(seconds: float) -> None:
        monkeypatch.setattr(stillness, "time", SimpleNamespace(monotonic=lambda: seconds))

    return put


def test_it_is_too_long_after_half_a_minute_on_end(
    sleeper: subprocess.Popen[bytes], clock: Callable[[float], None]
) -> None:
    watch = Stillness()
    assert not watch.too_long(sleeper.pid)
    sleeper.send_signal(signal.SIGSTOP)
    assert within(5, lambda: stillness._stopped(sleeper.pid))
    found = []
    for seconds in (100.0, 129.0, 131.0):
        clock(seconds)
        found.append(watch.too_long(sleeper.pid))
    assert found == [False, False, True]
    sleeper.send_signal(signal.SIGCONT)


def test_going_on_begins_it_anew(sleeper: subprocess.Popen[bytes], clock: Callable[[float], None]) -> None:
    watch = Stillness()
    for seconds, number in ((100.0, signal.SIGSTOP), (120.0, signal.SIGCONT), (140.0, signal.SIGSTOP)):
        sleeper.send_signal(number)
        stopped = number == signal.SIGSTOP
        clock(seconds)
        while stillness._stopped(sleeper.pid) is not stopped:
            pass
        assert not watch.too_long(sleeper.pid)


def test_a_process_that_has_ended_does_not_stand_still(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    sleeper.wait()
    assert not Stillness().too_long(sleeper.pid)


def test_a_kept_process_that_stands_still_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stillness, "STILL_SECONDS", 0.3)
    kept = ModuleProcess(["timeit", "-n", "1", "-r", "1", "-s", "import time", "time.sleep(60)"], {})
    kept.keep_running()
    assert kept._process is not None
    first = kept._process
    first.send_signal(signal.SIGSTOP)

    def started_again() -> bool:
        kept.keep_running()
        return kept._process is not None and kept._process.pid != first.pid

    assert within(10, started_again)
    assert first.returncode == -signal.SIGKILL
    kept._process.kill()
    kept._process.wait()
