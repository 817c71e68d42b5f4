"""Writes results: JSON for machines and a Markdown page for people, with what they were measured on."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from bench import machine

RESULTS = Path("docs/results")
FAIR = "One compute thread for everybody; contenders take turns; medians."
"""What the pages that compare contenders begin with."""
PACKAGES = ("torch", "numpy", "fastapi", "uvicorn", "aiohttp", "litserve", "pythae")


def named(name: str, device: str) -> str:
    """Return the name of a result that was measured on this device."""
    return name if device == "cpu" else f"{name}-{device}"


def environment(device: str = "cpu") -> dict[str, Any]:
    """Return machine, versions, commit and time. The load tells whether the machine was idle when measuring began."""
    return {
        "machine": machine.describe(),
        "device": "cpu" if device == "cpu" else torch.cuda.get_device_name(),
        "load": round(machine.load(), 2),
        "beside a busy core": round(machine.beside_a_busy_core(), 2),
        "commit": _commit(),
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def command(target: str, arguments: Sequence[str]) -> str:
    """Return the command that measures again what was measured with these arguments."""
    return f'make {target} BENCH="{shlex.join(arguments)}"' if arguments else f"make {target}"


def write(
    folder: Path, name: str, command: str, environment: Mapping[str, Any], data: Any, page: Sequence[str]
) -> None:
    """Write `<name>.json` and `<name>.md` into a folder, and print the page.

    Args:
        folder: where to write; it is made if it is missing.
        name: the name of both files.
        command: the command that measures it again.
        environment: what `environment()` returned before measuring began.
        data: what was measured.
        page: the Markdown lines of the page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = {"command": command, "environment": environment, "results": data}
    (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    versions = ", ".join(f"{package} {number}" for package, number in environment["versions"].items())
    header = [
        f"<!-- written by `{command}`; do not edit -->",
        f"Measured {environment['measured']} by `{command}` on {environment['machine']} "
        f"(device {environment['device']}, load {environment['load']} at the start, a core beside a busy one at "
        f"{environment['beside a busy core']:.0%} of its speed), "
        f"commit {environment['commit']}, {versions}.",
        "The method: [docs/performance.md](../performance.md).",
        "",
    ]
    text = "\n".join([*header, *page]) + "\n"
    (folder / f"{name}.md").write_text(text)
    print(f"\n{text}\nwritten to {folder}/{name}.*")


def _commit() -> str:
    """The commit that was measured, marked where files differ from it."""
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
