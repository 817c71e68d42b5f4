"""The images and files that a command did not take, each with the reason, in a table beside what it made."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from latentaug.imaging.phrases import counted
from latentaug.imaging.spreadsheets import cells

SUFFIX = "-not-taken.csv"
NO_IMAGE = "no image, or hidden"
"""Why a file of a folder is passed over."""

Left = Sequence[tuple[str, str]]
"""What was not taken, each by its name, and why."""


def note(left: Left, to: Path) -> str | None:
    """Write down what was not taken, beside a new folder.

    Returns:
        A sentence that says where; None if everything was taken, and nothing is written.
    """
    beside = to.resolve().with_name(to.resolve().name + SUFFIX)
    if not left:
        return None
    with beside.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, ["file", "reason"])
        writer.writeheader()
        writer.writerows(cells({"file": name, "reason": reason}) for name, reason in left)
    return f"{counted(len(left), 'file')} not taken, each with the reason: {beside}"
