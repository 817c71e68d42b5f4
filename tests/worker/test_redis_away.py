"""While Redis is away every kind of job waits, and no living one is started a second time. Real processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from latentaug.errors import Away, Unavailable
from latentaug.options import TrainParams
from latentaug.runtime.jobs import Attempts, JobRecord, Kind
from service.stack.valkey import EmbeddedRedis
from tests.waiting import within
from tests.worker.conftest import ENDLESS, WorkerProcess, alive
from tests.worker.desk import Desk
from tests.worker.test_fan_out import GRID
from worker import tasks
from worker.tasks import answered
from worker.work import Work

SOON = 300.0
AWAY = 8.0
"""More than two leases of these tests."""

Submit = Callable[..., JobRecord]
Start = Callable[..., WorkerProcess]

SMALL: dict[Kind, dict[str, object]] = {
    "train": {"dataset": "digits", "latent_dim": 4, "epochs": 2},
    "evaluate": {**GRID, "draws": 2, "tune": False},
}


@contextmanager
def away(server: EmbeddedRedis) -> Iterator[None]:
    """Stop Redis, and start it again `AWAY` seconds after what happens meanwhile."""
    server.stop()
    yield
    time.sleep(AWAY)
    server.start()


def succeeds(jobs: Attempts, record: JobRecord) -> None:
    assert within(SOON, lambda: jobs.get(record.id).ended)
    done = jobs.get(record.id)
    assert (done.status, done.error) == ("succeeded", None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SMALL)
def test_a_job_that_starts_while_redis_is_away_waits_and_succeeds(
    jobs: Attempts, submit: Submit, start_worker: Start, server: EmbeddedRedis, kind: Kind
) -> None:
    worker = start_worker(LATENTAUG_QUEUES=f'["{kind}"]')
    record = submit(kind, **SMALL[kind])
    assert within(SOON, lambda: jobs.get(record.id).status == "running")
    process = worker.job_pid
    os.kill(process, signal.SIGSTOP)  # so that it has asked for nothing yet
    time.sleep(0.5)
    with away(server):
        os.kill(process, signal.SIGCONT)
    succeeds(jobs, record)


@pytest.mark.slow
def test_an_evaluation_that_splits_up_while_redis_is_away_waits_and_succeeds(
    jobs: Attempts, submit: Submit, start_worker: Start, server: EmbeddedRedis
) -> None:
    worker = start_worker(LATENTAUG_QUEUES='["evaluate"]')
    record = submit("evaluate", **SMALL["evaluate"])
    process = worker.job_pid

    def imports_torch() -> bool:
        with open(f"/proc/{process}/maps") as maps:
            return "libtorch" in maps.read()

    assert within(SOON, imports_torch)
    with away(server):
        pass
    succeeds(jobs, record)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["it is stopped and goes on", "it ends and is started again"])
def test_a_living_training_is_not_started_a_second_time(
    jobs: Attempts, submit: Submit, start_worker: Start, server: EmbeddedRedis, how: str
) -> None:
    worker = start_worker()
    record = submit(**ENDLESS)
    assert within(SOON, lambda: jobs.get(record.id).progress.stage.startswith("epoch"))
    process = worker.job_pid
    for _ in range(2):
        if how == "it is stopped and goes on":
            assert server.pid is not None
            os.kill(server.pid, signal.SIGSTOP)
            time.sleep(AWAY)
            os.kill(server.pid, signal.SIGCONT)
        else:
            with away(server):
                pass
        assert within(15, lambda: jobs.lease_alive(record.id))
        time.sleep(4)
        now = jobs.get(record.id)
        assert (now.status, now.attempt) == ("running", 1)
        assert alive(process)
    stage = now.progress.stage
    assert within(30, lambda: jobs.get(record.id).progress.stage != stage), "it trains on"
    jobs.cancel(record.id)


def test_sub_jobs_are_split_off_once_whatever_answers_are_lost(desk: Desk, jobs: Attempts) -> None:
    work = desk.start("evaluate", {"dataset": "digits"})
    first, _ = jobs.fan_out(work.record.id, 1, {"a": {}, "b": {}}, 0.0, 1.0)
    jobs.claim(first.id, 1)

    again = jobs.fan_out(work.record.id, 1, {"a": {}, "b": {}}, 0.0, 1.0)

    assert [sub_job.id for sub_job in again] == [f"{work.record.id}_b"]
    assert [sub_job.id for sub_job in jobs.sub_jobs(work.record.id, "running")] == [first.id]


def test_redis_is_asked_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSE", 0.0)
    answers: list[Exception | str] = [Away("away"), Away("away"), "here"]

    def question() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert answered(question) == "here"
    answers = [Unavailable("no URL is set")]
    with pytest.raises(Unavailable, match="no URL"):
        answered(question)


def test_a_task_is_done_again_from_what_it_has_kept_when_redis_or_the_store_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PAUSE", 0.0)
    monkeypatch.setitem(tasks.TASKS, "train", f"{__name__}:interrupted")
    work = desk.start("train", {"dataset": "digits"})
    desk.finish(work)
    done = desk.jobs.get(work.record.id)
    assert (done.status, done.result) == ("succeeded", {"tries": 3})


def interrupted(work: Work, params: TrainParams) -> dict[str, object]:
    """A task that finds Redis or the store away at its first two tries."""
    tries = 1 + int(work.recall("tries") or 0)
    work.keep("tries", str(tries).encode())
    if tries < 3:
        raise Away("away")
    return {"tries": tries}


def test_a_task_goes_on_when_redis_is_back(desk: Desk, server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PAUSE", 0.1)
    work = desk.start("train", {"dataset": "digits", "latent_dim": 2, "epochs": 1})
    server.stop()
    working = threading.Thread(target=desk.finish, args=(work,))
    working.start()
    time.sleep(1)
    assert working.is_alive()
    server.start()
    working.join(60)
    assert not working.is_alive()
    assert desk.jobs.get(work.record.id).status == "succeeded"
