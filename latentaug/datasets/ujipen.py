"""UJIPEN, the UJI pen characters (Llorens et al., 2008), drawn at 70x70 and split 50/5/45 as section 4.2 has it.

- `ujipen`: version 2 whole, 97 characters of 60 writers, twice each: what Table 3 was measured on. Read from
  `<data_dir>/ujipen/ujipenchars2.txt` where `LATENTAUG_DATA_DIR` is set, else from what an earlier call downloaded to
  `<home>/downloads/ujipen`, else downloaded from UCI and checked by its SHA-256.
- `ujipen-digits`: the digits of version 2, from `<data_dir>/ujipen/ujipenchars2-digits.txt`, else out of the whole.
- `ujipen-v1`: version 1, 62 characters of 11 writers, from the files `UJIpenchars-w01` to `-w11` in
  `<data_dir>/ujipen/v1` or `<data_dir>/ujipen`.

A character is centred, so its place on the line is lost: `'` and a straight `,` look alike, as do `p` and a small `P`.
The split is by character, so every writer stands in all parts: accuracy is that for known writers.
"""

from __future__ import annotations

import hashlib
import io
import string
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from latentaug.datasets import penfiles
from latentaug.datasets.dataset import Dataset, DatasetDescription
from latentaug.datasets.downloads import fetch, keep
from latentaug.datasets.penfiles import Character
from latentaug.datasets.splitting import split
from latentaug.datasets.strokes import PEN, Pen, draw
from latentaug.errors import MalformedInput, TooLarge, Unavailable

URL = "https://archive.ics.uci.edu/static/public/177/uji+pen+characters+version+2.zip"
SHA256 = "0881b522911b99d9922820289441b50fd3d307f71cd7f9cc70e86872424a5f90"
_TEXT = "ujipenchars2.txt"
_DIGITS = "ujipenchars2-digits.txt"
_WRITERS = tuple(f"UJIpenchars-w{writer:02}" for writer in range(1, 12))
_MAX_DOWNLOAD = 16 * 2**20  # bytes; the archive holds 2 MB
_MAX_TEXT = 32 * 2**20  # bytes; the text of version 2 has 7 MB

_ALPHANUMERIC = string.ascii_letters + string.digits
_VERSION_2 = _ALPHANUMERIC + "áéíóúüñÁÉÍÓÚÜÑ" + ".,;:?!'\"()%-@$<>" + "¿¡ºª€"
VALIDATION_SHARE, TEST_SHARE = 0.05, 0.45


def _description(name: str, source: str, characters: str, count: int) -> DatasetDescription:
    """Describe a version without reading it: each of its characters was written `count` times."""
    test, validation = round(count * TEST_SHARE), round(count * VALIDATION_SHARE)  # of each class
    n = len(characters)
    return DatasetDescription(
        name=name,
        built_in=True,
        source=f"{source}, drawn from pen strokes (CC BY 4.0)",
        images=n * count,
        labelled=n * count,
        height=PEN.side,
        width=PEN.side,
        channels=1,
        classes=sorted(characters),
        class_counts=[count] * n,
        parts={"train": n * (count - validation - test), "validation": n * validation, "test": n * test},
    )


DESCRIPTIONS = {
    description.name: description
    for description in (
        _description("ujipen", "UJI Pen Characters, version 2, doi:10.24432/C5FG8S", _VERSION_2, 120),
        _description("ujipen-v1", "UJI Pen Characters, version 1, Llorens et al., 2008", _ALPHANUMERIC, 22),
        _description("ujipen-digits", "UJI Pen Characters, version 2, digits, doi:10.24432/C5FG8S", string.digits, 120),
    )
}


def load(name: str, folders: Sequence[Path], pen: Pen = PEN) -> Dataset:
    """Load one of `DESCRIPTIONS`, drawn with `pen`, in the order of its files.

    Args:
        name: one of `DESCRIPTIONS`.
        folders: where its files are looked for, in this order; downloads are kept in the last.
        pen: the pen that its strokes are drawn with.

    Raises:
        MalformedInput: a file is not what it claims to be; the message names its line.
        TooLarge: a file is far larger than the original.
        Unavailable: the files are missing and cannot be downloaded now.
    """
    description = DESCRIPTIONS[name]
    characters = _characters(name, folders)
    expected = dict(zip(description.classes, description.class_counts or (), strict=True))
    counts = Counter(character.label for character in characters)
    wrong = sorted(label for label in counts | expected if counts[label] != expected.get(label))
    if wrong:
        raise MalformedInput(
            f"the files of {name!r} hold too many or too few of the characters {' '.join(wrong[:10])}; "
            "take the original files"
        )
    number = {label: i for i, label in enumerate(description.classes)}
    labels = np.array([number[character.label] for character in characters], np.int64)
    train, validation, test = split(len(labels), labels, validation_share=VALIDATION_SHARE, test_share=TEST_SHARE)
    return Dataset(
        name=name,
        images=np.stack([draw(character.strokes, pen) for character in characters]),
        labels=labels,
        classes=tuple(description.classes),
        train=train,
        validation=validation,
        test=test,
        source=description.source,
    )


def _characters(name: str, folders: Sequence[Path]) -> list[Character]:
    if name == "ujipen-v1":
        return _version_1(folders)
    if name == "ujipen-digits":
        path = _found(folders, _DIGITS)
        if path is not None:
            return penfiles.read_version_2(_content(path), _DIGITS)
        return [character for character in _version_2(folders) if character.label in string.digits]
    return _version_2(folders)


def _version_1(folders: Sequence[Path]) -> list[Character]:
    """The eleven writers' characters, writer by writer."""
    characters = []
    for name in _WRITERS:
        path = _found(folders, f"v1/{name}") or _found(folders, name)
        if path is None:
            raise Unavailable(
                f"the file {name} of UJIPEN version 1 is missing; put {_WRITERS[0]} to {_WRITERS[-1]} (UCI data set "
                "160) into a folder 'ujipen/v1' and set LATENTAUG_DATA_DIR to the folder above 'ujipen'"
            )
        characters += penfiles.read_version_1(_content(path), name)
    return characters


def _version_2(folders: Sequence[Path]) -> list[Character]:
    """All characters, in the file's order."""
    path = _found(folders, _TEXT)
    return penfiles.read_version_2(_download(folders) if path is None else _content(path), _TEXT)


def _found(folders: Sequence[Path], file: str) -> Path | None:
    """The path of a file, or None if no folder has it."""
    paths = [folder / "ujipen" / file for folder in folders]
    return next((path for path in paths if path.is_file()), None)


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_TEXT + 1)
    if len(content) > _MAX_TEXT:
        raise TooLarge(f"{path.name} has more than {_MAX_TEXT} bytes; take the original file")
    return content


def _download(folders: Sequence[Path]) -> bytes:
    """Fetch version 2 from UCI and keep its text."""
    archive = fetch(URL, _MAX_DOWNLOAD)
    if archive is None or hashlib.sha256(archive).hexdigest() != SHA256:
        raise Unavailable(
            f"the file {_TEXT} of UJIPEN version 2 is missing, and UCI does not have the right archive now; unpack "
            f"{URL} into a folder 'ujipen' and set LATENTAUG_DATA_DIR to its parent",
            retry_after=60,
        )
    with zipfile.ZipFile(io.BytesIO(archive)) as members, members.open(_TEXT) as member:
        content = member.read(_MAX_TEXT)
    keep(folders[-1] / "ujipen" / _TEXT, content)
    return content
