from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from redis import Redis

from bench.memory import command
from latentaug.runtime.jobs import Attempts, JobRecord, Kind, connect
from latentaug.runtime.jobs.queue import JobQueue
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis
from tests.waiting import within
from tests.worker.desk import Desk

ENDLESS = {"dataset": "digits", "epochs": 10_000, "patience": 10_000, "batch_size": 64}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    """Ids of the processes that a process has started, over all of its threads."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path)
    with server:
        yield server


@pytest.fixture
def settings(server: EmbeddedRedis, tmp_path: Path, store_url: str) -> Settings:
    return Settings(
        home=tmp_path,
        store_url=store_url,
        redis_url=server.url,
        queues=("train",),
        lease_seconds=3,
        drain_seconds=5,
        max_attempts=2,
        threads=1,
    )


@pytest.fixture
def redis(settings: Settings) -> Iterator[Redis]:
    with connect(settings) as redis:
        yield redis


@pytest.fixture
def artefacts(settings: Settings) -> ArtefactStore:
    return ArtefactStore(settings.resolved_store_url)


@pytest.fixture
def jobs(redis: Redis, artefacts: ArtefactStore, settings: Settings) -> Attempts:
    return Attempts(redis, artefacts, settings)


@pytest.fixture
def queue(redis: Redis, settings: Settings) -> JobQueue:
    return JobQueue(redis, settings)


@pytest.fixture
def submit(queue: JobQueue, jobs: Attempts) -> Callable[..., JobRecord]:
    """Create a job and put it in its queue, as the API does."""

    def submit(kind: Kind = "train", **params: object) -> JobRecord:
        record, _ = jobs.create(kind, params)
        queue.enqueue([record])
        return record

    return submit


class WorkerProcess:
    """`python -m worker`, and below it one queue process, the fork server, and the job's process while there is one."""

    def __init__(self, settings: Settings, **variables: str) -> None:
        assert settings.redis_url is not None
        self.process = subprocess.Popen(
            [sys.executable, "-m", "worker"],
            env={
                **os.environ,
                "LATENTAUG_HOME": str(settings.home),
                "LATENTAUG_REDIS_URL": settings.redis_url.get_secret_value(),
                "LATENTAUG_STORE_URL": settings.resolved_store_url,
                "LATENTAUG_QUEUES": '["train"]',
                "LATENTAUG_LEASE_SECONDS": str(settings.lease_seconds),
                "LATENTAUG_DRAIN_SECONDS": str(settings.drain_seconds),
                "LATENTAUG_MAX_ATTEMPTS": str(settings.max_attempts),
                "LATENTAUG_THREADS": "1",
                **variables,
            },
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def fork_server_pid(self) -> int:
        assert within(10, lambda: bool(self._below("worker.fork_server")))
        return self._below("worker.fork_server")[0]

    @property
    def queue_pids(self) -> list[int]:
        return self._below("--queue")

    @property
    def queue_pid(self) -> int:
        assert within(10, lambda: bool(self.queue_pids))
        return self.queue_pids[0]

    @property
    def job_pids(self) -> list[int]:
        return children(self.fork_server_pid)

    @property
    def job_pid(self) -> int:
        assert within(10, lambda: bool(self.job_pids))
        return self.job_pids[0]

    def pids(self) -> list[int]:
        return [self.pid, self.queue_pid, self.fork_server_pid, self.job_pid]

    def _below(self, word: str) -> list[int]:
        return [pid for pid in children(self.pid) if word in command(pid)]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


@pytest.fixture
def start_worker(settings: Settings) -> Iterator[Callable[..., WorkerProcess]]:
    started: list[WorkerProcess] = []

    def start(**variables: str) -> WorkerProcess:
        started.append(WorkerProcess(settings, **variables))
        return started[-1]

    yield start
    for worker in started:
        worker.stop()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def desk(redis: Redis, jobs: Attempts, artefacts: ArtefactStore, settings: Settings) -> Desk:
    return Desk(redis, jobs, artefacts, settings)
