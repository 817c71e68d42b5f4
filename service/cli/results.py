"""What a job made, written to this machine; also that of one whose command was ended before the job was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latentaug_client import Client, Job

from latentaug.options import Layout
from service.cli import names
from service.cli.destination import unpack
from service.cli.progress import show
from service.cli.reading import ReadAs

_REPORT = {"json": "json", "csv": "csv", "markdown": "md", "png": "png"}
"""Forms of a report, and the suffixes of their files."""


def files(client: Client, job: Job, source: Path | None, unlabelled: Path | None = None) -> list[Path] | None:
    """The images of a job's data set on this machine, in its order; None if nobody says where they are.

    Args:
        client: of the service.
        job: the job.
        source: the folder that its data set was made of, or None.
        unlabelled: the folder of images without labels that went with it, or None.

    Raises:
        ValueError: the folder does not hold the images that the data set was made of, or `read_folder` raises it.
    """
    if source is None:
        return None
    how, dataset = ReadAs(unlabelled, skip_bad=True), job.record["params"]["dataset"]
    contents = names.dataset_name(source, ReadAs(unlabelled)).rpartition("-")[2]
    found = names.files(str(source), client.dataset(dataset), how) if f"-{contents}" in dataset else None
    if found is None:
        raise ValueError(
            f"{source} does not hold the images that the data set {dataset} was made of; name the folder that does, "
            "with --unlabelled if that was given too, or leave out --source"
        )
    return found


def write(
    client: Client, job: Job, layout: Layout, folder: Path, originals: Sequence[Path] | None = None
) -> bytes | None:
    """Write what a job that succeeded made into a folder; of a recommend job its training set is made first.

    Args:
        client: of the service.
        job: the job.
        layout: how images lie in the folder.
        folder: to write into.
        originals: as `files` gives them, to name them in the manifest.

    Returns:
        A contact sheet of new images, as PNG; None of a job that has none.

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
        return None
    if kind == "recommend":
        job = client.augment_dataset(params["dataset"], recipe=job.id)
        show(job)
    unpack(job, layout, folder, originals, client.dataset(params["dataset"])["classes"] if originals else ())
    return job.result("png") if job.record["kind"] == "augment" else None


def write_report(job: Job, folder: Path) -> None:
    """Write the report of an evaluate job in all its forms."""
    for form, suffix in _REPORT.items():
        (folder / f"report.{suffix}").write_bytes(job.result(form))
