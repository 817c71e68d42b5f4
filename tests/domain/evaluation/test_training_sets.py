"""What each arm adds to the labelled images."""

import numpy as np
import pytest

from latentaug.augment.neighbours import neighbours
from latentaug.evaluation.design import Parts
from latentaug.evaluation.training_sets import VAE_ARMS, Arm, Draw, Projection, as_floats, control, flat, plan
from latentaug.vae.architectures import VAE


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
@pytest.mark.parametrize("name", ["none", "duplication", "affine", "affine+affine", *VAE_ARMS])
def test_an_arm_is_the_labelled_images_and_then_their_children(
    name: str, space: str, draw: Draw, projection: Projection
) -> None:
    X, y = draw.samples(Arm(space, 8, name, "residual"), projection)
    blocks = 0 if name == "none" else 1 + name.count("+")
    assert X.shape == (90 * (1 + 2 * blocks), 64 if space == "image" else 8)
    assert X.dtype == np.float32
    assert np.array_equal(X[:90], flat(draw.images) if space == "image" else projection.train[:90])
    assert np.array_equal(y, np.concatenate([draw.labels, *[draw.labels.repeat(2)] * blocks]))


@pytest.mark.parametrize("space", ["image", "latent"])
@pytest.mark.parametrize("method", ["noise", "interpolation", "extrapolation", "affine"])
def test_a_combined_arm_is_the_affine_copies_and_then_the_other_samples(
    method: str, space: str, draw: Draw, projection: Projection
) -> None:
    combined, affine, alone = (
        draw.samples(Arm(space, 8, name, "residual"), projection)[0] for name in (f"affine+{method}", "affine", method)
    )
    assert np.array_equal(combined[90:270], affine[90:])
    assert np.array_equal(combined[270:], alone[90:]) == (method != "affine"), "the control's second copies are new"


def test_the_fullest_arm_has_one_block_of_each_of_its_parts(draw: Draw, projection: Projection) -> None:
    names = ("affine+interpolation+extrapolation", "affine", "interpolation", "extrapolation")
    X, *single = (draw.samples(Arm("image", 8, name, "residual"), projection)[0] for name in names)
    assert np.array_equal(X[90:], np.concatenate([part[90:] for part in single]))


def test_a_control_has_as_many_affine_copies_and_no_two_blocks_alike(draw: Draw) -> None:
    name = control("affine+interpolation+extrapolation")
    assert (control("noise"), control("affine+noise"), name) == ("affine", "affine+affine", "affine+affine+affine")
    X, _ = draw.samples(Arm("image", None, name), None)
    blocks = X[90:].reshape(3, 180, -1)
    assert not any((blocks[a] == blocks[b]).all(axis=1).any() for a, b in ((0, 1), (0, 2), (1, 2)))


def test_smote_adds_as_many_of_each_class_between_images_of_that_class(draw: Draw, projection: Projection) -> None:
    X, y = draw.samples(Arm("image", None, "smote"), None)
    assert X.dtype == np.float32
    assert np.array_equal(np.bincount(y[90:]), 2 * np.bincount(draw.labels))
    for sample, label in zip(X[90:], y[90:], strict=True):
        own = X[:90][draw.labels == label]
        ends = [(a, b) for i, a in enumerate(own) for b in own[i + 1 :]]
        detour = min(np.linalg.norm(sample - a) + np.linalg.norm(sample - b) - np.linalg.norm(a - b) for a, b in ends)
        assert detour < 1e-3, "not on the line between two images of its class"
    latents, _ = draw.samples(Arm("latent", 8, "smote"), projection)
    assert np.allclose(latents[90:], projection.codec.encode(X[90:].reshape(-1, 8, 8, 1)), atol=1e-5)
    again = Draw(draw.rows, draw.images, draw.labels, draw.children, draw.alpha, draw.seed)
    assert np.array_equal(again.samples(Arm("image", None, "smote"), None)[0], X)


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


def test_warped_images_lie_between_their_source_and_a_neighbour_or_beyond(draw: Draw, projection: Projection) -> None:
    found = neighbours(projection.train[:90], draw.labels, 2)
    X = flat(draw.images)
    moved = {
        method: draw.samples(Arm("image", 8, method, "warp"), projection)[0][90:].reshape(90, 2, 64)
        for method in ("interpolation", "extrapolation")
    }
    apart = np.linalg.norm(X[:, None] - X[found], axis=2)
    near, far = (np.linalg.norm(children - X[found], axis=2) for children in moved.values())
    assert near.mean() < 0.9 * apart.mean() < apart.mean() < far.mean()


def test_noise_is_not_warped_for_it_has_no_neighbour() -> None:
    arms = plan(("image",), (2,), (), ("noise", "interpolation", "affine+noise"), ("residual", "warp"))
    assert [arm.name for arm in arms if arm.decode == "warp"] == ["interpolation"]


def test_affine_copies_are_the_same_in_both_spaces(draw: Draw, projection: Projection) -> None:
    images, _ = draw.samples(Arm("image", None, "affine"), None)
    latents, _ = draw.samples(Arm("latent", 8, "affine"), projection)
    again = projection.codec.encode(images[90:].reshape(-1, 8, 8, 1))
    assert np.allclose(latents[90:], again, atol=1e-6)


def test_encoding_floats_is_encoding_grey_levels(parts: Parts, projection: Projection) -> None:
    assert np.allclose(projection.codec.encode(as_floats(parts.test_images)), projection.test, atol=1e-5)
