"""Reads a folder of images class by class."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from latentaug_client.folders import read_folder

from latentaug.errors import InvalidInput, LatentaugError, MalformedInput, TooFewImages, TooLarge
from latentaug.imaging.depth import Levels, eight_bit, scale_told, used_bits
from latentaug.imaging.intake import Remarks, Size, Sizes, Unreadable, listed_unreadable, unsupported
from latentaug.imaging.layout import UNLABELLED_FOLDER, arrange, listed, told_passed_over
from latentaug.imaging.phrases import counted
from latentaug.imaging.pixels import Decoded, Limits, decode
from latentaug.imaging.sizes import sizes_differ
from service.cli.not_taken import NO_IMAGE, Left
from service.cli.reading import PLAIN, ReadAs
from service.cli.scaling import HERE


@dataclass(frozen=True)
class Batch:
    """The images of one class, or those that have none.

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
        files: all images, in the order of an upload.
        held: number of images in folders to validate and to test with, from which none are made.
        unreadable: images that cannot be read.
        bits: how many bits the images of 16 bits use, so that all requests scale them alike; None if there are none.
        warnings: about the files and folders, in sentences.
        sizes: height and width of each of the `files`.
        others: files that are no images, and hidden ones, which were passed over.
    """

    batches: list[Batch]
    files: list[Path]
    held: int
    unreadable: list[Unreadable]
    bits: int | None
    warnings: list[str]
    sizes: Sizes = ()
    others: Sequence[str] = ()

    @property
    def not_taken(self) -> Left:
        """All that no image was made from, as it is none that can be read."""
        return [*((bad.file, bad.reason) for bad in self.unreadable), *((name, NO_IMAGE) for name in self.others)]

    @property
    def images(self) -> int:
        """Number of images that new ones are made from."""
        return sum(len(batch.files) for batch in self.batches)

    def __str__(self) -> str:
        """What became of every image of the folder."""
        told = counted(self.images, "image")
        if self.held:
            told += f", and from none of the {self.held:,} in folders to validate and test with"
        if self.unreadable:
            told += f"; left out, as they cannot be read: {listed_unreadable(self.unreadable)}"
        return told


def read(folder: Path, how: ReadAs = PLAIN) -> Reading:
    """Read a folder as the service reads an upload, and look at every image whether it can be read.

    Of a folder with folders train, valid and test, new images are made from
    the training images alone.

    Args:
        folder: the folder.
        how: how it is read. Where it has a size, photos are scaled down before they are sent, so that they may be
            larger.

    Raises:
        ValueError: there are no images, or what `read_folder` raises.
        LatentaugError: images that cannot be read, all of them named, some that lie beside the class folders, or
            values of more bits than there are said to be.
    """
    found = read_folder(folder, how.unlabelled)
    look = _look(found.images, HERE if how.size else Limits(), how.bits)
    unreadable = look.unreadable
    if unreadable and not how.skip_bad:
        raise MalformedInput(
            f"{counted(len(unreadable), 'image')} cannot be read: {listed_unreadable(unreadable, None)}; save such "
            "images anew, or give --skip-bad to go on without them"
        )
    bad = {each.file for each in unreadable}
    names = [name for name in found.images if name not in bad]
    if not names:
        raise MalformedInput(f"no image in {folder} can be read: {listed_unreadable(unreadable, None)}")
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
    made = [Batch(members, label or place, label) for label, members in classes.items()]
    files = [found.images[name] for name in names]
    others = told_passed_over(found.others, has_classes=layout.has_classes)
    warnings = [*others, *layout.warnings, *look.warnings]
    return Reading(made, files, held, unreadable, look.bits, warnings, look.sizes, found.others)


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
    sought = counted(k, "neighbour")
    raise TooFewImages(f"too few images for {sought} of each in {listed(small)}; {advice}, or use --method noise")


def check_one_size(reading: Reading) -> None:
    """Refuse images of several sizes, of which no model can be trained, before a service is started for that.

    Raises:
        InvalidInput: they have several.
    """
    if len(set(reading.sizes)) > 1:
        raise InvalidInput(sizes_differ(reading.sizes, [str(path) for path in reading.files]))


@dataclass(frozen=True)
class _Look:
    """What a look at every image of a folder found: as in `Reading`, with warnings about how the images are read."""

    unreadable: list[Unreadable]
    bits: int | None
    warnings: list[str]
    sizes: Sizes


def _look(files: Mapping[str, Path], limits: Limits, bits: int | None) -> _Look:
    """Decode every image, several at a time, and keep none.

    Raises:
        InvalidInput: values of more than `bits` bits.
    """
    unreadable, deep, remarks, sizes = [], list[Levels](), Remarks(), list[Size]()
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for name, seen in zip(files, threads.map(partial(_look_at, limits), files, files.values()), strict=True):
            if isinstance(seen, Unreadable):
                unreadable.append(seen)
                continue
            decoded, size = seen
            remarks.add(name, decoded)
            sizes.append(size)
            if decoded.levels.dtype == np.uint16:
                deep.append(decoded.levels)
    eight_bit(deep, bits)  # only to see whether that many bits hold them
    told = [*scale_told(deep, bits), *remarks.warnings()]
    return _Look(unreadable, bits if bits and deep else used_bits(deep), told, sizes)


def _look_at(limits: Limits, name: str, path: Path) -> Unreadable | tuple[Decoded, Size]:
    """Why an image cannot be read; or the image with its largest value in place of all of them, and its size."""
    if not path.is_file():
        return Unreadable(name, "a link to nothing, or no file")
    try:
        decoded = decode(path.read_bytes(), limits)
    except TooLarge as error:
        if limits is not HERE and not isinstance(_look_at(HERE, name, path), Unreadable):
            scaling = "; give --size 64x64, or another size, to have it scaled down here"
            return Unreadable(name, error.detail.partition(";")[0] + scaling)
        return Unreadable(name, f"it has more pixels than are read, {HERE.max_pixels:,}; save it smaller")
    except LatentaugError as error:
        return Unreadable(name, unsupported(name) or error.detail)
    except OSError as error:
        return Unreadable(name, error.strerror or str(error))
    height, width, _ = decoded.levels.shape
    return replace(decoded, levels=decoded.levels.reshape(-1)[[decoded.levels.argmax()]]), (height, width)
