"""Rows of scikit-learn as images, and new images as rows that mean what the given ones mean."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_DARK = 16
"""Whole numbers up to this, but beyond 1, are no levels of 255: all would be nearly black."""
_ROUNDING = 1e-5
"""How far a value may lie outside 0..1, because a scaler has rounded it."""


def white_of(rows: NDArray[Any]) -> int:
    """The value of white: 255 in whole numbers of which one is above `_DARK`, as image files have them, else 1."""
    return 255 if rows.dtype.kind in "iu" and rows.max(initial=0) > _DARK else 1


def intensities(rows: NDArray[Any], white: int = 1) -> NDArray[np.float32]:
    """Rows as intensities in 0..1, float32.

    Args:
        rows: from 0 for black to `white`.
        white: what `white_of` says of all rows, of which these may be some.

    Raises:
        ValueError: values that are none, and not only because of rounding.
    """
    low, high = float(rows.min()), float(rows.max())
    if low < -_ROUNDING or high > white + _ROUNDING:
        advice = f", for instance X / {high:g}" if low >= 0 and rows.dtype.kind in "iu" else ""
        raise ValueError(f"X has values from {low:g} to {high:g}; scale it to 0..1{advice}")
    return (rows / np.float32(white)).astype(np.float32).clip(0, 1)


def check_order(shape: tuple[int, ...], wanted: tuple[int, int, int]) -> None:
    """Refuse images whose axes come in another order than the model's; one channel may stand anywhere.

    Args:
        shape: of one row of X, which may be flattened.
        wanted: height, width and channels of the model.

    Raises:
        ValueError: they are of other sides, or in another order.
    """
    if len(shape) > 1 and [side for side in shape if side > 1] != [side for side in wanted if side > 1]:
        raise ValueError(
            f"X holds images of the shape {list(shape)}, but the model takes {list(wanted)} (height, width, channels); "
            "if the channels come first, give X.transpose(0, 2, 3, 1)"
        )


def whole_columns(X: Any, dtype: np.dtype[Any]) -> NDArray[np.bool_]:
    """Which columns of X hold whole numbers or truths, so that nothing between has a meaning: bool [features] or [].

    Args:
        X: what the caller gave; a data frame's columns may be of several types.
        dtype: of X as an array.
    """
    kinds = [str(getattr(column, "kind", "O")) for column in getattr(X, "dtypes", ())]
    return np.array([kind in "biu" for kind in kinds]) if kinds else np.array(dtype.kind in "biu")


def as_rows(images: NDArray[np.uint8], like: NDArray[Any], whole: NDArray[np.bool_], white: int = 1) -> NDArray[Any]:
    """New images as rows of the form, type and range of given ones, rounded where these are whole.

    Args:
        images: uint8 [m, ...].
        like: the given rows, [n, ...].
        whole: what `whole_columns` says.
        white: what `white_of` says.
    """
    rows = (images * (white / 255)).reshape(len(images), *like.shape[1:])
    return np.where(whole, np.rint(rows), rows).astype(like.dtype)
