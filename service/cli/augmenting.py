"""New images of a folder's images: of few by requests, class by class, and of many by a job."""

from __future__ import annotations

import csv
import io
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from latentaug_client import Client, ImageWarning, LatentaugError
from latentaug_client.zips import folder_labels

from latentaug.imaging.layout import MANIFEST
from latentaug.imaging.phrases import counted
from latentaug.imaging.pixels import encode_png
from latentaug.options import AugmentOptions
from service.cli.errors import naming
from service.cli.folders import Batch, Reading
from service.cli.manifest import Manifest
from service.cli.options import given
from service.cli.progress import bar, show
from service.cli.scaling import is_large

MOST_IMAGES = 256
"""Most images of which new ones are made by requests."""
MOST_NEW = 4096
"""Most new images that requests make."""
MOST_BYTES = 2**24
"""Most bytes of their files: so many are decoded within seconds."""


def are_few(reading: Reading, options: AugmentOptions) -> bool:
    """Whether requests can make new images of these in time, each of them of one class."""
    few = reading.images <= MOST_IMAGES and reading.images * options.k <= MOST_NEW
    return few and sum(path.stat().st_size for path in reading.files) <= MOST_BYTES and not is_large(reading.files)


def by_requests(client: Client, model: str, reading: Reading, options: AugmentOptions, to: Manifest) -> None:
    """Make new images of each class in a request of its own."""
    asked = options.model_dump(include={"method", "alpha", "k", "decode", "seed", "resize"})
    asked |= given(bits=reading.bits)
    with bar() as shown:
        task = shown.add_task("augment", total=reading.images)
        for batch in reading.batches:
            with naming(batch.files), warnings.catch_warnings():
                warnings.simplefilter("ignore", ImageWarning)  # of the whole folder it has been said before
                made = client.augment(batch.files, model=model, **asked)
            for image, source, neighbour in zip(made.images, made.source, made.neighbour, strict=True):
                beside = batch.files[neighbour] if neighbour >= 0 else None
                png = encode_png(image if image.ndim == 3 else image[..., None])
                to.add(png, batch, batch.files[source], beside, made.decode)
            shown.advance(task, len(batch.files))


def by_job(
    client: Client,
    model: str,
    dataset: str,
    files: Sequence[Path],
    batches: Sequence[Batch],
    options: AugmentOptions,
    to: Manifest,
) -> dict[str, Any]:
    """Make new images of a whole data set by a job, with neighbours among all images of a class.

    Args:
        client: of the service.
        model: name of the model.
        dataset: name of the data set.
        files: its images, in its order.
        batches: the same, by class.
        options: how new images are made.
        to: where they are written to.

    Returns:
        How good they are, as the service reports it.

    Raises:
        ValueError: the data set has other images.
    """
    there = client.dataset(dataset)["images"]
    if there != len(files):
        of_all = f"{there:,} of the {counted(len(files), 'image')}"
        raise ValueError(f"the service has {of_all}; type latentaug delete {dataset}")
    asked = options.model_dump(include={"method", "alpha", "k", "decode", "seed"})
    job = client.augment_dataset(dataset, model, whole=True, **asked)
    show(job)
    of = {path: batch for batch in batches for path in batch.files}
    with zipfile.ZipFile(io.BytesIO(job.result("zip"))) as archive:
        for row in csv.DictReader(io.StringIO(archive.read(MANIFEST).decode())):
            source, neighbour = files[int(row["source"])], int(row["neighbour"])
            beside = files[neighbour] if neighbour >= 0 else None
            to.add(archive.read(row["file"]), of[source], source, beside, row["decode"])
    quality: dict[str, Any] = job.record["result"]["quality"]
    return quality


@contextmanager
def sources(
    client: Client, reading: Reading, size: tuple[int, int] | None, whole: Callable[[], str]
) -> Iterator[tuple[str, Sequence[Path]]]:
    """A data set of those images of which new ones are made, and its images in its order.

    Args:
        client: of the service.
        reading: the folder's images. Where some of them are there to test with, the others are uploaded apart, and
            deleted again at the end, whatever happens.
        size: height and width to upload them in, or None.
        whole: gives the name of the data set of all images.
    """
    if not reading.held:
        yield whole(), reading.files
        return
    labelled = [(path, batch.label) for batch in reading.batches for path in batch.files]
    files = [path for path, _ in labelled]
    labels = [label for _, label in labelled]
    name = f"augment-{uuid4().hex}"
    of = folder_labels(np.array(labels, object)) if any(labels) else None
    client.upload(name, files, of, size=size, bits=reading.bits)
    try:
        yield name, files
    finally:
        with suppress(LatentaugError):  # a job that still uses it is named to the person anyway
            client.delete_dataset(name)
