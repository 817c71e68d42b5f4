"""Jobs' processes are forked by one that has imported what they need, and end with whoever waits for them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket, socketpair

import pytest

from latentaug.runtime.jobs import Attempts, JobRecord
from tests.waiting import within
from tests.worker.conftest import WorkerProcess, alive, children
from worker.forked import Forked, Request, fork

Submit = Callable[..., JobRecord]
Start = Callable[..., WorkerProcess]
SOON = 180.0
"""Seconds that importing may take on a busy machine."""
STAND_IN = """
import os, sys, time
from threadpoolctl import threadpool_info
from worker import fork_server, job_process
import torch

def main(arguments):
    path, what = arguments
    pools = {str(pool["num_threads"]) for pool in threadpool_info()} | {str(torch.get_num_threads())}
    open(path, "w").write(f"{os.environ['OMP_NUM_THREADS']} {' '.join(pools)}")
    if what == "wait":
        time.sleep(600)
    if what != "return":
        os._exit(int(what))

job_process.main = main
fork_server.main(sys.argv[1])
"""
"""The fork server, whose processes do something that a test can see, in place of a job of RQ's."""


class Forks:
    """A fork server of its own for a test."""

    def __init__(self) -> None:
        self._ends = socketpair(AF_UNIX, SOCK_DGRAM)
        self.process = self._started()

    def ask(self, path: Path, what: str, threads: int = 1) -> Forked:
        request = Request(kind="train", arguments=(str(path), what), threads=threads)
        return fork(self.requests, request, lambda: None)

    def start_again(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self._started()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for end in self._ends:
            end.close()

    @property
    def requests(self) -> socket:
        return self._ends[0]

    def _started(self) -> subprocess.Popen[bytes]:
        descriptor = self._ends[1].fileno()
        return subprocess.Popen([sys.executable, "-c", STAND_IN, str(descriptor)], pass_fds=[descriptor])


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    forks = Forks()
    yield forks
    forks.close()


def written(path: Path) -> Callable[[], bool]:
    return lambda: path.exists() and path.read_text() != ""


@pytest.mark.parametrize("status", [0, 3])
def test_the_exit_status_of_a_process_is_told_as_often_as_it_is_asked_for(
    forks: Forks, tmp_path: Path, status: int
) -> None:
    process = forks.ask(tmp_path / "told", str(status))
    assert [os.waitstatus_to_exitcode(process.wait()) for _ in range(2)] == [status] * 2
    process.connection.close()


def test_a_process_that_finds_nothing_to_do_ends(forks: Forks, tmp_path: Path) -> None:
    process, other = forks.ask(tmp_path / "told", "return"), forks.ask(tmp_path / "other", "3")
    assert process.wait() == 0
    assert os.waitstatus_to_exitcode(other.wait()) == 3, "the fork server itself goes on"
    for each in (process, other):
        each.connection.close()


def test_a_killed_process_is_told_to_have_been_killed(forks: Forks, tmp_path: Path) -> None:
    process = forks.ask(tmp_path / "told", "wait")
    os.killpg(os.getpgid(process.pid), signal.SIGKILL)
    assert os.WTERMSIG(process.wait()) == signal.SIGKILL
    process.connection.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_process_computes_in_as_many_threads_as_were_asked_for(forks: Forks, tmp_path: Path, threads: int) -> None:
    process = forks.ask(tmp_path / "told", "0", threads)
    process.wait()
    process.connection.close()
    assert (tmp_path / "told").read_text().split() == [str(threads)] * 2, "the variable, and all pools alike"


def test_a_process_that_nobody_waits_for_is_killed(forks: Forks, tmp_path: Path) -> None:
    process, other = forks.ask(tmp_path / "told", "wait"), forks.ask(tmp_path / "other", "wait")
    assert within(SOON, written(tmp_path / "told"))
    process.connection.close()
    assert within(3, lambda: not alive(process.pid))
    assert alive(other.pid)
    other.connection.close()


def test_a_request_that_the_fork_server_died_of_is_done_by_the_next_one(forks: Forks, tmp_path: Path) -> None:
    forks.process.send_signal(signal.SIGSTOP)
    said = list[float]()

    def meanwhile() -> None:
        said.append(time.monotonic())
        if len(said) == 1:
            forks.start_again()

    process = fork(forks.requests, Request(kind="train", arguments=(str(tmp_path / "a"), "0"), threads=1), meanwhile)
    assert process.wait() == 0
    process.connection.close()
    assert said, "the lease is renewed while a request waits"


def test_jobs_of_one_worker_come_from_one_fork_server_and_go_on_with_the_next_where_it_dies(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    worker = start_worker()
    first = submit(dataset="digits", epochs=1, name="first")
    assert within(SOON, lambda: jobs.get(first.id).status == "succeeded")
    server = worker.fork_server_pid
    last = submit(dataset="digits", epochs=1000, patience=1000, name="last")
    assert within(SOON, lambda: jobs.get(last.id).progress.stage.startswith("epoch"))
    (job,) = children(server)
    os.kill(server, signal.SIGKILL)
    assert within(SOON, lambda: (jobs.get(last.id).status, jobs.get(last.id).attempt) == ("running", 2))
    assert within(3, lambda: not alive(job))
    assert worker.fork_server_pid != server


def test_a_worker_told_to_stop_while_a_process_is_awaited_puts_the_job_back(
    jobs: Attempts, submit: Submit, start_worker: Start
) -> None:
    worker = start_worker()
    os.kill(worker.fork_server_pid, signal.SIGSTOP)
    record = submit(dataset="digits", epochs=1)
    assert within(SOON, lambda: jobs.get(record.id).status == "running")
    queue = worker.queue_pid
    os.kill(queue, signal.SIGTERM)
    assert within(4, lambda: not alive(queue))
    os.kill(worker.fork_server_pid, signal.SIGCONT)
    assert jobs.get(record.id).status in {"queued", "running"}, "by now the next process may have it"
    assert jobs.get(record.id).error is None
    assert within(SOON, lambda: jobs.get(record.id).status == "succeeded")
