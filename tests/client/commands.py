"""Runs the command line as a person does, in a process of its own."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.client.conftest import DIGITS

LATENTAUG = [sys.executable, "-m", "service.cli"]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
    command = [*LATENTAUG, *map(str, arguments)]
    return subprocess.run(
        command, env={**kept, "COLUMNS": "200", **environment}, capture_output=True, text=True, timeout=200, check=False
    )


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def not_taken(folder: Path) -> dict[str, str]:
    """The files that were not taken for a folder of new images, each with the reason."""
    with folder.with_name(f"{folder.name}-not-taken.csv").open(newline="") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def write_digits(folder: Path, numbers: range, classes: list[str]) -> Path:
    """Digits as PNG files, in class folders by what they show."""
    assert DIGITS.labels is not None
    for i in numbers:
        path = folder / classes[DIGITS.labels[i] % len(classes)] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.images[i, ..., 0]).save(path)
    return folder
