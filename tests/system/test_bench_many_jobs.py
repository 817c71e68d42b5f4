"""The benchmark of many jobs: what it fills in is what the service writes, and its page says what was found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import many_jobs
from bench.finished_jobs import TENANT, fill
from latentaug.runtime.jobs import ENDS, KINDS, Attempts, connect
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from service.stack.valkey import EmbeddedRedis


def test_jobs_that_are_filled_in_are_those_that_the_service_would_have_written(tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path) as url:
        settings = Settings(home=tmp_path, redis_url=url)
        store = ArtefactStore(settings.resolved_store_url)
        with connect(settings) as redis:
            jobs = Attempts(redis, store, settings)
            filled = fill(jobs, store, 60)
            newest_first = [*reversed(filled.recent), *reversed(filled.old)]
            assert jobs.list(limit=100) == (newest_first, None)
            assert jobs.list(limit=100, tenant=TENANT)[0] == [job for job in newest_first if job.tenant == TENANT]
    assert {(job.kind, job.status) for job in filled.old} == {(kind, end) for kind in KINDS for end in ENDS}
    for recent, old in zip(filled.recent, filled.old, strict=True):
        written = [json.loads(store.get(f"jobs/{job.id}/record.json")) for job in (recent, old)]
        assert list(written[0]) == list(written[1])
        differs = {field for field in written[0] if written[0][field] != written[1][field]}
        assert differs <= {"id", "created_at", "started_at", "ended_at"}
        assert old.created_at < recent.created_at


@pytest.mark.slow
def test_many_jobs_are_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_jobs, "FEW", 100)
    many_jobs.main(["--jobs", "300", "--requests", "3", "--results", str(tmp_path / "results")], tmp_path / "home")

    few, many = json.loads((tmp_path / "results" / "many-jobs.json").read_text())["results"]
    assert (few["jobs"], many["jobs"]) == (100, 300)
    assert few["requests"].keys() == many["requests"].keys()
    assert all(len(times) == 3 for times in many["requests"].values())
    assert all(seconds > 0 for seconds in many["chores"].values())
    assert many["memory"] > few["memory"] > 0
    page = (tmp_path / "results" / "many-jobs.md").read_text()
    assert "# 300 finished jobs" in page
    assert "ask `/readyz`" in page
