"""How much work a request is, told before it is done."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentaug.augment.effort import MOST, effort
from latentaug.augment.neighbours import Reference
from latentaug.options import RenderingOptions

MANY = Reference(np.zeros((60_000, 20), np.float32), np.arange(60_000) % 10)


def of(images: int, dim: int = 20, labels: Any = None, counts: Any = None, **options: Any) -> int:
    asked = RenderingOptions(**options)
    return effort(asked, dim, labels, images, counts, MANY if asked.neighbours == "dataset" else None)


def test_noise_looks_for_no_neighbours() -> None:
    assert of(4096, method="noise") < of(4096, method="interpolation") / 10


def test_with_labels_only_a_class_is_searched() -> None:
    labels = np.arange(4096) % 10

    assert of(4096, neighbours="dataset", labels=labels) == pytest.approx(of(4096, neighbours="dataset") / 10, rel=0.01)
    assert of(4096, labels=labels) == pytest.approx(of(4096) / 10, rel=0.01)


def test_what_a_filter_turns_away_is_made_and_looked_at_again() -> None:
    counts = np.full(100, 3)
    once = of(100, counts=counts, neighbours="dataset", reject_off_manifold=True, retries=0)
    often = of(100, counts=counts, neighbours="dataset", reject_off_manifold=True, retries=100)

    assert often > 20 * once


def test_what_people_ask_for_is_allowed_and_the_worst_is_not() -> None:
    counts = np.full(4096, 3)
    worst: dict[str, Any] = {"neighbours": "dataset", "reject_label": True, "reject_off_manifold": True, "retries": 100}

    assert of(4096, neighbours="dataset", k=64) < MOST
    assert of(1000, counts=np.full(1000, 3), neighbours="dataset", reject_off_manifold=True) < MOST
    assert of(4096, dim=512, counts=counts, **worst) > 100 * MOST
