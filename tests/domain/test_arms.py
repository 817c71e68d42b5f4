"""What each arm adds to the labelled images."""

import numpy as np
import pytest

from latentaug.arms import Arm, Draw, Projection, as_floats, flat, plan
from latentaug.generation import neighbours
from latentaug.protocol import Parts
from latentaug.vae import VAE


@pytest.fixture(scope="module")
def projection(parts: Parts, vae: VAE) -> Projection:
    return Projection.of(vae, parts.train_images, parts.test_images, "cpu")


@pytest.fixture(scope="module")
def draw(parts: Parts) -> Draw:
    rows = np.arange(90)
    return Draw(rows, as_floats(parts.train_images[rows]), parts.train_labels[rows], children=2, alpha=0.5, seed=0)


def test_the_plan_has_each_space_start_with_its_baseline() -> None:
    arms = plan(("image", "latent"), (2, 4), ("affine",), ("noise",), ("reconstruction", "residual"))
    assert arms == [
        Arm("image", None, "none"),
        Arm("image", None, "affine"),
        Arm("image", 2, "noise", "reconstruction"),
        Arm("image", 2, "noise", "residual"),
        Arm("image", 4, "noise", "reconstruction"),
        Arm("image", 4, "noise", "residual"),
        Arm("latent", 2, "none"),
        Arm("latent", 2, "affine"),
        Arm("latent", 2, "noise"),
        Arm("latent", 4, "none"),
        Arm("latent", 4, "affine"),
        Arm("latent", 4, "noise"),
    ]
    assert [arm.baseline for arm in arms if arm.name == "noise"] == [Arm("image", None, "none")] * 4 + [
        Arm("latent", 2, "none"),
        Arm("latent", 4, "none"),
    ]


@pytest.mark.parametrize("space", ["image", "latent"])
@pytest.mark.parametrize("name", ["none", "duplication", "affine", "noise", "interpolation", "extrapolation"])
def test_an_arm_is_the_labelled_images_and_then_their_children(
    name: str, space: str, draw: Draw, projection: Projection
) -> None:
    X, y = draw.samples(Arm(space, 8, name, "residual"), projection)
    children = 0 if name == "none" else 2
    assert X.shape == (90 * (1 + children), 64 if space == "image" else 8)
    assert X.dtype == np.float32
    assert np.array_equal(X[:90], flat(draw.images) if space == "image" else projection.train[:90])
    assert np.array_equal(y, np.concatenate([draw.labels, draw.labels.repeat(children)]))


def test_interpolated_samples_lie_halfway_to_neighbours_among_the_labelled(draw: Draw, projection: Projection) -> None:
    X, _ = draw.samples(Arm("latent", 8, "interpolation"), projection)
    found = neighbours(X[:90], draw.labels, 2)
    assert np.allclose(X[90:].reshape(90, 2, 8), (X[:90, None] + X[found]) / 2, atol=1e-5)


def test_a_residual_decode_stays_closer_to_its_source_than_a_reconstruction(draw: Draw, projection: Projection) -> None:
    source = flat(draw.images).repeat(2, axis=0)
    distances = []
    for decode in ("residual", "reconstruction"):
        X, _ = draw.samples(Arm("image", 8, "noise", decode), projection)
        assert 0 <= X.min() <= X.max() <= 1
        distances.append(np.linalg.norm(X[90:] - source, axis=1).mean())
    assert distances[0] < distances[1]


def test_affine_copies_are_the_same_in_both_spaces(draw: Draw, projection: Projection) -> None:
    images, _ = draw.samples(Arm("image", None, "affine"), None)
    latents, _ = draw.samples(Arm("latent", 8, "affine"), projection)
    again = projection.encode(images[90:].reshape(-1, 8, 8, 1))
    assert np.allclose(latents[90:], again, atol=1e-6)


def test_encoding_floats_is_encoding_grey_levels(parts: Parts, projection: Projection) -> None:
    assert np.allclose(projection.encode(as_floats(parts.test_images)), projection.test, atol=1e-5)
