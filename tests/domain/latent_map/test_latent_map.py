"""The plane that shows most of the latents."""

from __future__ import annotations

import numpy as np
import pytest

from latentaug.latent_map import umap
from latentaug.latent_map.pca import principal_plane, sample
from worker.latent_map import embed


def test_the_plane_holds_the_widest_directions_first() -> None:
    rng = np.random.default_rng(0)
    latents = (rng.standard_normal((500, 6)) * [0.1, 5, 0.1, 2, 0.1, 0.1] + 3).astype(np.float32)

    plane = principal_plane(latents)

    assert np.abs(plane.components[0]).argmax() == 1
    assert np.abs(plane.components[1]).argmax() == 3
    assert plane.components @ plane.components.T == pytest.approx(np.eye(2))
    assert 1 > plane.explained[0] > plane.explained[1] > 0
    assert plane.project(latents).var(axis=0) / latents.var(axis=0).sum() == pytest.approx(plane.explained, rel=1e-4)


def test_components_point_to_their_largest_entry() -> None:
    latents = np.random.default_rng(1).standard_normal((50, 4)).astype(np.float32)

    for component in principal_plane(latents).components:
        assert component[np.abs(component).argmax()] > 0


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (2, 2)])
def test_few_latents_or_dimensions_have_a_plane_too(shape: tuple[int, int]) -> None:
    latents = np.random.default_rng(2).standard_normal(shape).astype(np.float32)

    plane = principal_plane(latents)

    assert plane.project(latents).shape == (shape[0], 2)
    assert np.isfinite(plane.explained).all()


def test_a_smaller_sample_begins_a_larger_one() -> None:
    assert sample(50, 10).tolist() == sample(50, 30)[:10].tolist()
    assert sorted(sample(50, 100)) == list(range(50))


@pytest.mark.skipif(not umap.INSTALLED, reason="install the extra umap to run this")
def test_umap_keeps_clusters_apart_and_gives_the_same_places_again() -> None:
    rng = np.random.default_rng(0)
    latents = np.concatenate([rng.standard_normal((30, 5)) + 20 * corner for corner in np.eye(5)[:3]], dtype=np.float32)

    places = embed(latents)

    assert (places.shape, places.dtype) == ((90, 2), np.float32)
    centres = places.reshape(3, 30, 2).mean(axis=1)
    nearest = np.linalg.norm(places[:, None] - centres, axis=2).argmin(axis=1)
    assert np.array_equal(nearest, np.repeat([0, 1, 2], 30))
    assert np.array_equal(embed(latents), places)
    assert embed(latents[: umap.FEWEST]).shape == (umap.FEWEST, 2)
