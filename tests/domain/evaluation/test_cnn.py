"""The CNN: images of any size, a fixed number of steps, the same answers for the same seed."""

import numpy as np
import pytest
import torch

from latentaug.datasets import digits
from latentaug.errors import InvalidInput
from latentaug.evaluation import cnn
from latentaug.evaluation.classifiers import make, tune
from latentaug.evaluation.cnn import CNN, MOST_SIDE, WIDTHS, network
from latentaug.options import Mixing

DIGITS = digits.load()
X = (DIGITS.images.reshape(-1, 64) / 255).astype(np.float32)
Y = np.asarray(DIGITS.labels)
TRAIN, TEST = DIGITS.train[:300], DIGITS.test
SHAPE = (8, 8, 1)


def learnt(seed: int = 0, steps: int = 5, mixing: Mixing | None = None) -> CNN:
    classifier = CNN(10, seed, SHAPE, steps, mixing)
    classifier.fit(X[TRAIN], Y[TRAIN])
    return classifier


@pytest.mark.parametrize("mixing", [None, "mixup", "cutmix"])
def test_it_learns_the_digits(mixing: Mixing | None) -> None:
    assert (learnt(steps=60, mixing=mixing).predict(X[TEST]) == Y[TEST]).mean() > 0.9


def test_it_sees_where_pixels_are() -> None:
    """A square and a cross of as many pixels, at random places: any place is new to what only compares pixels."""
    rng = np.random.default_rng(0)
    shapes = [np.ones((3, 3), bool), np.zeros((5, 5), bool)]
    shapes[1][2], shapes[1][:, 2] = True, True
    images, labels = np.zeros((400, 16, 16, 1), np.float32), np.arange(400) % 2
    for image, label in zip(images, labels, strict=True):
        row, column = rng.integers(0, 11, 2)
        size = len(shapes[label])
        image[row : row + size, column : column + size, 0] = shapes[label]
    samples = images.reshape(400, -1)
    classifier = make("cnn", 2, 0, steps=60, image_shape=(16, 16, 1))
    classifier.fit(samples[:100], labels[:100])
    neighbour = make("knn", 2, 0, {"k": 1})
    neighbour.fit(samples[:100], labels[:100])
    right, near = ((one.predict(samples[100:]) == labels[100:]).mean() for one in (classifier, neighbour))
    assert right > 0.98 > 0.9 > near


@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 1), (5, 17, 3), (28, 28, 1), (96, 128, 3), (256, 200, 3)])
def test_images_of_any_size_are_small_after_the_first_convolution(shape: tuple[int, int, int]) -> None:
    height, width, channels = shape
    layers, images = network(shape, 4), torch.zeros(2, channels, height, width)
    first = layers[0](images)
    assert first.shape[1] == WIDTHS[0]
    assert max(first.shape[2:]) <= MOST_SIDE
    assert max(first.shape[2:]) > min(MOST_SIDE, *(side - 1 for side in shape[:2])) / 2
    assert layers(images).shape == (2, 4)


def test_colour_images_are_read_as_they_lie() -> None:
    images = np.random.default_rng(0).random((3, 4, 6, 3), np.float32)
    seen = CNN(2, 0, (4, 6, 3))._images(torch.from_numpy(images.reshape(3, -1)))
    assert torch.equal(seen, 4 * torch.from_numpy(images.transpose(0, 3, 1, 2)) - 2)


def test_it_repeats_itself_and_leaves_the_callers_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    for mixing in (None, "mixup", "cutmix"):
        first, second, other = (learnt(seed, mixing=mixing) for seed in (1, 1, 2))
        assert np.array_equal(first.predict(X[TEST]), second.predict(X[TEST]))
        weights = [one._network[-1].weight for one in (first, second, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), before)


def test_mixing_changes_what_is_learnt() -> None:
    weights = [learnt(mixing=mixing)._network[-1].weight for mixing in (None, "mixup", "cutmix")]
    assert not torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2])


def test_an_image_is_classified_by_itself() -> None:
    classifier = learnt()
    together = classifier.predict(X[TEST][:20])
    assert together.dtype == np.int64
    assert np.array_equal(together, np.concatenate([classifier.predict(X[TEST][i : i + 1]) for i in range(20)]))


@pytest.mark.parametrize("shape", [(8, 8, 1), (1, 64, 1)])
def test_a_single_sample_can_be_learnt(shape: tuple[int, int, int]) -> None:
    classifier = CNN(3, 0, shape, steps=3)
    classifier.fit(X[:1], np.array([2]))
    assert classifier.predict(X[:4]).shape == (4,)


def test_steps_follow_the_labelled_images_and_are_200_at_least() -> None:
    assert [cnn.steps(n) for n in (10, 640, 1000, 12_800)] == [200, 200, 313, 4000]


def test_it_has_no_grid_and_wants_images() -> None:
    assert tune("cnn", X[TRAIN], Y[TRAIN], 10, seed=0) is None
    with pytest.raises(InvalidInput, match="classifies images alone"):
        make("cnn", 10, 0)
