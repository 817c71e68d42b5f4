"""Pieces of the sentences that tell people what was read and made."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """A number of things, such as "1 image", "2,000 images" or "3 classes"."""
    return f"{count:,} {noun if count == 1 else noun + ('es' if noun.endswith('s') else 's')}"


def percent(share: float) -> str:
    """A share of 0..1, such as "60 %"."""
    return f"{100 * share:.0f} %"
