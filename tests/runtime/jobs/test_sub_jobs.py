"""What a job that is split into sub-jobs, and these, may rely on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from latentaug.errors import NotFound
from latentaug.runtime.jobs import Attempts, JobError, JobRecord, SubJobs, connect
from latentaug.runtime.settings import Settings

PARAMS = {"dataset": "digits"}


@pytest.fixture
def parent(jobs: Attempts) -> JobRecord:
    record = jobs.claim(jobs.create("evaluate", PARAMS)[0].id, 1)
    assert record is not None
    return record


def fan_out(jobs: Attempts, parent: JobRecord, number: int = 3) -> list[JobRecord]:
    tasks = {f"part-{i:02}": {"number": i} for i in range(number)}
    return jobs.fan_out(parent.id, parent.attempt, tasks, 0.2, 0.8)


def do(jobs: Attempts, sub_job: JobRecord) -> None:
    assert jobs.claim(sub_job.id, sub_job.attempt) is not None
    assert jobs.finish(sub_job.id, sub_job.attempt, "succeeded", {})


def test_sub_jobs_are_records_of_their_own_that_callers_never_see(jobs: Attempts, parent: JobRecord) -> None:
    sub_jobs = fan_out(jobs, parent)
    assert [sub_job.id for sub_job in sub_jobs] == [f"{parent.id}_part-{i:02}" for i in range(3)]
    assert [sub_job.params for sub_job in sub_jobs] == [{"number": i} for i in range(3)]
    assert {(sub_job.kind, sub_job.status, sub_job.parent) for sub_job in sub_jobs} == {
        ("evaluate", "queued", parent.id)
    }
    assert jobs.list()[0] == jobs.unfinished() == [jobs.get(parent.id)]
    assert jobs.counts()["evaluate", "queued"] == 0, "they take no room from the callers' jobs"
    with pytest.raises(NotFound):
        jobs.get(sub_jobs[0].id)
    with pytest.raises(NotFound):
        jobs.cancel(sub_jobs[0].id)
    with pytest.raises(NotFound):
        jobs.events(sub_jobs[0].id)


def test_only_the_attempt_that_runs_can_fan_out(jobs: Attempts, parent: JobRecord) -> None:
    jobs.requeue(parent.id, 1)
    assert fan_out(jobs, parent) == []
    jobs.cancel(parent.id)
    assert fan_out(jobs, parent) == []


def test_a_job_counts_its_sub_jobs(jobs: Attempts, parent: JobRecord) -> None:
    assert parent.sub_jobs is None
    first, second, _ = fan_out(jobs, parent)
    assert jobs.get(parent.id).sub_jobs == SubJobs(queued=3)
    do(jobs, first)
    jobs.claim(second.id, 1)
    jobs.finish(second.id, 1, "failed", error=JobError(code="internal_error", detail="odd"))
    assert jobs.get(parent.id).sub_jobs == SubJobs(queued=1, done=1, failed=1)
    assert jobs.get(parent.id).fanned_out
    assert [sub_job.error and sub_job.error.detail for sub_job in jobs.sub_jobs(parent.id, "failed")] == ["odd"]


def test_a_job_needs_no_process_while_its_sub_jobs_do(jobs: Attempts, parent: JobRecord) -> None:
    fan_out(jobs, parent)
    assert jobs.requeue(parent.id, 1) is None, "its process has ended, and that is well"
    assert (jobs.get(parent.id).status, jobs.get(parent.id).attempt) == ("running", 1)


def test_the_last_of_many_sub_jobs_wakes_the_job_once(jobs: Attempts, parent: JobRecord) -> None:
    sub_jobs = fan_out(jobs, parent, 24)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda sub_job: do(jobs, sub_job), sub_jobs))
    record = jobs.get(parent.id)
    assert (record.status, record.attempt, record.sub_jobs) == ("queued", 2, SubJobs(done=24))
    assert jobs.claim(parent.id, 2) is not None
    assert not jobs.finish(sub_jobs[0].id, 1, "succeeded", {}), "an end is final"
    assert jobs.get(parent.id).status == "running"


def test_a_job_may_fan_out_again(jobs: Attempts, parent: JobRecord) -> None:
    for sub_job in fan_out(jobs, parent):
        do(jobs, sub_job)
    jobs.claim(parent.id, 2)
    later = jobs.fan_out(parent.id, 2, {"later": {}}, 0.8, 1.0)
    assert jobs.get(parent.id).sub_jobs == SubJobs(queued=1, done=3)
    do(jobs, later[0])
    assert jobs.get(parent.id).attempt == 3
    assert len(jobs.sub_jobs(parent.id, "succeeded")) == 4


def test_sub_jobs_move_their_jobs_progress_and_tell_there(jobs: Attempts, parent: JobRecord) -> None:
    first, second, _ = fan_out(jobs, parent)
    jobs.claim(first.id, 1)
    jobs.claim(second.id, 1)
    time.sleep(0.2)
    assert jobs.progress(first.id, 1, 0.5, "first", metrics={"loss": 1.0})
    assert jobs.progress(second.id, 1, 1.0, "second")
    progress = jobs.get(parent.id).progress
    assert (progress.stage, progress.fraction) == ("second", pytest.approx(0.2 + 0.6 * 1.5 / 3))
    assert progress.eta_seconds is not None
    assert progress.eta_seconds >= 0.2
    assert [event.data for event in jobs.events(parent.id) if event.type == "metrics"] == [{"loss": 1.0}]


def test_a_sub_job_that_starts_again_counts_once(jobs: Attempts, parent: JobRecord) -> None:
    first = fan_out(jobs, parent)[0]
    jobs.claim(first.id, 1)
    jobs.progress(first.id, 1, 0.5, "half")
    again = jobs.requeue(first.id, 1)
    assert again is not None
    assert (again.id, again.status, again.attempt) == (first.id, "queued", 2)
    jobs.claim(first.id, 2)
    assert not jobs.progress(first.id, 1, 0.9, "stale")
    jobs.progress(first.id, 2, 0.25, "quarter")
    assert jobs.get(parent.id).progress.fraction == pytest.approx(0.2 + 0.6 * 0.25 / 3)


def test_a_sub_job_whose_process_keeps_dying_fails_and_the_job_goes_on(jobs: Attempts, parent: JobRecord) -> None:
    sub_job = jobs.fan_out(parent.id, 1, {"poison": {}}, 0, 1)[0]
    jobs.claim(sub_job.id, 1)
    assert jobs.requeue(sub_job.id, 1) is not None
    jobs.claim(sub_job.id, 2)
    due = jobs.requeue(sub_job.id, 2)
    assert due is not None
    assert (due.id, due.status, due.attempt) == (parent.id, "queued", 2)
    failed = jobs.sub_jobs(parent.id, "failed")[0]
    assert failed.error is not None
    assert failed.error.code == "worker_died"


def test_cancelling_takes_all_sub_jobs_along(jobs: Attempts, parent: JobRecord) -> None:
    running, waiting, done = fan_out(jobs, parent)
    do(jobs, done)
    jobs.claim(running.id, 1)
    jobs.cancel(parent.id)
    assert not jobs.renew(running.id, 1)
    assert not jobs.progress(running.id, 1, 0.5, "late")
    assert not jobs.finish(running.id, 1, "succeeded", {})
    assert jobs.requeue(running.id, 1) is None
    assert jobs.claim(waiting.id, 1) is None
    assert jobs.follow(running, running, sub_jobs=True) is None
    assert jobs.sub_jobs(parent.id, "queued", "running", "succeeded", "failed") == []
    assert jobs.get(parent.id).sub_jobs == SubJobs(done=1)


def test_a_process_goes_on_with_other_sub_jobs_and_at_last_with_the_job(jobs: Attempts, parent: JobRecord) -> None:
    fan_out(jobs, parent, 2)
    taken: list[JobRecord] = [parent]
    while (record := jobs.follow(parent, taken[-1], sub_jobs=True)) is not None:
        taken.append(record)
        assert jobs.working_at(parent.id, 1) == (record.id, record.attempt)
        if record.parent is None:
            break
        assert jobs.lease_alive(record.id)
        jobs.finish(record.id, record.attempt, "succeeded", {})
    assert [record.id for record in taken[1:3]] == [f"{parent.id}_part-00", f"{parent.id}_part-01"]
    assert (taken[3].id, taken[3].attempt) == (parent.id, 2)
    assert jobs.finish(parent.id, 2, "succeeded", {})
    assert jobs.follow(parent, taken[3], sub_jobs=True) is None


def test_a_process_that_has_done_enough_takes_only_the_job(jobs: Attempts, parent: JobRecord) -> None:
    first, second = fan_out(jobs, parent, 2)
    do(jobs, first)
    assert jobs.follow(first, first, sub_jobs=False) is None
    do(jobs, second)
    woken = jobs.follow(second, second, sub_jobs=False)
    assert woken is not None
    assert (woken.id, woken.attempt) == (parent.id, 2)


def keys_of(settings: Settings, job_id: str) -> dict[str, int]:
    """Keys in Redis that name a job or one of its sub-jobs, with the seconds that they still have; -1 is for ever."""
    with connect(settings) as redis:
        return {name.decode(): redis.ttl(name) for name in redis.scan_iter(f"latentaug:*{job_id}*")}


@pytest.mark.parametrize("started_for", ["the job", "a sub-job"])
def test_cancelling_leaves_nothing_of_a_process_that_went_on(
    jobs: Attempts, parent: JobRecord, settings: Settings, started_for: str
) -> None:
    """Whichever process is first to take a sub-job: the one that fanned out, or another one, which RQ starts for it."""
    first, _ = fan_out(jobs, parent, 2)
    if started_for == "the job":
        started = last = parent
    else:
        started = last = jobs.claim(first.id, 1) or pytest.fail("it waits")
        assert jobs.finish(first.id, 1, "succeeded", {})
    followed = jobs.follow(started, last, sub_jobs=True)
    assert followed is not None
    assert jobs.working_at(started.id, 1) == (followed.id, 1)
    jobs.cancel(parent.id)
    assert jobs.working_at(started.id, 1) == (started.id, 1)
    assert not jobs.renew(started.id, 1), "so the process that was started for it must end"
    assert jobs.follow(started, followed, sub_jobs=True) is None
    left = keys_of(settings, parent.id)
    assert set(left) == {f"latentaug:job:{parent.id}", f"latentaug:events:{parent.id}"}
    assert all(seconds > 0 for seconds in left.values())


def test_a_process_that_ended_the_job_it_went_on_with_may_write_its_last_files(
    jobs: Attempts, parent: JobRecord, settings: Settings
) -> None:
    (only,) = fan_out(jobs, parent, 1)
    started = jobs.claim(only.id, 1)
    assert started is not None
    jobs.finish(only.id, 1, "succeeded", {})
    assert jobs.follow(started, started, sub_jobs=True) is not None
    assert jobs.finish(parent.id, 2, "succeeded", {})
    assert jobs.renew(*jobs.working_at(only.id, 1))
    assert all(seconds > 0 for seconds in keys_of(settings, parent.id).values())
