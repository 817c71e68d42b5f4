"""Labels as arrays that need no pickling, and what stands in them for an image without a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNLABELLED = -1
"""Stands for an image without a label among integers."""
_WHOLE, _REAL = (int, np.integer), (int, float, np.integer, np.floating)


def as_array(labels: ArrayLike) -> NDArray[Any]:
    """Labels as numbers or texts, [n].

    What an object array or a list has for an image without a label (None, NaN) becomes -1 among integers, NaN among
    floats and an empty text among texts. Truths become the texts "True" and "False".

    Raises:
        ValueError: they have no axis, or more than one column.
    """
    if isinstance(labels, str | Mapping | Set) or not (hasattr(labels, "__array__") or isinstance(labels, Sequence)):
        raise ValueError(f"labels are a {type(labels).__name__}; give one label for each image, in an array or a list")
    array = np.asarray(labels)
    if array.dtype.kind == "U" and not isinstance(labels, np.ndarray):
        array = np.asarray(labels, object)  # numpy has turned a None or NaN beside texts into a text
    if array.ndim == 2 and array.shape[1] == 1:  # a column of a table
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"labels are of the shape {list(array.shape)}; give one label for each image, [n]")
    if array.dtype.kind == "O":
        array = _without_objects(array)
    return array.astype(str) if array.dtype.kind == "b" else array


def as_list(labels: ArrayLike) -> list[int | float | str | None]:
    """Labels as JSON has them: whole numbers or texts, and None for an image without a label."""
    array = as_array(labels)
    found: list[int | float | str | None] = array.tolist()
    for i, label in enumerate(found):
        if isinstance(label, float) and label.is_integer():
            found[i] = int(label)
    for gap in np.flatnonzero(unlabelled(array)):
        found[gap] = None
    return found


def of_sources(labels: ArrayLike, source: NDArray[np.int64]) -> NDArray[Any]:
    """The labels of new images: those of their sources, as they were given. Gaps have the signs of `as_array`.

    Args:
        labels: what was given for the images, [n].
        source: int64 [m], the image that each new one was made from.
    """
    sent = as_array(labels)
    given: NDArray[Any] = sent if unlabelled(sent).any() else np.asarray(labels).reshape(-1)
    return given[source]


def unlabelled(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Which images have no label, bool [n]: theirs is -1, NaN, None or an empty text."""
    kind = labels.dtype.kind
    if kind == "f":
        return np.asarray(np.isnan(labels), np.bool_)
    if kind == "O":
        return np.array([_is_gap(label) for label in labels], np.bool_)
    return np.asarray(labels == ("" if kind == "U" else UNLABELLED), np.bool_)


def _without_objects(array: NDArray[Any]) -> NDArray[Any]:
    """Labels among which there may be gaps, as integers or floats where all of them are numbers, else as texts."""
    gaps = unlabelled(array)
    known = array[~gaps]
    if any(isinstance(label, bool | np.bool_) or not isinstance(label, _REAL) for label in known):
        return np.where(gaps, "", array).astype(str)
    if all(isinstance(label, _WHOLE) for label in known):
        return np.where(gaps, UNLABELLED, array).astype(np.int64)
    return np.where(gaps, np.nan, array).astype(np.float64)


def _is_gap(label: Any) -> bool:
    if label is None or type(label).__name__ == "NAType":  # of pandas, which need not be installed
        return True
    if isinstance(label, float | np.floating):
        return bool(np.isnan(label))
    return isinstance(label, str | int | np.integer) and not isinstance(label, bool) and label in ("", UNLABELLED)
