"""The new folder that a command writes."""

from __future__ import annotations

import csv
import io
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from latentaug_client import Job

from latentaug.datasets.layouts import IN_ONE_FILE, MadeZip
from latentaug.imaging.layout import MANIFEST
from latentaug.options import Layout

ONE_FILE: dict[Layout, str] = {"huggingface": "train.parquet", "webdataset": "train.tar"}
"""The layouts that are one file, and its name."""
_PARTIAL = ".partial"
"""Name of what is not whole yet, in an empty folder or at the end of a new one's."""


def check_new(path: Path, *sources: Path | None) -> None:
    """Refuse a new folder that could not be written in the end, before hours are spent on what would lie in it.

    Args:
        path: the new folder, which may be there if it is empty.
        sources: folders of images, which it must not lie in: the next command would take new images for real ones.

    Raises:
        ValueError: it holds something, cannot be written, or lies in a source.
    """
    there = path.resolve()
    for source in filter(None, sources):
        if source.is_dir() and there.is_relative_to(source.resolve()):
            raise ValueError(
                f"new images in {path} would lie among those of {source} and pass for real ones; name another folder"
            )
    if path.exists() and (not path.is_dir() or any(entry.name != _PARTIAL for entry in path.iterdir())):
        raise ValueError(f"{path} already exists; name a folder that does not, or an empty one")
    nearest = next(folder for folder in (there, *there.parents) if folder.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)):
        raise ValueError(f"{path} cannot be made, as {nearest} cannot be written to; name another folder")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, which gets its name once the block has ended without an error.

    After an error, or Ctrl+C, nothing of it remains, nor of the parent folders made for it. An empty folder that is
    there already may be one that cannot be replaced, such as a mounted disk, and is filled instead.

    Raises:
        ValueError: as for `check_new`.
    """
    check_new(path)
    path = path.resolve()
    empty = path.exists()
    partial = path / _PARTIAL if empty else path.with_name(f".{path.name}{_PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)  # of a command that was killed
    new_parents = [parent for parent in path.parents if not parent.exists()]
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ValueError(f"{path} cannot be made ({error.strerror}); name another folder, or make room") from error
    try:
        yield partial
        if empty:
            for entry in list(partial.iterdir()):
                entry.rename(path / entry.name)
            partial.rmdir()
        else:
            partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # somebody else may have put something there
            for parent in new_parents:
                parent.rmdir()
        raise


def write_beside(folder: Path, sheet: bytes) -> Path:
    """Write a contact sheet of the images in a new folder beside it, and say where."""
    beside = folder.resolve().with_name(f"{folder.resolve().name}-contact-sheet.png")
    beside.write_bytes(sheet)
    return beside


def unpack(
    job: Job, layout: Layout, folder: Path, images: Mapping[str, Path] | None = None, classes: Sequence[str] = ()
) -> None:
    """Write the images of a job into a folder: the files of its zip, or one file where the layout has one.

    Args:
        job: has made images.
        layout: how they lie in the folder.
        folder: to write into.
        images: those of its data set on this machine, in its order, to name them in the manifest; or None.
        classes: of the data set, in its order; needed with `images`.
    """
    if layout in ONE_FILE and images is not None:
        names = [os.fsencode(path).decode(errors="replace") for path in images.values()]
        made = MadeZip(io.BytesIO(job.result("zip")), classes, names)
        with (folder / ONE_FILE[layout]).open("wb") as file:
            file.writelines(IN_ONE_FILE[layout](made))
        return
    if layout in ONE_FILE:
        (folder / ONE_FILE[layout]).write_bytes(job.result(layout=layout))
        return
    if layout == "folders":
        _unpack_all(job, folder)
    else:
        _unpack_one(job.result(layout=layout), folder)
    if images is not None:
        _name_originals(folder / MANIFEST, list(images.values()))


def _unpack_all(job: Job, folder: Path) -> None:
    """Unpack a job's zip, or all of several, whose manifests become one."""
    shards = int((job.record["result"] or {}).get("shards", 1))
    lines = list[bytes]()
    for shard in range(shards):
        _unpack_one(job.result("zip", shard=shard if shards > 1 else None), folder)
        if shards > 1:
            lines += (folder / MANIFEST).read_bytes().splitlines(keepends=True)[1 if shard else 0 :]
    if shards > 1:
        (folder / MANIFEST).write_bytes(b"".join(lines))


def _unpack_one(data: bytes, folder: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)  # it leaves out what would lead out of the folder


def _name_originals(path: Path, files: Sequence[Path]) -> None:
    """Add to a manifest the file that each image is or was made from, which it only numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["original"] = str(files[int(row.get("row") or row["source"])])
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)
