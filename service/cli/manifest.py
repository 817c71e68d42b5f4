"""New images in a folder, with a line about each in `manifest.csv` and some of them on a contact sheet."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from latentaug.imaging.depth import eight_bit
from latentaug.imaging.layout import MANIFEST
from latentaug.imaging.pixels import Pixels, contact_sheet, decode, encode_png, fit
from latentaug.imaging.spreadsheets import cells
from service.cli.folders import Batch
from service.cli.scaling import HERE

MOST_MEASURED = 500
"""Most new images by which the quality of all is told; so many photos fit into one request."""
SHEET_SOURCES, SHEET_CHILDREN = 16, 8
"""Most images on the contact sheet that new ones were made of, and most new ones of each."""
LEAST_PIXELS = 48
"""Images with shorter sides are enlarged on the contact sheet."""
_NAME_BYTES = 200
"""Most bytes of a source's name in that of a new image; a file's name may have 255."""


class Manifest:
    """Writes new images into a folder, and a line about each into `manifest.csv`.

    Args:
        folder: to write into.
        settings: what is the same for all images, as columns.
        bits: how many bits the sources of 16 bits use, to show them as they were read; or None.
        name: the path by which a person knows a source.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object],
        bits: int | None = None,
        name: Callable[[Path], Path] = lambda path: path,
    ) -> None:
        self._folder = folder
        self._bits = bits
        self._name = name
        self._settings = settings
        self._names: set[str] = set()
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def sources(self) -> int:
        """Number of images that new ones were made of."""
        return len({row["source"] for row in self._rows})

    def add(self, png: bytes, batch: Batch, source: Path, neighbour: Path | None, decode: str) -> None:
        """Write one image that was made of one in the batch by this way to decode."""
        stem = _short(source.stem) if batch.folder is None else f"{batch.folder}/{_short(source.stem)}"
        number = next(n for n in range(1, len(self._rows) + 2) if f"{stem}-{n}.png" not in self._names)
        name = f"{stem}-{number}.png"
        self._names.add(name)
        target = self._folder / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(png)
        made = {"file": name, "label": batch.label, "source": source, "neighbour": neighbour, "decode": decode}
        self._rows.append({**made, **self._settings})

    def some(self) -> tuple[list[Path], list[str | None]]:
        """Some of the new images, drawn evenly from all of them, `MOST_MEASURED` at most, and their labels."""
        rows = random.Random(0).sample(self._rows, min(len(self._rows), MOST_MEASURED))  # noqa: S311 (no secret)
        return [self._folder / str(row["file"]) for row in rows], [row["label"] for row in rows]

    def sheet(self) -> bytes:
        """A contact sheet as PNG: in each row an image and new ones made of it, from all classes in turn."""
        families: dict[Path, list[Path]] = {}
        classes: dict[str | None, list[Path]] = {}
        for row in self._rows:
            if row["source"] not in families:
                classes.setdefault(row["label"], []).append(row["source"])
            families.setdefault(row["source"], []).append(self._folder / row["file"])
        turns = sorted((turn, i, source) for i, of in enumerate(classes.values()) for turn, source in enumerate(of))
        shown = sorted(turns[:SHEET_SOURCES], key=lambda place: (place[1], place[0]))
        rows = []
        for _, _, source in shown:
            children = [self._read(path) for path in families[source][:SHEET_CHILDREN]]
            rows.append([*fit([self._read(source)], *children[0].shape, resize=True), *children])
        return encode_png(contact_sheet(rows, scale=max(1, -(-LEAST_PIXELS // rows[0][0].shape[0]))))

    def close(self) -> None:
        """Write the manifest."""
        columns = ["file", "label", "source", "neighbour", "decode", *self._settings]
        with (self._folder / MANIFEST).open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for row in self._rows:
                parents = {key: self._name(row[key]) for key in ("source", "neighbour") if row[key] is not None}
                writer.writerow(cells(row | parents))

    def _read(self, path: Path) -> Pixels:
        return eight_bit([decode(path.read_bytes(), HERE).levels], self._bits)[0]


def _short(stem: str) -> str:
    """A name that leaves room for a number and a suffix; what is cut off is in the manifest."""
    return os.fsencode(stem)[:_NAME_BYTES].decode(errors="replace")
