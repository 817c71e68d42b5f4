"""Reads a folder of images batch by batch, and writes new images into a folder with a manifest."""

from __future__ import annotations

import csv
import io
import os
import random
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from latentaug_client.folders import read_folder

from latentaug.errors import LatentaugError, MalformedInput, TooFewImages
from latentaug.imaging.depth import used_bits
from latentaug.imaging.intake import Unreadable, listed_unreadable, unsupported
from latentaug.imaging.layout import MANIFEST, UNLABELLED_FOLDER, arrange, listed, told_passed_over
from latentaug.imaging.pixels import Limits, Pixels, decode, encode_png

MOST_IMAGES = 1024
"""Most images in one request. Neighbours are looked for among the images of the same request."""
MOST_MEASURED = 500
"""Most new images by which the quality of all is told; so many photos fit into one request."""


@dataclass(frozen=True)
class Batch:
    """Images that are sent in one request.

    Attributes:
        files: their paths.
        folder: name of the folder that their new images lie in, or None if these lie in no folder.
        label: name of their class; None for unlabelled images.
    """

    files: Sequence[Path]
    folder: str | None
    label: str | None


@dataclass(frozen=True)
class Reading:
    """The images of a folder, and what to tell about them before anything is made of them.

    Attributes:
        batches: the images that new ones are made from, class by class, so that neighbours are of the same class.
        held: number of images in folders to validate and to test with, from which none are made.
        unreadable: images that cannot be read.
        bits: how many bits the images of 16 bits use, so that all requests scale them alike; None if there are none.
        warnings: about the files and folders, in sentences.
    """

    batches: list[Batch]
    held: int
    unreadable: list[Unreadable]
    bits: int | None
    warnings: list[str]

    @property
    def images(self) -> int:
        """Number of images that new ones are made from."""
        return sum(len(batch.files) for batch in self.batches)

    def __str__(self) -> str:
        """What became of every image of the folder."""
        told = _images(self.images)
        if self.held:
            told += f", and from none of the {self.held:,} in folders to validate and test with"
        if self.unreadable:
            told += f"; left out, as they cannot be read: {listed_unreadable(self.unreadable)}"
        return told


def read(folder: Path, unlabelled: Path | None = None, *, skip_bad: bool = False) -> Reading:
    """Read a folder as the service reads an upload, and look at every image whether it can be read.

    Large classes are split into equal parts. Of a folder with folders train, valid and test, new images are made from
    the training images alone.

    Args:
        folder: the folder.
        unlabelled: another folder, whose images have no class, or None.
        skip_bad: whether to go on without images that cannot be read.

    Raises:
        ValueError: there are no images, or what `read_folder` raises.
        LatentaugError: images that cannot be read, all of them named, or some that lie beside the class folders.
    """
    found = read_folder(folder, unlabelled)
    unreadable, bits = _look(found.images)
    if unreadable and not skip_bad:
        raise MalformedInput(f"{_images(len(unreadable))} cannot be read: {listed_unreadable(unreadable)}")
    bad = {each.file for each in unreadable}
    names = [name for name in found.images if name not in bad]
    if not names:
        raise MalformedInput(f"no image in {folder} can be read: {listed_unreadable(unreadable)}")
    layout = arrange(names)
    classes: dict[str | None, list[Path]] = {}
    held = 0
    for i, name in enumerate(names):
        if layout.parts is not None and layout.parts[i] in ("validation", "test"):
            held += 1
            continue
        label = None if layout.labels is None else layout.labels[i]
        classes.setdefault(label, []).append(found.images[name])
    place = None if layout.labels is None else UNLABELLED_FOLDER  # of what has no class
    made = [Batch(part, label or place, label) for label, members in classes.items() for part in _parts(members)]
    warnings = [*told_passed_over(found.others), *layout.warnings]
    if bits is not None:
        top = 2**bits - 1
        warnings.append(f"In images of 16 bits, values from 0 to {top}, the range that they use, become 0 to 255.")
    return Reading(made, held, unreadable, bits, warnings)


def check_neighbours(batches: Sequence[Batch], k: int) -> None:
    """Refuse classes that are too small for each image to have k neighbours in it, before anything is trained.

    Raises:
        TooFewImages: names the classes and the largest k.
    """
    sizes: dict[str | None, int] = {}
    for batch in batches:
        sizes[batch.label] = sizes.get(batch.label, 0) + len(batch.files)
    small = [f"{name or 'images without a class'} ({size})" for name, size in sizes.items() if size <= k]
    if not small:
        return
    largest = min(sizes.values()) - 1
    advice = f"take --k {largest} at most" if largest else "give each more images"
    raise TooFewImages(f"too few images for {k} neighbours of each in {listed(small)}; {advice}, or use --method noise")


def check_apart(folder: Path, new: Path) -> None:
    """Refuse a new folder inside `folder`: the next command would take its images for real ones.

    Raises:
        ValueError: `new` lies inside `folder`.
    """
    if new.resolve().is_relative_to(folder.resolve()) and new.resolve() != folder.resolve():
        raise ValueError(f"{new} lies inside {folder}, where new images would pass for real ones; name another folder")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name once the block has ended without an error.

    After an error, or Ctrl+C, nothing of it remains, nor of the parent folders made for it.

    Raises:
        ValueError: `path` exists already and is not an empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} already exists; name another folder, or delete this one")
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a command that was killed
    new_parents = [parent for parent in path.parents if not parent.exists()]
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rmdir()
        partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # somebody else may have put something there
            for parent in new_parents:
                parent.rmdir()
        raise


def unpack(data: bytes, folder: Path) -> None:
    """Write the files of a zip into a folder, none of them outside of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)  # it leaves out what would lead out of the folder


class Manifest:
    """Writes new images into a folder, and a line about each into `manifest.csv`."""

    def __init__(self, folder: Path, settings: Mapping[str, object]) -> None:
        self._folder = folder
        self._settings = settings
        self._names: set[str] = set()
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, image: Pixels, batch: Batch, source: Path, neighbour: Path | None, decode: str) -> None:
        """Write one image, uint8 [h, w] or [h, w, 3], that was made of one in the batch by this way to decode."""
        stem = source.stem if batch.folder is None else f"{batch.folder}/{source.stem}"
        number = next(n for n in range(1, len(self._rows) + 2) if f"{stem}-{n}.png" not in self._names)
        name = f"{stem}-{number}.png"
        self._names.add(name)
        target = self._folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(encode_png(image if image.ndim == 3 else image[..., None]))
        made = {"file": name, "label": batch.label, "source": source, "neighbour": neighbour, "decode": decode}
        self._rows.append({**made, **self._settings})

    def some(self) -> tuple[list[Path], list[str | None]]:
        """Some of the new images, drawn evenly from all of them, `MOST_MEASURED` at most, and their labels."""
        rows = random.Random(0).sample(self._rows, min(len(self._rows), MOST_MEASURED))  # noqa: S311 (no secret)
        return [self._folder / str(row["file"]) for row in rows], [row["label"] for row in rows]

    def close(self) -> None:
        """Write the manifest."""
        columns = ["file", "label", "source", "neighbour", "decode", *self._settings]
        with (self._folder / MANIFEST).open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self._rows)


def _look(files: Mapping[str, Path]) -> tuple[list[Unreadable], int | None]:
    """The images that cannot be read, and how many bits those of 16 use together; several are looked at at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        seen = list(threads.map(_look_at, files, files.values()))
    unreadable = [each for each in seen if isinstance(each, Unreadable)]
    return unreadable, max((each for each in seen if isinstance(each, int)), default=None)


def _look_at(name: str, path: Path) -> Unreadable | int | None:
    """Why an image cannot be read, or how many bits it uses if it has 16."""
    try:
        return used_bits([decode(path.read_bytes(), Limits()).levels])
    except LatentaugError as error:
        return Unreadable(name, unsupported(name) or error.detail)
    except OSError as error:
        return Unreadable(name, error.strerror or str(error))


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _parts(files: Sequence[Path]) -> list[Sequence[Path]]:
    """Parts of at most `MOST_IMAGES` and of equal size, because a small last part would lack neighbours."""
    count = -(-len(files) // MOST_IMAGES)
    stops = [len(files) * i // count for i in range(count + 1)]
    return [files[start:stop] for start, stop in pairwise(stops)]
