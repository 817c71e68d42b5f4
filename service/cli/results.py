"""What a job made, written to this machine; also that of one whose command was ended before the job was."""

from __future__ import annotations

from pathlib import Path

from latentaug_client import Client, Job

from latentaug.options import Layout
from service.cli.destination import unpack
from service.cli.progress import show

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


def write_report(job: Job, folder: Path) -> None:
    """Write the report of an evaluate job in all its forms."""
    for form, suffix in _REPORT.items():
        (folder / f"report.{suffix}").write_bytes(job.result(form))
