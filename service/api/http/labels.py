"""The labels of a batch, given back as they came."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput

MAX_LENGTH = 100


@dataclass(frozen=True)
class Labels:
    """One label per image, or None for an image without one. `1` and `"1"` are the same label.

    Attributes:
        values: the labels, whole numbers, booleans or short texts as the caller sent them; None where an image has
            none.
        dtype: type of the array that they came in; None where they came as JSON or as names of folders.
    """

    values: Sequence[int | str | None]
    dtype: np.dtype[Any] | None = None

    @classmethod
    def from_list(cls, values: object) -> Labels:
        """Read labels from a JSON array, in which null stands for an image without a label.

        Raises:
            InvalidInput: it is not a list of nulls, whole numbers and printable texts of 1 to 100 characters.
        """
        if not isinstance(values, list):
            raise _wrong("labels must be an array with one entry per image")
        for value in values:
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise _wrong("each label must be a whole number or a text, or null for an image without a label")
            text = str(value) if isinstance(value, str) or abs(value) < 2**63 else ""
            # Control characters are not printable, nor are lone surrogates, which no answer could be encoded with.
            if not 1 <= len(text) <= MAX_LENGTH or not text.isprintable():
                raise _wrong(
                    f"each label must have 1 to {MAX_LENGTH} printable characters, or fit in 64 bits, and "
                    f"{ascii(value)[:MAX_LENGTH]} does not"
                )
        return cls(values)

    @classmethod
    def from_array(cls, array: NDArray[np.generic]) -> Labels:
        """Read labels from an array of whole numbers, booleans or Unicode texts, [n] or [n, 1].

        An image without a label has -1 among integers, an empty text among texts, and NaN among floats.

        Raises:
            InvalidInput: the array has another type or shape, or holds floats that are not whole.
        """
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim == 2 and array.dtype.kind in "biuf":
            raise _wrong(
                f"labels have the shape {list(array.shape)}; if each row has its one at the label's place, send "
                "labels.argmax(axis=1)"
            )
        if array.dtype.kind == "S":
            raise _wrong("labels are bytes; send texts, labels.astype(str)")
        if array.ndim != 1 or array.dtype.kind not in "biufU":
            raise _wrong(f"labels are {array.dtype} {list(array.shape)}; send whole numbers or texts, [n]")
        if array.dtype.kind == "b":
            return cls(array.tolist(), array.dtype)
        if array.dtype.kind == "U" and not _is_unicode(array):
            raise _wrong("labels hold text that is not Unicode")
        values = array.tolist()
        if array.dtype.kind == "f":
            values = [_whole(value) for value in values]
        else:
            missing = "" if array.dtype.kind == "U" else UNLABELLED
            values = [None if value == missing else value for value in values]
        return cls(cls.from_list(values).values, array.dtype)

    def check_length(self, n: int) -> None:
        """Refuse labels of which there is not one per image.

        Raises:
            InvalidInput: there are more or fewer labels than `n`.
        """
        if len(self.values) != n:
            raise _wrong(f"{len(self.values)} labels for {n} images; send one per image")

    @property
    def names(self) -> list[str | None]:
        """The labels as texts; None where an image has none."""
        return [None if value is None else str(value) for value in self.values]

    @property
    def classes(self) -> list[str]:
        """The different labels, as texts, sorted."""
        return sorted({name for name in self.names if name is not None})

    def codes(self) -> NDArray[np.int64]:
        """Each label's number in `classes`, int64 [n]; `UNLABELLED` where an image has none."""
        return self.codes_in(self.classes)

    def codes_in(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Each label's number in `classes`, int64 [n]; `UNLABELLED` where an image has none.

        Raises:
            InvalidInput: a label is not among them.
        """
        numbers: dict[str | None, int] = {name: number for number, name in enumerate(classes)}
        numbers[None] = UNLABELLED
        names = self.names
        for name in names:
            if name not in numbers:
                known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
                hint = f"it has {known}" if classes else "it has none; leave the labels out"
                raise _wrong(f"the model's data set has no label {name!r}: {hint}")
        return np.array([numbers[name] for name in names], np.int64)

    def take(self, rows: NDArray[np.int64]) -> Labels:
        """The labels of these rows, in their order."""
        return Labels([self.values[row] for row in rows], self.dtype)

    def named(self, codes: NDArray[np.int64]) -> Labels:
        """Labels of the same kind by their numbers in `classes`; none for `UNLABELLED`."""
        values = {str(value): value for value in self.values if value is not None}
        ordered = [values[name] for name in self.classes]
        return Labels([None if code == UNLABELLED else ordered[code] for code in codes], self.dtype)

    def array(self) -> NDArray[np.generic]:
        """The labels as an array, of the type they came in, with what stands there for an image without one."""
        if self.dtype is None:
            texts = any(isinstance(value, str) for value in self.values)
            missing: object = "" if texts else UNLABELLED
        else:
            missing = {"U": "", "f": np.nan, "b": False}.get(self.dtype.kind, UNLABELLED)
        return np.array([missing if value is None else value for value in self.values], self.dtype)


def _whole(value: float) -> int | None:
    """A label that came as a float; None for NaN."""
    if value != value:
        return None
    if not value.is_integer():  # infinity is not either
        raise _wrong("labels hold numbers with a fraction; send whole numbers, and NaN for an image without a label")
    return int(value)


def _is_unicode(texts: NDArray[np.generic]) -> bool:
    """Whether every character exists; numpy fails badly on one that does not."""
    if texts.dtype.itemsize == 0:
        return True
    points = np.ascontiguousarray(texts).view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))
    return int(points.max(initial=0)) <= sys.maxunicode


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, fields=[("labels", message)])
