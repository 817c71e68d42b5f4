"""Files of public data sets: downloaded up to a bound, and kept whole."""

from __future__ import annotations

import os
import urllib.request
from http.client import HTTPException
from pathlib import Path
from tempfile import NamedTemporaryFile

_TIMEOUT = 30.0  # seconds without a byte


def fetch(url: str, max_bytes: int) -> bytes | None:
    """Fetch at most `max_bytes` of one of our own URLs, or None if it does not answer. Callers check the SHA-256."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 (our own https constants)
            content: bytes = answer.read(max_bytes)
            return content
    except (OSError, HTTPException):
        return None


def keep(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: under a temporary name, which is then changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    os.replace(file.name, path)
