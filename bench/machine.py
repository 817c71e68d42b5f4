"""What a figure was measured on, in a line."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from latentaug.settings import available_cores


def describe() -> str:
    """Processor, cores that may be used, system and Python."""
    return (
        f"{_processor()}, {available_cores()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def load() -> float:
    """Processes that ran or wanted to in the last minute: more than the cores, and a time measured is too long."""
    return os.getloadavg()[0]


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
