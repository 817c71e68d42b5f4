"""Zips of images, for commands that read a folder."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from latentaug.imaging.zips import unpack_zip


class Opened(NamedTuple):
    """A folder to read, and the path that was typed, which a zip's files are known by."""

    folder: Path
    typed: Path

    def name(self, path: Path) -> Path:
        """The path by which a person knows a file of the folder; other paths are as they are."""
        inside = self.folder != self.typed and path.is_relative_to(self.folder)
        return self.typed / path.relative_to(self.folder) if inside else path

    def tell(self, text: str) -> str:
        """A text in which the folder goes by the name that was typed."""
        return text.replace(str(self.folder), str(self.typed))


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a folder, or unpack a zip into one that is there until the end of the block.

    Raises:
        ValueError: it is neither.
        LatentaugError: a zip that cannot be read, or holds too much.
    """
    if path.is_dir():
        yield Opened(path, path)
    elif path.suffix.lower() == ".zip" and path.is_file():
        with tempfile.TemporaryDirectory(prefix="latentaug-") as place:
            folder = Path(place) / path.stem
            unpack_zip(path.read_bytes(), folder)
            yield Opened(folder, path)
    else:
        found = f"{path} is neither a folder nor a zip" if path.exists() else f"there is no folder or zip {path}"
        raise ValueError(f"{found}; name one that holds images, in a folder for each class")
