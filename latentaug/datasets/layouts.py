"""Images that a job made, in the layouts that other tools read.

A job writes its images once, as a zip of class folders with `manifest.csv`. The other layouts are made of that zip when
somebody asks for them, so that each holds the same files and says the same of each. They are made piece by piece, and
neither the zip nor what it becomes is ever in memory whole.
"""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO, Any

import pyarrow as pa
from pyarrow import parquet

from latentaug.datasets.dataset import Dataset
from latentaug.errors import TooLarge
from latentaug.imaging.archives import EPOCH, folder_names
from latentaug.imaging.growing import PIECE, Growing
from latentaug.imaging.layout import MANIFEST, UNLABELLED_FOLDER
from latentaug.imaging.pixels import encode_png
from latentaug.imaging.spreadsheets import cell, text_of
from latentaug.options import Converted, Layout

SPLITS = {"val": "validation", "test": "test"}
"""Folders of the YOLO layout beside `train`, and the parts of the data set that they hold."""
MOST_IMAGES = 100_000
"""In a zip that is laid out anew: its directory is in memory, 700 bytes for each."""
_ROW_GROUP, _ROW_GROUP_BYTES = 1000, 2**22
"""Images of a parquet file that are read together, and their bytes, at most but for one image."""
_TOLD_EMPTY = (
    "These folders are empty, as there are no images of these classes in these parts. Keep them: programs number the "
    "classes by the folders that they see, and without these a number would mean another class in each part. git does "
    "not keep empty folders, and neither do some programs that copy or zip; make the folders again after that.\n\n"
)
_TYPES: Mapping[pa.DataType, tuple[str, Callable[[str], Any]]] = {
    pa.bool_(): ("bool", {"True": True, "False": False}.__getitem__),
    pa.int64(): ("int64", int),
    pa.float64(): ("float64", float),
}
"""What a column may be besides text, the narrowest first: its name for `datasets`, and how its values are read."""


@dataclass(frozen=True)
class Example:
    """One image of a job's zip.

    Attributes:
        file: its path in the zip.
        png: its bytes.
        label: name of its class; None for an image without one.
        row: the other columns of the manifest, as text; what the manifest leaves empty is empty.
    """

    file: str
    png: bytes
    label: str | None
    row: Mapping[str, str]


class MadeZip:
    """The zip of a job, read image by image.

    Args:
        file: what `archives.write_zip` wrote, to be read from anywhere in it.
        classes: of the data set that the images were made of.
        originals: names of the files of that data set's images, in its order, which the manifest only numbers; they
            become a column `original`. By default there is none.

    Raises:
        TooLarge: it holds too many images to be laid out anew.
        Exception: one of those that `zipfile` and `csv` raise, or a `LookupError`, if it is not what was written.
    """

    def __init__(self, file: IO[bytes], classes: Sequence[str], originals: Sequence[str] | None = None) -> None:
        self._archive = zipfile.ZipFile(file)
        if len(self._archive.infolist()) > MOST_IMAGES + 2:  # with the manifest and the tally
            raise TooLarge(f"layouts are made of at most {MOST_IMAGES:,} images; take them as folders or as npz")
        self._originals = originals
        self.number = {name: i for i, name in enumerate(classes)}
        self.columns = self._columns()

    def examples(self) -> Iterator[Example]:
        """The images, in the order of the manifest."""
        for line in self._lines():
            file, label = line.pop("file"), line.pop("label", None)
            yield Example(file, self._archive.read(file), label or None, line)

    def values(self, one: Example) -> dict[str, Any]:
        """The other columns of an image: as numbers where a column holds nothing else, None where it is empty."""
        return {name: _value(one.row[name], kind) for name, kind in self.columns.items()}

    def manifest(self, files: Mapping[str, str]) -> str:
        """The manifest, with these paths for its images instead of those in the zip."""
        told = io.StringIO(newline="")
        with self._archive.open(MANIFEST) as file:
            lines = csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))
            writer = csv.DictWriter(told, lines.fieldnames or [], lineterminator="\n")
            writer.writeheader()
            writer.writerows({**line, "file": cell(files[text_of(line["file"])])} for line in lines)
        return told.getvalue()

    def _lines(self) -> Iterator[dict[str, str]]:
        with self._archive.open(MANIFEST) as file:
            for line in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
                if None in line or None in line.values():
                    raise csv.Error("a line of the manifest has too few columns, or too many")
                told = {name: text_of(value) for name, value in line.items()}
                if self._originals is not None:
                    told["original"] = self._originals[int(told.get("row") or told["source"])]
                yield told

    def _columns(self) -> dict[str, pa.DataType]:
        """The columns beside `file` and `label`, each with the narrowest type that holds all of its values."""
        fitting: dict[str, list[pa.DataType]] = {}
        filled = set[str]()
        for line in self._lines():
            self._archive.getinfo(line.pop("file"))
            if label := line.pop("label", None):
                self.number[label]  # or it is none of the classes
            for name, value in line.items():
                kinds = fitting.setdefault(name, list(_TYPES))
                if value:
                    filled.add(name)
                    fitting[name] = [kind for kind in kinds if _reads(kind, value)]
        return {name: kinds[0] if kinds and name in filled else pa.string() for name, kinds in fitting.items()}


def convert(layout: Converted, made: IO[bytes], dataset: Dataset) -> Iterator[bytes]:
    """Convert the zip of a job into another layout, piece by piece.

    `huggingface` is a parquet file with the columns `image`, `label` and those of the manifest. `datasets` reads it
    with the names of the classes: `load_dataset("parquet", data_files=...)`.

    `webdataset` is a tar in which each image has a `.png`, a `.cls` with its class's number unless it has none, and a
    `.json` with its row of the manifest, numbers as numbers.

    `yolo` is a zip with a folder for each class in `train`, and in `val` and `test` the data set's own images of these
    parts, as Ultralytics reads them for classification. Each of them has a folder for every class, as readers number
    the folders that they see; those that are empty are named in `README.txt`. Images without a label lie in
    `unlabelled` beside them. The manifest names the images where they lie there.

    Args:
        layout: the layout.
        made: what `archives.write_zip` wrote, to be read from anywhere in it.
        dataset: the data set that the images were made of, which gives the classes their order.

    Raises:
        TooLarge: there are too many images; before the first piece, like most of what `MadeZip` raises.
    """
    read = MadeZip(made, dataset.classes)
    yield from _to_yolo(read, dataset) if layout == "yolo" else IN_ONE_FILE[layout](read)


def _to_parquet(made: MadeZip) -> Iterator[bytes]:
    """The layout of Hugging Face's `datasets`."""
    number = made.number
    label = {"label": pa.int64()} if number else {}
    plain = {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), **label, **made.columns}
    features = {name: _feature(name, kind, list(number)) for name, kind in plain.items()}
    told = json.dumps({"info": {"features": features}}, ensure_ascii=False).encode()
    schema = pa.schema(plain, metadata={b"huggingface": told})
    out = Growing()
    with parquet.ParquetWriter(out, schema) as writer:
        for group in _groups(made.examples()):
            rows = [
                {
                    "image": {"bytes": one.png, "path": one.file},
                    **({"label": None if one.label is None else number[one.label]} if label else {}),
                    **made.values(one),
                }
                for one in group
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
            yield from out.take()
    yield from out.take()


def _reads(kind: pa.DataType, text: str) -> bool:
    try:
        _value(text, kind)
    except (KeyError, ValueError):
        return False
    return True


def _value(text: str, kind: pa.DataType) -> Any:
    """A value of the manifest in its column's type; None where the manifest has nothing."""
    if not text:
        return None
    return _TYPES[kind][1](text) if kind in _TYPES else text


def _feature(name: str, kind: pa.DataType, classes: Sequence[str]) -> dict[str, Any]:
    """How `datasets` is to understand a column."""
    if name == "image":
        return {"_type": "Image"}
    if name == "label":
        return {"_type": "ClassLabel", "names": list(classes)}
    return {"_type": "Value", "dtype": _TYPES[kind][0] if kind in _TYPES else "string"}


def _to_webdataset(made: MadeZip) -> Iterator[bytes]:
    """The layout of `webdataset`: files of one name belong together."""
    out = Growing()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for i, one in enumerate(made.examples()):
            told = {"file": one.file, "label": one.label, **made.values(one)}
            files = {"png": one.png, "json": json.dumps(told, ensure_ascii=False).encode()}
            if one.label is not None:
                files["cls"] = str(made.number[one.label]).encode()
            for suffix, data in files.items():
                entry = tarfile.TarInfo(f"{i:06d}.{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
            yield from out.take(PIECE)
    yield from out.take()


def _to_yolo(made: MadeZip, dataset: Dataset) -> Iterator[bytes]:
    """The layout of Ultralytics' YOLO for classification."""
    folders = folder_names(dataset.classes)
    empty = {f"{split}/{folder}": None for split in ("train", *SPLITS) for folder in map(folders.get, dataset.classes)}
    out, files = Growing(), dict[str, str]()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for one in made.examples():
            place = UNLABELLED_FOLDER if one.label is None else f"train/{folders[one.label]}"
            files[one.file] = f"{place}/{PurePosixPath(one.file).name}"
            archive.writestr(zipfile.ZipInfo(files[one.file], EPOCH), one.png)
            empty.pop(place, None)
            yield from out.take(PIECE)
        for folder, part in SPLITS.items():
            rows = getattr(dataset, part)
            for row, label in zip(rows, dataset.names_of(rows) or [], strict=False):
                if label is not None:
                    place = f"{folder}/{folders[label]}"
                    archive.writestr(zipfile.ZipInfo(f"{place}/{row:06d}.png", EPOCH), encode_png(dataset.images[row]))
                    empty.pop(place, None)
                    yield from out.take(PIECE)
        for place in empty:
            archive.writestr(zipfile.ZipInfo(f"{place}/", EPOCH), b"")
        if empty:
            archive.writestr(zipfile.ZipInfo("README.txt", EPOCH), _TOLD_EMPTY + "".join(f"{at}\n" for at in empty))
        archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), made.manifest(files))
    yield from out.take()


def _groups(all_of: Iterator[Example]) -> Iterator[list[Example]]:
    group, held = list[Example](), 0
    for one in all_of:
        group.append(one)
        held += len(one.png)
        if len(group) == _ROW_GROUP or held >= _ROW_GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group


IN_ONE_FILE: Mapping[Layout, Callable[[MadeZip], Iterator[bytes]]] = {
    "huggingface": _to_parquet,
    "webdataset": _to_webdataset,
}
"""The layouts that need nothing but a job's zip, and how each is made of that, piece by piece."""
