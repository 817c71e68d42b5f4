"""Image files that are in memory, as a zip of class folders."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client.labels import as_array, unlabelled


def zipped_batch(files: Sequence[bytes], labels: ArrayLike | None) -> bytes:
    """Image files as a zip of class folders, in their order."""
    folders = [""] * len(files) if labels is None else _folders(as_array(labels))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # images are compressed already
        for i, (folder, file) in enumerate(zip(folders, files, strict=True)):
            archive.writestr(f"{folder}{i:07d}.png", file)
    return out.getvalue()


def _folders(labels: NDArray[Any]) -> list[str]:
    """The folder of each image: its label where that can name a folder, else the label's number."""
    gaps = unlabelled(labels)
    if gaps.all():
        return [""] * len(labels)
    names, codes = np.unique(labels[~gaps].astype(str), return_inverse=True)
    plain = [name if re.fullmatch(r"\w[\w -]*", name) else f"label {code}" for code, name in enumerate(names)]
    folders = np.full(len(labels), "unlabelled/", object)
    folders[~gaps] = [f"{plain[code]}/" for code in codes]
    return list(folders)
