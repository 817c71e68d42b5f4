"""Neighbours that are looked for in cells: nearly all of them right, and none wrong about its distance."""

import numpy as np
import pytest

from latentaug.augment import cells, similarity
from latentaug.augment.cells import nearest_in_cells
from latentaug.augment.similarity import Neighbourhoods, nearest
from latentaug.augment.spreading import spread
from latentaug.datasets import UNLABELLED, digits
from latentaug.datasets.selection import Selection

DIGITS = digits.load()


def test_nearly_all_are_found_and_distances_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "POINTS_OF_A_CELL", 32)
    monkeypatch.setattr(cells, "AROUND", 16)
    points = np.random.default_rng(0).normal(size=(4000, 4)).astype(np.float32)
    exact, told = nearest(points, 10), list[float]()
    rows, distances = nearest_in_cells(points, 10, told.append)
    shared = (
        np.mean([len(set(some) & set(others)) for some, others in zip(rows.tolist(), exact.rows, strict=True)]) / 10
    )
    assert shared > 0.95
    assert (rows != np.arange(len(rows))[:, None]).all()
    assert (np.diff(distances, axis=1) >= 0).all()
    np.testing.assert_allclose(distances, ((points[:, None] - points[rows]) ** 2).sum(axis=2), rtol=1e-3, atol=1e-4)
    assert told[-1] == 1
    again, _ = nearest_in_cells(points, 10)
    np.testing.assert_array_equal(again, rows)


def test_points_that_are_all_alike_have_neighbours_too() -> None:
    rows, distances = nearest_in_cells(np.ones((3000, 2), np.float32), 5)
    assert (rows != np.arange(3000)[:, None]).all()
    assert (distances == 0).all()


def test_labels_of_very_many_images_are_spread_over_latents_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    images, truth = DIGITS.images[:600], np.asarray(DIGITS.labels)[:600]
    labels = np.where(np.arange(600) < 150, truth, UNLABELLED)
    flat = images.reshape(600, -1).astype(np.float32)
    latents = (flat - flat.mean(axis=0)) @ np.linalg.svd(flat - flat.mean(axis=0), full_matrices=False)[2][:10].T
    few = spread(images, labels, 10, latents=latents, space="latent")
    monkeypatch.setattr(similarity, "EXACT", 100)
    assert Neighbourhoods(images, latents).spaces == ("latent",)
    many = spread(Selection(images, np.arange(600)), labels, 10, latents=latents)
    assert many.space == "latent"
    new = labels == UNLABELLED
    assert (many.labels == truth)[new].mean() == pytest.approx((few.labels == truth)[new].mean(), abs=0.03)
