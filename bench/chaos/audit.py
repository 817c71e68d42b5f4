"""What is left in the end: every accepted job has ended, and every artefact is there and is what was written."""

from __future__ import annotations

import json
import time
from collections.abc import Collection
from pathlib import Path

import httpx

from bench.chaos.asks import exchange
from bench.chaos.callers import LOOK_EVERY, Jobs
from bench.chaos.ledger import Ledger
from bench.chaos.uploads import Uploads
from latentaug import datasets
from latentaug.errors import LatentaugError
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore

JOBS_SECONDS = 300.0
"""Seconds for which unfinished jobs may go on after the last fault; those that have not ended then are stuck."""


def of_jobs(jobs: Jobs, ledger: Ledger, seconds: float = JOBS_SECONDS) -> None:
    """Wait until every accepted job has ended, and check what it made."""
    deadline = time.monotonic() + seconds
    while jobs.unfinished and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
        jobs.look()
    ledger.stuck += [f"job {job.record['id']} ({job.work.name}): {job.record}" for job in jobs.unfinished]


def of_store(url: str, store: str, uploads: Uploads, made: Collection[str], ledger: Ledger) -> None:
    """Read every artefact from the store itself, against its checksums, and compare with what the service lists.

    Args:
        url: the service.
        store: the URL of its store.
        uploads: who knows which data sets must be there.
        made: models that must be there.
        ledger: where to note what is not as it must be.
    """
    artefacts = ArtefactStore(store)
    for name, checksum in uploads.kept.items():
        try:
            datasets.load(name, artefacts, ())
            if datasets.describe(name, artefacts).sha256 != checksum:
                ledger.accuse(f"the data set {name} has another checksum than on a quiet service")
        except LatentaugError as error:
            ledger.lose(f"the data set {name}: {error}")
    for name in made:
        try:
            description = models.describe(artefacts, name)
            models.read_weights(artefacts, description)
            models.read_projected(artefacts, description)
        except LatentaugError as error:
            ledger.lose(f"the model {name}: {error}")
    with httpx.Client(base_url=url) as client:
        for kind in ("datasets", "models"):
            listed = json.loads(exchange(client, "GET", f"/v1/{kind}").body)
            ledger.lost += [f"{kind}: {entry}" for entry in listed["damaged"]]
            names = {entry["name"] for entry in listed[kind]}
            ledger.wrong += [f"{kind}: {name} is listed after it was deleted" for name in names & {*uploads.gone}]


def rests(store: Path) -> list[str]:
    """Files that belong to nothing: parts of writes that were killed, and versions that no description names."""
    found = [str(path.relative_to(store)) for path in store.rglob("*#*") if path.is_file()]
    for kind, file in (("datasets", "dataset.json"), ("models", "model.json")):
        for folder in (store / kind).glob("*/*/"):
            description = folder.parent / file
            version = json.loads(description.read_text())["version"] if description.exists() else None
            if folder.name != version:
                found += [str(path.relative_to(store)) for path in folder.rglob("*") if path.is_file()]
    return sorted(set(found))
