"""New images of a folder's images: of few by requests, class by class, and of many by a job."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Sequence
from typing import Any

from latentaug_client import Client

from latentaug.imaging.layout import MANIFEST
from latentaug.imaging.pixels import encode_png
from latentaug.options import AugmentOptions
from service.cli.errors import naming
from service.cli.folders import Batch, Reading
from service.cli.manifest import Manifest
from service.cli.progress import bar, show

MOST_IMAGES = 256
"""Most images of which new ones are made by requests."""
MOST_NEW = 4096
"""Most new images that requests make."""
MOST_BYTES = 2**24
"""Most bytes of their files: so many are decoded within seconds."""


def are_few(batches: Sequence[Batch], options: AugmentOptions) -> bool:
    """Whether requests can make new images of these in time, each of them of one class."""
    files = [path for batch in batches for path in batch.files]
    few = len(files) <= MOST_IMAGES and len(files) * options.k <= MOST_NEW
    return few and sum(path.stat().st_size for path in files) <= MOST_BYTES


def by_requests(client: Client, model: str, batches: Sequence[Batch], options: AugmentOptions, to: Manifest) -> None:
    """Make new images of each class in a request of its own."""
    asked = options.model_dump(include={"method", "alpha", "k", "decode", "seed", "resize"})
    with bar() as shown:
        task = shown.add_task("augment", total=sum(len(batch.files) for batch in batches))
        for batch in batches:
            with naming(batch.files):
                made = client.augment(batch.files, model=model, **asked)
            for image, source, neighbour in zip(made.images, made.source, made.neighbour, strict=True):
                beside = batch.files[neighbour] if neighbour >= 0 else None
                png = encode_png(image if image.ndim == 3 else image[..., None])
                to.add(png, batch, batch.files[source], beside, made.decode)
            shown.advance(task, len(batch.files))


def passed_over(reading: Reading, made: Manifest) -> str:
    """What to add about images of which a job made none."""
    none = reading.images - made.sources
    return f"; from {none:,} of them none, as they show what images to test with show" if none else ""


def by_job(
    client: Client, model: str, dataset: str, reading: Reading, options: AugmentOptions, to: Manifest
) -> dict[str, Any]:
    """Make new images of a data set by a job, with neighbours among all images of a class.

    Args:
        client: of the service.
        model: name of the model.
        dataset: name of the data set that was made of the folder.
        reading: the folder.
        options: how new images are made.
        to: where they are written to.

    Returns:
        How good they are, as the service reports it.

    Raises:
        ValueError: the data set has other images than the folder.
    """
    there, here = client.dataset(dataset)["images"], len(reading.files)
    if there != here:
        raise ValueError(
            f"the service has read {there:,} images of the folder, but {here:,} are there; upload it again"
        )
    asked = options.model_dump(include={"method", "alpha", "k", "decode", "seed"})
    # The images to validate and test with, which the folder itself names, are no sources.
    job = client.augment_dataset(dataset, model, whole=not reading.held, **asked)
    show(job)
    of = {path: batch for batch in reading.batches for path in batch.files}
    with zipfile.ZipFile(io.BytesIO(job.result("zip"))) as archive:
        for row in csv.DictReader(io.StringIO(archive.read(MANIFEST).decode())):
            source, neighbour = reading.files[int(row["source"])], int(row["neighbour"])
            beside = reading.files[neighbour] if neighbour >= 0 else None
            to.add(archive.read(row["file"]), of[source], source, beside, row["decode"])
    quality: dict[str, Any] = job.record["result"]["quality"]
    return quality
