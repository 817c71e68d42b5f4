"""What a job made, told and written to this machine; also that of one whose command was ended before the job was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latentaug_client import Client, Job

from latentaug.imaging.phrases import counted
from latentaug.options import Layout
from service.cli import names, new_labels
from service.cli.destination import unpack
from service.cli.progress import show
from service.cli.quality import in_words
from service.cli.reading import ReadAs

_REPORT = {"json": "json", "csv": "csv", "markdown": "md", "png": "png"}
"""Forms of a report, and the suffixes of their files."""


def images(client: Client, job: Job, source: Path | None, unlabelled: Path | None = None) -> dict[str, Path] | None:
    """The images of a job's data set on this machine, in its order, by name; None if nobody says where they are.

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
    found = names.images(str(source), client.dataset(dataset), how) if f"-{contents}" in dataset else None
    if found is None:
        raise ValueError(
            f"{source} does not hold the images that the data set {dataset} was made of; name the folder that does, "
            "with --unlabelled if that was given too, or leave out --source"
        )
    return found


def write(
    client: Client, job: Job, layout: Layout, folder: Path, originals: Mapping[str, Path] | None = None
) -> bytes | None:
    """Write what a job that succeeded made into a folder; of a recommend job its training set is made first.

    Args:
        client: of the service.
        job: the job.
        layout: how images lie in the folder.
        folder: to write into.
        originals: as `images` gives them, to name them in the manifest.

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
