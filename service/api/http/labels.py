"""The labels of a batch, given back as they came."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import InvalidInput

MAX_LENGTH = 100


@dataclass(frozen=True)
class Labels:
    """One label per image: whole numbers or short texts; `1` and `"1"` are the same label.

    Attributes:
        values: the labels, as the caller sent them.
        dtype: type of the array that they came in; None where they came as JSON or as names of folders.
    """

    values: list[int | str]
    dtype: np.dtype[Any] | None = None

    @classmethod
    def from_list(cls, values: object) -> Labels:
        """Read labels from a JSON array.

        Raises:
            InvalidInput: it is not a list of whole numbers and printable texts of 1 to 100 characters.
        """
        if not isinstance(values, list):
            raise _wrong("labels must be an array with one entry per image")
        for value in values:
            if isinstance(value, bool) or not isinstance(value, int | str):
                raise _wrong("each label must be a whole number or a text")
            text = str(value) if isinstance(value, str) or abs(value) < 2**63 else ""
            # Control characters are not printable, nor are lone surrogates, which no answer could be encoded with.
            if not 1 <= len(text) <= MAX_LENGTH or not text.isprintable():
                raise _wrong(f"each label must have 1 to {MAX_LENGTH} printable characters, or fit in 64 bits")
        return cls(values)

    @classmethod
    def from_array(cls, array: NDArray[np.generic]) -> Labels:
        """Read labels from an array of integers or Unicode texts, [n].

        Raises:
            InvalidInput: the array has another type or shape.
        """
        if array.ndim != 1 or array.dtype.kind not in "iuU":
            raise _wrong(f"labels are {array.dtype} {list(array.shape)}; send integers or texts, [n]")
        if array.dtype.kind == "U" and not _is_unicode(array):
            raise _wrong("labels hold text that is not Unicode")
        return cls(cls.from_list(array.tolist()).values, array.dtype)

    def check_length(self, n: int) -> None:
        """Refuse labels of which there is not one per image.

        Raises:
            InvalidInput: there are more or fewer labels than `n`.
        """
        if len(self.values) != n:
            raise _wrong(f"{len(self.values)} labels for {n} images; send one per image")

    @property
    def names(self) -> list[str]:
        """The labels as texts."""
        return [str(value) for value in self.values]

    def codes(self) -> NDArray[np.int64]:
        """Each label's number in `classes`, int64 [n]."""
        return np.unique(np.array(self.names), return_inverse=True)[1].astype(np.int64)

    @property
    def classes(self) -> list[str]:
        """The different labels, as texts, sorted."""
        return sorted(set(self.names))

    def codes_in(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Each label's number in `classes`, int64 [n].

        Raises:
            InvalidInput: a label is not among them.
        """
        numbers = {name: number for number, name in enumerate(classes)}
        for name in self.names:
            if name not in numbers:
                known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
                hint = f"it has {known}" if classes else "it has none; leave the labels out"
                raise _wrong(f"the model's data set has no label {name!r}: {hint}")
        return np.array([numbers[name] for name in self.names], np.int64)

    def take(self, rows: NDArray[np.int64]) -> Labels:
        """The labels of these rows, in their order."""
        return Labels([self.values[row] for row in rows], self.dtype)

    def array(self) -> NDArray[np.generic]:
        """The labels as an array, of the type they came in."""
        return np.array(self.values, self.dtype)


def _is_unicode(texts: NDArray[np.generic]) -> bool:
    """Whether every character exists; numpy fails badly on one that does not."""
    if texts.dtype.itemsize == 0:
        return True
    points = np.ascontiguousarray(texts).view(np.dtype(np.uint32).newbyteorder(texts.dtype.byteorder))
    return int(points.max(initial=0)) <= sys.maxunicode


def _wrong(message: str) -> InvalidInput:
    return InvalidInput(message, fields=[("labels", message)])
