"""Where the service of a home listens, noted in the home while it runs, so that commands find it at any port."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NAME = "address"


@dataclass(frozen=True)
class Address:
    """Where a service listens.

    Attributes:
        url: its URL.
        passing: whether it runs for one command and ends with that.
    """

    url: str
    passing: bool


def note(home: Path, address: Address) -> None:
    """Note the address of the service that now runs in this home."""
    new = home / f".{NAME}.new"
    new.write_text(f"{address.url}\n{'passing' if address.passing else 'lasting'}\n")
    os.replace(new, home / NAME)


def noted(home: Path) -> Address | None:
    """The address noted last, or None. A service that was killed could not take its note away: ask it."""
    try:
        url, kind = (home / NAME).read_text().splitlines()
    except (OSError, ValueError):
        return None
    return Address(url, kind == "passing")


def forget(home: Path) -> None:
    """Take the note away, as the service ends."""
    (home / NAME).unlink(missing_ok=True)
