"""What killed processes have left in the store goes, and never what is in use."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from latentaug import datasets
from latentaug.datasets import shards
from latentaug.runtime.jobs import Attempts, OldJobs
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.sweeping import sweep

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), np.uint8)
LONG_AGO = time.time() - 3 * 24 * 3600


@pytest.fixture
def root(settings: Settings) -> Path:
    return settings.home / "store"


def left(path: Path, modified: float = LONG_AGO) -> Path:
    """A file that some process left at that time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(1000))
    os.utime(path, (modified, modified))
    return path


def age(folder: Path) -> None:
    for file in folder.rglob("*"):
        os.utime(file, (LONG_AGO, LONG_AGO))


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def swept(redis: Redis, artefacts: ArtefactStore, settings: Settings, root: Path) -> set[str]:
    """What is in the store after a sweep."""
    sweep(artefacts, Attempts(redis, artefacts, settings), OldJobs(redis, artefacts), datetime.now(UTC))
    return files(root)


def test_what_is_whole_stays_however_old(
    redis: Redis, artefacts: ArtefactStore, jobs: Attempts, settings: Settings, root: Path
) -> None:
    datasets.create(artefacts, "mine", IMAGES, None, 2**20)
    artefacts.put("models/m/v1/weights.safetensors", b"w")
    artefacts.put("models/m/model.json", b"damaged, so that nobody knows what it names")
    ended = jobs.cancel(jobs.create("train", {})[0].id)
    artefacts.put(f"jobs/{ended.id}/result.json", b"{}")
    age(root)
    before = files(root)
    assert len(before) == 6
    assert swept(redis, artefacts, settings, root) == before


def test_what_was_begun_goes_once_it_is_old(
    redis: Redis, artefacts: ArtefactStore, settings: Settings, root: Path
) -> None:
    left(root / "datasets" / "mine" / "0" / "arrays.safetensors#1")
    left(root / "jobs" / "0" / "images.zip#12")
    left(root / "tenants" / "first" / "models" / "m" / "0" / "weights.safetensors#1")
    young = left(root / "models" / "m" / "0" / "weights.safetensors#1", time.time() - 60)
    odd = left(root / "datasets" / "mine" / "notes#today")
    assert swept(redis, artefacts, settings, root) == {str(path.relative_to(root)) for path in (young, odd)}
    assert not (root / "jobs" / "0").exists(), "no empty folder is left"
    assert not (root / "tenants").exists()
    assert sum(Attempts(redis, artefacts, settings).counted()["swept_bytes"].values()) == 3 * 1000


def test_versions_that_no_description_names_go_once_they_are_old(
    redis: Redis, artefacts: ArtefactStore, jobs: Attempts, settings: Settings, root: Path
) -> None:
    description = datasets.create(artefacts, "mine", IMAGES, None, 2**20)
    age(root)
    running, _ = jobs.create("train", {"name": "slow"})
    whole = {"datasets/mine/dataset.json", f"datasets/mine/{description.version}/arrays.safetensors"}
    left(root / "datasets" / "mine" / "killed" / "arrays.safetensors")
    left(root / "datasets" / "never" / "killed" / "arrays.safetensors")
    left(root / "models" / "never" / "killed" / "weights.safetensors")
    left(root / "tenants" / "first" / "models" / "slow" / "killed" / "weights.safetensors")
    saving = left(root / "models" / "slow" / running.id / "weights.safetensors")
    coming = left(root / "datasets" / "other" / "1" / "arrays.safetensors", time.time() - 60)
    kept = {str(path.relative_to(root)) for path in (saving, coming)}
    assert swept(redis, artefacts, settings, root) == whole | kept


def test_files_of_jobs_that_nobody_knows_go_after_a_day(
    redis: Redis, artefacts: ArtefactStore, jobs: Attempts, settings: Settings, root: Path
) -> None:
    known, lost, lately = (jobs.create("train", {})[0].id for _ in range(3))
    for job in (known, lost):
        left(root / "jobs" / job / "kept" / "checkpoint")
    left(root / "jobs" / lately / "kept" / "checkpoint", time.time() - timedelta(hours=20).total_seconds())
    for job in (lost, lately):
        redis.delete(f"latentaug:job:{job}")
        redis.zrem("latentaug:jobs:train:queued", job)
    assert swept(redis, artefacts, settings, root) == {f"jobs/{job}/kept/checkpoint" for job in (known, lately)}


@pytest.mark.stores
def test_in_any_store_what_nothing_names_goes_and_what_is_newer_stays(
    redis: Redis, artefacts: ArtefactStore, settings: Settings
) -> None:
    description = datasets.create(artefacts, "mine", IMAGES, None, 2**20)
    killed, lost = "datasets/mine/killed/arrays.safetensors", f"jobs/{'0' * 32}/kept/checkpoint"
    newer = {"models/newer/model.json": b'{"format": 2}', "models/newer/v1/weights.safetensors": b"w"}
    for path, data in {killed: b"k", lost: b"l", **newer}.items():
        artefacts.put(path, data)
    attempts, old = Attempts(redis, artefacts, settings), OldJobs(redis, artefacts)
    stays = {"datasets/mine/dataset.json", f"datasets/mine/{description.version}/arrays.safetensors", *newer}

    for hours, others in {0: {killed, lost}, 2: {lost}, 30: set()}.items():
        sweep(artefacts, attempts, old, datetime.now(UTC) + timedelta(hours=hours))
        assert {entry.path for entry in artefacts.entries("")} == stays | others


def test_a_deleted_data_set_leaves_nothing_of_killed_uploads(artefacts: ArtefactStore, root: Path) -> None:
    description = datasets.create(artefacts, "mine", IMAGES, None, 2**20)
    left(root / "datasets" / "mine" / str(description.version) / "arrays.safetensors#1")
    datasets.delete(artefacts, "mine")
    assert not (root / "datasets" / "mine").exists()


def test_shards_that_nobody_joins_go_with_their_entry_in_the_ledger(
    redis: Redis, artefacts: ArtefactStore, jobs: Attempts, settings: Settings, root: Path
) -> None:
    shards.put(artefacts, "begun", 0, IMAGES, None, 2**20, 2**20)
    shards.put(artefacts, "going-on", 0, IMAGES, None, 2**20, 2**20)
    for name in ("begun", "going-on"):
        jobs.ledger.enter(f"datasets/{name}", "somebody", 1000)
    age(root / "datasets/begun")

    kept = swept(redis, artefacts, settings, root)

    assert {Path(file).parts[1] for file in kept} == {"going-on"}
    assert jobs.ledger.total("somebody") == 1000
