"""What the files of an image take, by package, and which of them a process has read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

ENVIRONMENT = "opt/latentaug"
BASE = "(base image)"
"""What is called so belongs to no Python package of ours."""


@dataclass(frozen=True)
class File:
    """A file of an image.

    Attributes:
        path: from the image's root.
        package: the Python package that brings it, or `BASE`.
        size: in bytes.
        read: whether a process has read it since `forget`.
    """

    path: str
    package: str
    size: int
    read: bool


def forget(root: Path) -> None:
    """Have the system forget when files were read, so that it notes the next time. The image must be writable then."""
    for path in _paths(root):
        os.utime(path, ns=(0, path.stat().st_mtime_ns))


def files(root: Path) -> list[File]:
    """Return all files of an image."""
    owners = _owners(root)
    found = []
    for path in _paths(root):
        told = path.stat()
        name = str(path.relative_to(root))
        owner = owners.get(_source(path), ENVIRONMENT if name.startswith(ENVIRONMENT) else BASE)
        found.append(File(name, owner, told.st_size, told.st_atime_ns > 0))
    return found


def uncompiled(root: Path, found: list[File]) -> list[str]:
    """Return the modules that were read and that the image has no compiled form of."""
    compiled = {str(_source(root / file.path)) for file in found if file.path.endswith(".pyc")}
    read = [file.path for file in found if file.read and file.path.endswith(".py") and "/site-packages/" in file.path]
    return [path.partition("/site-packages/")[2] for path in read if str(root / path) not in compiled]


def _paths(root: Path) -> Iterator[Path]:
    """Every file, but no link."""
    for folder, _, names in os.walk(root):
        yield from (path for name in names if not (path := Path(folder, name)).is_symlink() and path.is_file())


def _owners(root: Path) -> dict[Path, str]:
    """The package that has installed each file."""
    places = [str(path) for path in (root / ENVIRONMENT).glob("lib/python3*/site-packages")]
    return {
        Path(os.path.normpath(str(package.locate_file(file)))): package.name
        for package in distributions(path=places)
        for file in package.files or ()
    }


def _source(path: Path) -> Path:
    """The module that a file is compiled from; any other file itself."""
    if path.suffix != ".pyc":
        return path
    return path.parent.parent / f"{path.name.partition('.')[0]}.py"
