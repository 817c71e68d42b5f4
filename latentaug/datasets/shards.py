"""Data sets that come in shards, because no request could hold them: each is stored, and in the end they are joined.

    datasets/<name>/shards/<number>-<digest>.safetensors

A shard has its images, fitted to one size, and as JSON what reading it told. Joined they are the data set that one
upload of all images would have been, to the last byte. Shards of which nothing becomes are swept like all that is begun
and not finished: once none has come for an hour.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from latentaug.datasets import uploads
from latentaug.datasets.dataset import DatasetDescription, Unreadable
from latentaug.datasets.splitting import check_enough
from latentaug.datasets.uniform import uniform
from latentaug.datasets.uploads import Reading
from latentaug.errors import Conflict, Damaged, InvalidInput, NotFound, TooLarge
from latentaug.imaging.intake import MOST_UNREADABLE, resized
from latentaug.imaging.pixels import Pixels
from latentaug.storage import tensors
from latentaug.storage.objects import ArtefactStore, check_name, told

MOST_SHARDS = 10_000
MOST_IMAGES = 10_000_000
"""In all shards together, as a hundred bytes of each image are in memory when they are joined."""
MOST_TOLD_BYTES = 2**27
"""Bytes of the labels and names of files of all shards together, which are in memory then."""
_JOINING = "joining"
"""A file beside the shards that is written when they are joined, so that they are not swept meanwhile."""
_SUFFIX = ".safetensors"


class Shard(BaseModel):
    """A shard that is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    bytes: int
    """What it takes in the store."""
    sha256: str
    """Checksum of what is stored, by which the same images and labels are known again."""


class _About(BaseModel):
    """What came with a shard's images."""

    labels: list[str | None] | None
    files: list[str] | None
    parts: list[str | None] | None
    warnings: list[str]
    unreadable: Unreadable | None


class _Read(NamedTuple):
    images: Pixels
    about: _About


def put(
    store: ArtefactStore,
    name: str,
    number: int,
    images: Sequence[Pixels] | Pixels,
    labels: Sequence[str | None] | None,
    max_bytes: int,
    most_bytes: int,
    size: tuple[int, int] | None = None,
    files: Sequence[str] | None = None,
    reading: Reading = uploads.PLAIN,
) -> Shard:
    """Store a shard, in place of the one with the same number if there is one.

    Args:
        store: the store to write to.
        name: of the data set, which must not exist yet.
        number: its place among the shards, from 0.
        images: as in `uploads.create`, and so are labels, size, files and reading.
        labels: one for each image, or None.
        max_bytes: most bytes of the shard's images together, once they are decoded and resized.
        most_bytes: most bytes of all shards together.
        size: height and width that every image is resized to, or None.
        files: each image's path in what was sent, or None.
        reading: what reading the files told.

    Raises:
        Conflict: there is a data set of this name.
        InvalidInput: sizes differ and `size` is None, or sides outside 8..256.
        TooLarge: the shard, or all of them together, would be too large.
        NotStored: there is no room for it.
    """
    uploads.check_free(store, name)
    sizes = [(image.shape[0], image.shape[1]) for image in images]
    pixels = uniform(images, sizes, size, max_bytes, files)
    about = _About(
        labels=None if labels is None else list(labels),
        files=None if files is None else list(files),
        parts=None if reading.parts is None else list(reading.parts),
        warnings=[*reading.warnings, *([] if size is None else resized(sizes, size))],
        unreadable=reading.unreadable,
    )
    others = [shard for shard in _stored(store, name) if shard.number != number]
    if sum(shard.bytes for shard in others) + pixels.nbytes > most_bytes:
        raise TooLarge(f"the shards of {name!r} hold more than {most_bytes} bytes; give fewer or smaller images")
    plain = np.frombuffer(about.model_dump_json().encode(), np.uint8)
    data = b"".join(tensors.pieces({"images": pixels, "about": plain}))
    shard = Shard(number=number, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    store.put(_path(name, shard), data)
    for file in store.files(_folder(name)):
        if file.startswith(f"{number:04d}-") and file != _file(shard):
            store.delete(f"{_folder(name)}/{file}")
    return shard


def listed(store: ArtefactStore, name: str) -> list[Shard]:
    """The shards that are stored of a data set that is not yet joined, by number.

    Raises:
        NotFound: there are none.
    """
    if not (found := _stored(store, name)):
        raise NotFound(f"no shards of a data set {name!r} are stored; send some first")
    return found


def _stored(store: ArtefactStore, name: str) -> list[Shard]:
    """The shards that are stored, if there are any."""
    found = dict[int, Shard]()
    folder = _folder(name)
    for entry in sorted(store.entries(folder), key=lambda entry: entry.modified):
        file = entry.path.rsplit("/", 1)[-1]
        if file.endswith(_SUFFIX):
            number, digest = file.removesuffix(_SUFFIX).split("-")
            found[int(number)] = Shard(number=int(number), bytes=entry.size, sha256=digest)
    return [found[number] for number in sorted(found)]


def drop(store: ArtefactStore, name: str) -> None:
    """Delete the shards of a data set that is not to be joined.

    Raises:
        NotFound: there are none.
    """
    listed(store, name)
    store.delete_folder(_folder(name))


def join(store: ArtefactStore, name: str, count: int, scratch: Path) -> DatasetDescription:
    """Make a data set of its shards, and delete them.

    Args:
        store: where they are, and where it will be.
        name: its name.
        count: how many shards there are, so that none is forgotten.
        scratch: a folder with room for all images, which are put together in a file there.

    Raises:
        NotFound: there are no shards.
        Conflict: a shard is missing or was replaced just now, or there is a data set of this name.
        InvalidInput: images of several sizes, or labels that do not match.
        TooFewImages, TooLarge, NotStored: as of `uploads.create`.
        Damaged: a shard is not what was written.
    """
    uploads.check_free(store, name)
    shards = listed(store, name)
    _check_all_there(name, shards, count)
    store.put(f"{_folder(name)}/{_JOINING}", b"")
    with _joined(_every(store, name, shards), scratch) as (pixels, about):
        check_enough(len(pixels))
        reading = Reading(about.parts, about.warnings, about.unreadable)
        description = uploads.keep(store, name, pixels, about.labels, about.files, reading)
    store.delete_folder(_folder(name))
    return description


def _check_all_there(name: str, shards: Sequence[Shard], count: int) -> None:
    there = {shard.number for shard in shards}
    missing, more = sorted(set(range(count)) - there), sorted(there - set(range(count)))
    if missing:
        raise Conflict(f"of the {count} shards of {name!r}, number {_few(missing)} is missing; send it, then join them")
    if more:
        raise Conflict(
            f"{name!r} has a shard with the number {_few(more)} besides; join {max(more) + 1} shards instead"
        )


def _few(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + ("..." if len(numbers) > 10 else "")


def _every(store: ArtefactStore, name: str, shards: Sequence[Shard]) -> Iterator[_Read]:
    """Each shard as it was stored, one after another."""
    told_bytes = 0
    for shard in shards:
        try:
            data = store.get(_path(name, shard))
        except NotFound as error:
            raise Conflict(f"shard {shard.number} of {name!r} was replaced just now; join them again") from error
        if hashlib.sha256(data).hexdigest() != shard.sha256:
            raise Damaged(f"shard {shard.number} of {name!r} is damaged; send it again, then join them")
        arrays: Mapping[str, NDArray[Any]] = tensors.views(np.frombuffer(data, np.uint8))
        told_bytes += arrays["about"].nbytes
        if told_bytes > MOST_TOLD_BYTES:
            raise TooLarge(
                f"labels and names of files hold more than {MOST_TOLD_BYTES} bytes in all shards; shorten them, or "
                "send the images as npz, which have no names"
            )
        yield _Read(arrays["images"], _About.model_validate_json(arrays["about"].tobytes()))


@contextmanager
def _joined(shards: Iterable[_Read], scratch: Path) -> Iterator[tuple[Pixels, _About]]:
    """All images in one array that is mapped from a file, and all that came with them."""
    shapes, abouts = list[tuple[int, ...]](), list[_About]()
    with told():
        scratch.mkdir(parents=True, exist_ok=True)
        file = TemporaryFile(dir=scratch)  # noqa: SIM115  closed below
    with file:
        for shard in shards:
            shapes.append(shard.images.shape)
            abouts.append(shard.about)
            _check_joint(shapes)
            with told():
                file.write(shard.images.data)
        file.flush()
        shape = (sum(shape[0] for shape in shapes), *shapes[0][1:])
        yield np.asarray(np.memmap(file, np.uint8, "r", shape=shape)), _together(abouts, [n for n, *_ in shapes])


def _check_joint(shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuse a shard, the last one, that does not go with those before it."""
    if shapes[-1][1:] != shapes[0][1:]:
        last, first = ("x".join(map(str, shape[1:])) for shape in (shapes[-1], shapes[0]))
        raise InvalidInput(
            f"the images of shard {len(shapes) - 1} are of {last} (height, width, channels), those of the first are of "
            f"{first}; send all in one size, and all in grey or all in colour"
        )
    if sum(shape[0] for shape in shapes) > MOST_IMAGES:
        raise TooLarge(f"the shards have more than {MOST_IMAGES:,} images together; leave some out")


def _together(abouts: Sequence[_About], counts: Sequence[int]) -> _About:
    """What came with all shards, each of which has so many images."""
    unreadable = [about.unreadable for about in abouts if about.unreadable is not None]
    left_out = [file for each in unreadable for file in each.files][:MOST_UNREADABLE]
    files = [about.files for about in abouts]
    return _About(
        labels=_in_a_row([about.labels for about in abouts], counts),
        files=None if None in files else [file for some in files for file in some or ()],
        parts=_in_a_row([about.parts for about in abouts], counts),
        warnings=list(dict.fromkeys(warning for about in abouts for warning in about.warnings)),
        unreadable=Unreadable(images=sum(each.images for each in unreadable), files=left_out) if unreadable else None,
    )


def _in_a_row(lists: Sequence[Sequence[str | None] | None], counts: Sequence[int]) -> list[str | None] | None:
    """One list of all, in which None stands for the images of shards without one; None if no shard has one."""
    if all(some is None for some in lists):
        return None
    every = zip(lists, counts, strict=True)
    return [value for some, count in every for value in ([None] * count if some is None else some)]


def _folder(name: str) -> str:
    return f"datasets/{check_name(name, 'data set')}/shards"


def _file(shard: Shard) -> str:
    return f"{shard.number:04d}-{shard.sha256}{_SUFFIX}"


def _path(name: str, shard: Shard) -> str:
    return f"{_folder(name)}/{_file(shard)}"
