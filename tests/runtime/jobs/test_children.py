"""What a job that fans out and its children may rely on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from latentaug.errors import NotFound
from latentaug.runtime.jobs import Attempts, Children, JobError, JobRecord, rq_job_id

PARAMS = {"dataset": "digits"}


@pytest.fixture
def parent(jobs: Attempts) -> JobRecord:
    record = jobs.claim(jobs.create("evaluate", PARAMS)[0].id, 1)
    assert record is not None
    return record


def fan_out(jobs: Attempts, parent: JobRecord, number: int = 3) -> list[JobRecord]:
    tasks = {f"part-{i:02}": {"number": i} for i in range(number)}
    return jobs.fan_out(parent.id, parent.attempt, tasks, 0.2, 0.8)


def do(jobs: Attempts, child: JobRecord) -> None:
    assert jobs.claim(child.id, child.attempt) is not None
    assert jobs.finish(child.id, child.attempt, "succeeded", {})


def test_children_are_records_of_their_own_that_callers_never_see(jobs: Attempts, parent: JobRecord) -> None:
    children = fan_out(jobs, parent)
    assert [child.id for child in children] == [f"{parent.id}_part-{i:02}" for i in range(3)]
    assert [child.params for child in children] == [{"number": i} for i in range(3)]
    assert {(child.kind, child.status, child.parent) for child in children} == {("evaluate", "queued", parent.id)}
    assert jobs.list()[0] == jobs.unfinished() == [jobs.get(parent.id)]
    assert jobs.counts()["evaluate", "queued"] == 0, "they take no room from the callers' jobs"
    with pytest.raises(NotFound):
        jobs.get(children[0].id)
    with pytest.raises(NotFound):
        jobs.cancel(children[0].id)
    with pytest.raises(NotFound):
        jobs.events(children[0].id)


def test_rq_is_told_of_a_child_as_of_any_job(jobs: Attempts, parent: JobRecord) -> None:
    child = fan_out(jobs, parent)[0]
    assert jobs.enqueue_arguments(child)["kwargs"] == {"job_id": child.id, "attempt": 1}
    assert rq_job_id(child) == f"{parent.id}_part-00-1"


def test_only_the_attempt_that_runs_can_fan_out(jobs: Attempts, parent: JobRecord) -> None:
    jobs.requeue(parent.id, 1)
    assert fan_out(jobs, parent) == []
    jobs.cancel(parent.id)
    assert fan_out(jobs, parent) == []


def test_a_parent_counts_its_children(jobs: Attempts, parent: JobRecord) -> None:
    assert parent.children is None
    first, second, _ = fan_out(jobs, parent)
    assert jobs.get(parent.id).children == Children(queued=3)
    do(jobs, first)
    jobs.claim(second.id, 1)
    jobs.finish(second.id, 1, "failed", error=JobError(code="internal_error", detail="odd"))
    assert jobs.get(parent.id).children == Children(queued=1, done=1, failed=1)
    assert jobs.get(parent.id).fanned_out
    assert [child.error and child.error.detail for child in jobs.children(parent.id, "failed")] == ["odd"]


def test_a_parent_needs_no_process_while_its_children_do(jobs: Attempts, parent: JobRecord) -> None:
    fan_out(jobs, parent)
    assert jobs.requeue(parent.id, 1) is None, "its process has ended, and that is well"
    assert (jobs.get(parent.id).status, jobs.get(parent.id).attempt) == ("running", 1)


def test_the_last_of_many_children_wakes_the_parent_once(jobs: Attempts, parent: JobRecord) -> None:
    children = fan_out(jobs, parent, 24)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda child: do(jobs, child), children))
    record = jobs.get(parent.id)
    assert (record.status, record.attempt, record.children) == ("queued", 2, Children(done=24))
    assert jobs.claim(parent.id, 2) is not None
    assert not jobs.finish(children[0].id, 1, "succeeded", {}), "an end is final"
    assert jobs.get(parent.id).status == "running"


def test_a_parent_may_fan_out_again(jobs: Attempts, parent: JobRecord) -> None:
    for child in fan_out(jobs, parent):
        do(jobs, child)
    jobs.claim(parent.id, 2)
    later = jobs.fan_out(parent.id, 2, {"later": {}}, 0.8, 1.0)
    assert jobs.get(parent.id).children == Children(queued=1, done=3)
    do(jobs, later[0])
    assert jobs.get(parent.id).attempt == 3
    assert len(jobs.children(parent.id, "succeeded")) == 4


def test_children_move_their_parents_progress_and_tell_there(jobs: Attempts, parent: JobRecord) -> None:
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


def test_a_child_that_starts_again_counts_once(jobs: Attempts, parent: JobRecord) -> None:
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


def test_a_child_whose_process_keeps_dying_fails_and_the_parent_goes_on(jobs: Attempts, parent: JobRecord) -> None:
    child = jobs.fan_out(parent.id, 1, {"poison": {}}, 0, 1)[0]
    jobs.claim(child.id, 1)
    assert jobs.requeue(child.id, 1) is not None
    jobs.claim(child.id, 2)
    due = jobs.requeue(child.id, 2)
    assert due is not None
    assert (due.id, due.status, due.attempt) == (parent.id, "queued", 2)
    failed = jobs.children(parent.id, "failed")[0]
    assert failed.error is not None
    assert failed.error.code == "worker_died"


def test_cancelling_takes_all_children_along(jobs: Attempts, parent: JobRecord) -> None:
    running, waiting, done = fan_out(jobs, parent)
    do(jobs, done)
    jobs.claim(running.id, 1)
    jobs.cancel(parent.id)
    assert not jobs.renew(running.id, 1)
    assert not jobs.progress(running.id, 1, 0.5, "late")
    assert not jobs.finish(running.id, 1, "succeeded", {})
    assert jobs.requeue(running.id, 1) is None
    assert jobs.claim(waiting.id, 1) is None
    assert jobs.follow(running, running, siblings=True) is None
    assert jobs.children(parent.id, "queued", "running", "succeeded", "failed") == []
    assert jobs.get(parent.id).children == Children(done=1)


def test_a_process_goes_on_with_siblings_and_at_last_with_the_job(jobs: Attempts, parent: JobRecord) -> None:
    fan_out(jobs, parent, 2)
    taken: list[JobRecord] = [parent]
    while (record := jobs.follow(parent, taken[-1], siblings=True)) is not None:
        taken.append(record)
        assert jobs.followed(parent.id, 1) == (record.id, record.attempt)
        if record.parent is None:
            break
        assert jobs.lease_alive(record.id)
        jobs.finish(record.id, record.attempt, "succeeded", {})
    assert [record.id for record in taken[1:3]] == [f"{parent.id}_part-00", f"{parent.id}_part-01"]
    assert (taken[3].id, taken[3].attempt) == (parent.id, 2)
    assert jobs.finish(parent.id, 2, "succeeded", {})
    assert jobs.follow(parent, taken[3], siblings=True) is None


def test_a_process_that_has_done_enough_takes_only_the_job(jobs: Attempts, parent: JobRecord) -> None:
    first, second = fan_out(jobs, parent, 2)
    do(jobs, first)
    assert jobs.follow(first, first, siblings=False) is None
    do(jobs, second)
    woken = jobs.follow(second, second, siblings=False)
    assert woken is not None
    assert (woken.id, woken.attempt) == (parent.id, 2)
