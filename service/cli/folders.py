"""Reads a folder of images class by class, and makes a new one."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from latentaug_client.payloads import folder_files

from latentaug.imaging.archives import UNLABELLED_FOLDER, is_unlabelled


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


def batches(folder: Path, unlabelled: Path | None = None) -> list[Batch]:
    """The images of a folder, class by class, so that neighbours are of the same class.

    An image's class is the folder that it lies in; images directly in `folder` have no class, and so have those below a
    folder `unlabelled`.

    Args:
        folder: the folder.
        unlabelled: another folder, whose images have no class, or None.

    Raises:
        ValueError: some images lie in class folders and some beside them, or what `folder_files` raises.
    """
    files = folder_files(folder, unlabelled)
    loose = [path for name, path in files.items() if "/" not in name]
    if loose and len(loose) < len(files):
        raise ValueError(f"{loose[0]} lies beside the class folders; move it into one of them, or remove it")
    classes: dict[str | None, list[Path]] = {}
    for name, path in files.items():
        classes.setdefault(None if loose or is_unlabelled(name) else path.parent.name, []).append(path)
    place = None if loose else UNLABELLED_FOLDER  # of what has no class
    return [Batch(members, label or place, label) for label, members in classes.items()]


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
