"""New images of a folder's images: of few by requests, class by class, and of many by a job."""

from __future__ import annotations

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from latentaug_client import Client, Job

from latentaug.augment.neighbours import too_small
from latentaug.errors import TooFewImages
from latentaug.imaging.archives import MANIFEST
from latentaug.imaging.pixels import encode_png
from latentaug.options import AugmentOptions
from service.cli.errors import naming
from service.cli.folders import Batch
from service.cli.manifest import Manifest
from service.cli.progress import bar, show

MOST_IMAGES = 256
"""Most images of which new ones are made by requests."""
MOST_NEW = 4096
"""Most new images that requests make."""
MOST_BYTES = 2**24
"""Most bytes of their files: so many are decoded within seconds."""


def check_sizes(batches: Sequence[Batch], options: AugmentOptions) -> None:
    """Refuse classes that are too small for k, before anything is trained on them.

    Raises:
        TooFewImages: such a class; the message names the smallest and the largest k.
    """
    sizes = Counter({batch.folder: len(batch.files) for batch in batches})
    folder, size = min(sizes.items(), key=lambda item: item[1])
    if options.method != "noise" and size <= options.k:
        where = "there are" if folder is None else f"class {folder!r} has"
        raise TooFewImages(too_small(where, size, options.k, size - 1))


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


def by_job(
    client: Client,
    model: str,
    dataset: str,
    files: Sequence[Path],
    batches: Sequence[Batch],
    options: AugmentOptions,
    to: Manifest,
) -> Job:
    """Make new images of a whole data set by a job, with neighbours among all images of a class.

    Args:
        client: of the service.
        model: name of the model.
        dataset: name of the data set.
        files: its images, in its order.
        batches: the same, by class.
        options: how new images are made.
        to: where they are written to.
    """
    asked = options.model_dump(include={"method", "alpha", "k", "decode", "seed"})
    job = client.augment_dataset(dataset, model, whole=True, **asked)
    show(job)
    of = {path: batch for batch in batches for path in batch.files}
    with zipfile.ZipFile(io.BytesIO(job.result("zip"))) as archive:
        for row in csv.DictReader(io.StringIO(archive.read(MANIFEST).decode())):
            source, neighbour = files[int(row["source"])], int(row["neighbour"])
            beside = files[neighbour] if neighbour >= 0 else None
            to.add(archive.read(row["file"]), of[source], source, beside, row["decode"])
    return job
