"""What a job made, told and written to this machine; also that of one whose command was ended before the job was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latentaug_client import Client, Job

from latentaug.imaging.phrases import counted
from latentaug.options import Layout
from service.cli import new_labels
from service.cli.destination import unpack
from service.cli.progress import show
from service.cli.quality import in_words

_REPORT = {"json": "json", "csv": "csv", "markdown": "md", "png": "png"}
"""Forms of a report, and the suffixes of their files."""


def write(client: Client, job: Job, layout: Layout, folder: Path) -> None:
    """Write what a job that succeeded made into a folder; of a recommend job its training set is made first.

    Raises:
        ValueError: it is a train job, which makes no files.
    """
    kind, params = job.record["kind"], job.record["params"]
    if kind == "train":
        raise ValueError(
            f"what a train job makes is a model, {params['name']}, which augment and others take with --model; leave "
            "out --out"
        )
    if kind == "evaluate":
        write_report(job, folder)
        return
    if kind == "recommend":
        job = client.augment_dataset(params["dataset"], recipe=job.id)
        show(job)
    unpack(job, layout, folder)


def told(job: Job) -> list[str]:
    """What came of a job that succeeded, in sentences."""
    made = job.record["result"]
    match job.record["kind"]:
        case "train":
            return [f"model {made['model']} (trained for {counted(made['epochs'], 'epoch')})", made["advice"]]
        case "label":
            return [new_labels.summary(made)]
        case "evaluate":
            return verdicts(made["verdicts"])
        case "recommend":
            return [*verdicts(made["verdict"]), f"The best training set found: {made['described']}"]
        case _:
            quality = [in_words(made["quality"])] if made.get("quality") else []
            return [f"The augment job made {counted(made['images'], 'image')}.", *quality]


def verdicts(found: Mapping[str, str]) -> list[str]:
    """What a measurement found for each classifier, without its numbers."""
    return [verdict.partition(" In numbers:")[0] for verdict in found.values()]


def write_report(job: Job, folder: Path) -> None:
    """Write the report of an evaluate job in all its forms."""
    for form, suffix in _REPORT.items():
        (folder / f"report.{suffix}").write_bytes(job.result(form))
