"""Image files that are in memory, as a zip of class folders."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client.labels import as_array, unlabelled

_FOLDER = re.compile(r"(?!(train|val|test|valid|im(a?ge?s?)$|unlabell?ed))\w[\w -]*", re.IGNORECASE)
"""Names of folders that can mean nothing but a label."""


def zipped_batch(files: Sequence[bytes], labels: ArrayLike | None) -> bytes:
    """Image files as a zip of class folders, in their order.

    Raises:
        ValueError: a label cannot be a folder's name, or could be read as something else.
    """
    texts = np.full(len(files), "") if labels is None else _texts(as_array(labels))
    for text in np.unique(texts):
        if text and not _FOLDER.fullmatch(text):
            raise ValueError(f"the label {text!r} cannot name a folder of images; give another, or give arrays")
    gap = "unlabelled/" if texts.any() else ""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # images are compressed already
        for i, (text, file) in enumerate(zip(texts, files, strict=True)):
            archive.writestr(f"{f'{text}/' if text else gap}{i:07d}.png", file)
    return out.getvalue()


def folder_labels(labels: ArrayLike) -> NDArray[np.str_]:
    """Labels that can name folders: the same, or "label" and a number for one that cannot; an empty text for none."""
    texts = _texts(as_array(labels))
    names, codes = np.unique(texts, return_inverse=True)
    plain = [text if not text or _FOLDER.fullmatch(text) else f"label {code}" for code, text in enumerate(names)]
    return np.array(plain)[codes]


def _texts(labels: NDArray[np.generic]) -> NDArray[np.str_]:
    """Labels as texts, an empty one for none."""
    texts: NDArray[np.str_] = np.where(unlabelled(labels), "", labels.astype(str))
    return texts
