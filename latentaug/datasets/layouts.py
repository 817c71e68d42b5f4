"""Images that a job made, in the layouts that other tools read.

A job writes its images once, as a zip of class folders with `manifest.csv`. The other layouts are made of that zip when
somebody asks for them, so that each holds the same files and says the same of each.
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
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from latentaug.datasets.dataset import Dataset
from latentaug.imaging.archives import EPOCH, folder_names
from latentaug.imaging.layout import MANIFEST, UNLABELLED_FOLDER
from latentaug.imaging.pixels import encode_png
from latentaug.options import Converted

SPLITS = {"val": "validation", "test": "test"}
"""Folders of the YOLO layout beside `train`, and the parts of the data set that they hold."""
_ROW_GROUP = 1000  # images of a parquet file that are read together
_TYPES: Sequence[tuple[type, pa.DataType]] = ((int, pa.int64()), (float, pa.float64()))


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


def convert(layout: Converted, made: bytes, dataset: Dataset) -> bytes:
    """Convert the zip of a job into another layout.

    `huggingface` is a parquet file with the columns `image`, `label` and those of the manifest. `datasets` reads it
    with the names of the classes: `load_dataset("parquet", data_files=...)`.

    `webdataset` is a tar in which each image has a `.png`, a `.cls` with its class's number unless it has none, and a
    `.json` with its row of the manifest.

    `yolo` is a zip with a folder for each class in `train`, and in `val` and `test` the data set's own images of these
    parts, as Ultralytics reads them for classification. Images without a label lie in `unlabelled` beside them. The
    manifest names the images where they lie there.

    Args:
        layout: the layout.
        made: what `archives.write_zip` wrote.
        dataset: the data set that the images were made of, which gives the classes their order.
    """
    return _CONVERTERS[layout](made, dataset)


def examples(made: bytes) -> Iterator[Example]:
    """The images of a job's zip, in the order of its manifest."""
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        for line in csv.DictReader(io.StringIO(archive.read(MANIFEST).decode(), newline="")):
            file, label = line.pop("file"), line.pop("label", None)
            yield Example(file, archive.read(file), label or None, line)


def _to_parquet(made: bytes, dataset: Dataset) -> bytes:
    """The layout of Hugging Face's `datasets`."""
    number = {name: i for i, name in enumerate(dataset.classes)}
    columns = _columns(made)
    label = {"label": pa.int64()} if number else {}
    plain = {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), **label, **columns}
    features = {name: _feature(name, kind, dataset.classes) for name, kind in plain.items()}
    told = json.dumps({"info": {"features": features}}, ensure_ascii=False).encode()
    schema = pa.schema(plain, metadata={b"huggingface": told})
    out = io.BytesIO()
    with parquet.ParquetWriter(out, schema) as writer:
        for group in _groups(examples(made), _ROW_GROUP):
            rows = [
                {
                    "image": {"bytes": one.png, "path": one.file},
                    **({"label": None if one.label is None else number[one.label]} if label else {}),
                    **{name: _value(one.row[name], kind) for name, kind in columns.items()},
                }
                for one in group
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))
    return out.getvalue()


def _columns(made: bytes) -> dict[str, pa.DataType]:
    """The manifest's columns beside `file` and `label`, each with the narrowest type that holds all of its values."""
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        lines = list(csv.DictReader(io.StringIO(archive.read(MANIFEST).decode(), newline="")))
    names = [name for name in (lines[0] if lines else {}) if name not in ("file", "label")]
    return {name: _type([line[name] for line in lines if line[name]]) for name in names}


def _type(values: Sequence[str]) -> pa.DataType:
    return next((kind for read, kind in _TYPES if values and all(_reads(read, text) for text in values)), pa.string())


def _reads(read: type, text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _value(text: str, kind: pa.DataType) -> Any:
    """A value of the manifest in its column's type; None where the manifest has nothing."""
    if not text:
        return None
    return next((read(text) for read, other in _TYPES if kind == other), text)


def _feature(name: str, kind: pa.DataType, classes: Sequence[str]) -> dict[str, Any]:
    """How `datasets` is to understand a column."""
    if name == "image":
        return {"_type": "Image"}
    if name == "label":
        return {"_type": "ClassLabel", "names": list(classes)}
    return {"_type": "Value", "dtype": {pa.int64(): "int64", pa.float64(): "float64"}.get(kind, "string")}


def _to_webdataset(made: bytes, dataset: Dataset) -> bytes:
    """The layout of `webdataset`: files of one name belong together."""
    number = {name: i for i, name in enumerate(dataset.classes)}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for i, one in enumerate(examples(made)):
            told = {"file": one.file, "label": one.label, **one.row}
            files = {"png": one.png, "json": json.dumps(told, ensure_ascii=False).encode()}
            if one.label is not None:
                files["cls"] = str(number[one.label]).encode()
            for suffix, data in files.items():
                entry = tarfile.TarInfo(f"{i:06d}.{suffix}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _to_yolo(made: bytes, dataset: Dataset) -> bytes:
    """The layout of Ultralytics' YOLO for classification."""
    folders = folder_names(dataset.classes)
    files: dict[str, str] = {}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for one in examples(made):
            place = UNLABELLED_FOLDER if one.label is None else f"train/{folders[one.label]}"
            files[one.file] = f"{place}/{PurePosixPath(one.file).name}"
            archive.writestr(zipfile.ZipInfo(files[one.file], EPOCH), one.png)
        for folder, part in SPLITS.items():
            rows = getattr(dataset, part)
            for row, label in zip(rows, dataset.names_of(rows) or [], strict=False):
                if label is not None:
                    place = f"{folder}/{folders[label]}/{row:06d}.png"
                    archive.writestr(zipfile.ZipInfo(place, EPOCH), encode_png(dataset.images[row]))
        archive.writestr(zipfile.ZipInfo(MANIFEST, EPOCH), _with_files(made, files))
    return out.getvalue()


def _with_files(made: bytes, files: Mapping[str, str]) -> str:
    """The manifest of a job's zip, with other paths for its images."""
    told = io.StringIO(newline="")
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        lines = csv.DictReader(io.StringIO(archive.read(MANIFEST).decode(), newline=""))
        writer = csv.DictWriter(told, lines.fieldnames or [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**line, "file": files[line["file"]]} for line in lines)
    return told.getvalue()


def _groups(all_of: Iterator[Example], size: int) -> Iterator[list[Example]]:
    group = list[Example]()
    for one in all_of:
        group.append(one)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


_CONVERTERS: dict[Converted, Callable[[bytes, Dataset], bytes]] = {
    "huggingface": _to_parquet,
    "webdataset": _to_webdataset,
    "yolo": _to_yolo,
}
