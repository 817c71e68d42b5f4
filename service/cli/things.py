"""What can be deleted: models, data sets and jobs; one that has not ended is stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latentaug_client import Client, Job
from latentaug_client.jobs import LIVING

from latentaug.imaging.phrases import counted
from service.cli import names

KINDS = {"model": "model", "dataset": "data set", "job": "job"}
"""What things are, as they are typed and as they are called."""


@dataclass(frozen=True)
class Thing:
    """Something to delete.

    Attributes:
        kind: what it is called.
        name: its name or id.
        described: a sentence about what would be lost.
        delete: deletes or stops it.
        done: what was done then.
    """

    kind: str
    name: str
    described: str
    delete: Callable[[], object]
    done: str = "Deleted"


def named(client: Client, name: str, kind: str | None) -> Thing:
    """The thing with this name, or the job whose id begins or ends so.

    Args:
        client: of the service.
        name: a model's or a data set's name, or a job's id.
        kind: one of `KINDS`, or None to look at all.

    Raises:
        ValueError: there is none, or there are several.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"--kind is model, dataset or job, and not {kind!r}")
    jobs = _jobs(client, name) if kind in (None, "job") else []
    finders = {"model": _model, "dataset": _dataset}
    found = [thing for what, find in finders.items() if kind in (None, what) and (thing := find(client, name))]
    found += [_job(client, job) for job in jobs if len(jobs) == 1]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{name} is both a model and a data set; say which with --kind model or --kind dataset")
    if jobs:
        raise ValueError(names.several(jobs, name))
    what = "model, data set or job" if kind is None else KINDS[kind]
    raise ValueError(f"there is no {what} named {name!r}; `latentaug models`, `datasets` and `jobs` list what there is")


def _model(client: Client, name: str) -> Thing | None:
    for model in client.models():
        if model["name"] == name:
            described = f"The model {name}, trained on {model['dataset']}."
            return Thing("model", name, described, lambda: client.delete_model(name))
    for damaged in client.damaged("models"):
        if damaged["name"] == name:
            return Thing("model", name, f"The model {name}, which cannot be read.", lambda: client.delete_model(name))
    return None


def _dataset(client: Client, name: str) -> Thing | None:
    for dataset in client.datasets():
        if dataset["name"] == name:
            trained = [str(model["name"]) for model in client.models() if model["dataset"] == name]
            needing = f" Models trained on it, which would lose it: {', '.join(trained)}." if trained else ""
            described = f"The data set {name} with {counted(dataset['images'], 'image')}.{needing}"
            return Thing("data set", name, described, lambda: client.delete_dataset(name))
    for damaged in client.damaged("datasets"):
        if damaged["name"] == name:
            described = f"The data set {name}, which cannot be read."
            return Thing("data set", name, described, lambda: client.delete_dataset(name))
    return None


def _jobs(client: Client, typed: str) -> list[Job]:
    """The jobs that may be meant; of fewer characters none, so that no mistyped name is taken for a part of an id."""
    return names.jobs_like(client, typed) if len(typed) >= names.ENOUGH_OF_ID else []


def _job(client: Client, job: Job) -> Thing:
    what = f"The {job.record['kind']} job {job.id}"
    if job.status in LIVING:
        return Thing("job", job.id, f"{what}, which is {job.status}; it would be stopped.", job.cancel, "Stopped")
    stays = " The model that it trained stays." if (job.record["kind"], job.status) == ("train", "succeeded") else ""
    described = f"{what} ({job.status}), with what it made.{stays}"
    return Thing("job", job.id, described, lambda: client.delete_job(job.id))
