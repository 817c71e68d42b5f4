"""Labels spread from a few digits over the others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from latentaug.augment.calibration import calibrate, interval
from latentaug.augment.distortion import distortion, shapes
from latentaug.augment.propagation import FOLDS, believe
from latentaug.augment.similarity import Neighbourhoods, nearest, similarity
from latentaug.augment.spreading import ASKED, Spread, spread, spread_over
from latentaug.datasets import UNLABELLED, digits
from latentaug.errors import InvalidInput, TooLarge
from latentaug.vae.architectures import VAE
from latentaug.vae.codec import Codec

DIGITS = digits.load()
IMAGES = DIGITS.images[DIGITS.train]
TRUTH = np.asarray(DIGITS.labels)[DIGITS.train]
Rows = NDArray[np.int64]


def drawn(seed: int, per_class: int, truth: Rows = TRUTH) -> Rows:
    """Labels of so many images of each class, drawn at random; the others have none."""
    rng = np.random.default_rng(seed)
    labels = np.full(len(truth), UNLABELLED)
    for label in np.unique(truth):
        rows = rng.choice(np.flatnonzero(truth == label), per_class, replace=False)
        labels[rows] = label
    return labels


def right(labels: Rows, spread_labels: Rows, truth: Rows = TRUTH) -> float:
    """The share of right ones among the labels that were spread."""
    new = (labels == UNLABELLED) & (spread_labels != UNLABELLED)
    return float((spread_labels == truth)[new].mean())


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small pieces of work on a busy machine are done sooner by one thread than by several that wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def neighbourhoods() -> Neighbourhoods:
    return Neighbourhoods(IMAGES)


@pytest.fixture(scope="module")
def spreads(neighbourhoods: Neighbourhoods) -> list[tuple[Rows, Spread]]:
    """Twenty draws of 30 labelled digits, and what is made of each."""
    draws = [drawn(seed, 3) for seed in range(20)]
    return [(labels, spread_over(neighbourhoods, labels, 10)) for labels in draws]


def test_thirty_labels_name_nearly_all_digits(spreads: list[tuple[Rows, Spread]]) -> None:
    shares = [right(labels, made.labels) for labels, made in spreads]

    assert np.mean(shares) > 0.98
    assert min(shares) > 0.95
    assert np.mean([(made.labels != UNLABELLED).mean() for _, made in spreads]) > 0.98


def test_the_expected_share_is_honest(spreads: list[tuple[Rows, Spread]]) -> None:
    within = [made.expected.low <= right(labels, made.labels) <= made.expected.high for labels, made in spreads]

    assert sum(within) >= 18
    assert all(made.expected.low <= made.expected.mean <= made.expected.high for _, made in spreads)
    assert np.mean([made.expected.high - made.expected.low for _, made in spreads]) < 0.35


def test_the_interval_narrows_as_labels_grow(neighbourhoods: Neighbourhoods) -> None:
    many = [drawn(seed, 20) for seed in range(5)]
    made = [spread_over(neighbourhoods, labels, 10) for labels in many]

    within = [
        e.expected.low <= right(labels, e.labels) <= e.expected.high for labels, e in zip(many, made, strict=True)
    ]
    assert sum(within) >= 4
    assert all(each.expected.high - each.expected.low < 0.08 for each in made)


def test_confidence_is_the_share_of_right_ones(spreads: list[tuple[Rows, Spread]]) -> None:
    new = [(made.labels != UNLABELLED) & (labels == UNLABELLED) for labels, made in spreads]
    confidence = np.concatenate([made.confidence[each] for each, (_, made) in zip(new, spreads, strict=True)])
    correct = np.concatenate([(made.labels == TRUTH)[each] for each, (_, made) in zip(new, spreads, strict=True)])

    surest = confidence > np.median(confidence)
    assert correct[surest].mean() > correct[~surest].mean()
    assert abs(correct[surest].mean() - confidence[surest].mean()) < 0.02
    assert abs(correct.mean() - confidence.mean()) < 0.06


def test_labels_that_were_given_stay(spreads: list[tuple[Rows, Spread]]) -> None:
    labels, made = spreads[0]
    given = labels != UNLABELLED

    assert (made.labels[given] == labels[given]).all()
    assert (made.confidence[given] == 1).all()
    assert made.kept[given].all()
    assert (made.nearest[given] == np.flatnonzero(given)).all()


def test_each_label_comes_from_a_labelled_image_of_that_label(spreads: list[tuple[Rows, Spread]]) -> None:
    labels, made = spreads[0]
    named = made.labels != UNLABELLED

    assert (labels[made.nearest] != UNLABELLED).all()
    assert (labels[made.nearest[named]] == made.labels[named]).all()


def test_images_that_are_not_sure_are_not_kept(spreads: list[tuple[Rows, Spread]]) -> None:
    for labels, made in spreads:
        new = labels == UNLABELLED
        assert (made.kept[new] == (made.confidence[new] > 0.5)).all()


def test_keep_takes_the_surest(neighbourhoods: Neighbourhoods) -> None:
    labels = drawn(0, 3)
    half = spread_over(neighbourhoods, labels, 10, keep=0.5)
    new = (labels == UNLABELLED) & (half.labels != UNLABELLED)

    assert half.kept[new].sum() == round(0.5 * new.sum())
    assert half.confidence[new & half.kept].min() >= half.confidence[new & ~half.kept].max()
    assert not spread_over(neighbourhoods, labels, 10, keep=0.0).kept[labels == UNLABELLED].any()
    everything = spread_over(neighbourhoods, labels, 10, keep=1.0)
    assert everything.kept[new].all()


def test_keep_per_class_leaves_no_class_out(neighbourhoods: Neighbourhoods) -> None:
    labels = drawn(0, 3)
    made = spread_over(neighbourhoods, labels, 10, keep=0.1, per_class=True)

    for label in range(10):
        of_class = (labels == UNLABELLED) & (made.labels == label)
        assert made.kept[of_class].sum() == round(0.1 * of_class.sum())


def foreign(kind: str) -> NDArray[np.uint8]:
    """A hundred pictures that are no digits, of the digits' size."""
    rng = np.random.default_rng(1)
    if kind == "noise":
        return rng.integers(0, 256, (100, 8, 8, 1), np.uint8)
    if kind == "negatives":
        return 255 - IMAGES[:100]
    if kind == "black":
        return np.zeros((100, 8, 8, 1), np.uint8)
    photo = load_sample_images().images[0].mean(axis=2).astype(np.uint8)
    corners = rng.integers(0, 200, (100, 2))
    return np.stack([photo[y : y + 160 : 20, x : x + 160 : 20, None] for y, x in corners])


@pytest.mark.parametrize("kind", ["noise", "negatives", "black", "photos"])
def test_pictures_of_another_kind_stay_without_a_label(kind: str) -> None:
    labels = np.append(drawn(0, 3), np.full(100, UNLABELLED))

    made = spread(np.concatenate([IMAGES, foreign(kind)]), labels, 10)

    assert (made.labels[-100:] == UNLABELLED).mean() > 0.95
    assert not made.kept[-100:].any()
    assert (made.confidence[made.labels == UNLABELLED] == 0).all()
    assert (made.labels[:-100] != UNLABELLED).mean() > 0.97
    assert right(labels[:-100], made.labels[:-100]) > 0.95


def test_what_is_asked_for_tells_more_than_chance(neighbourhoods: Neighbourhoods) -> None:
    asked, random = [], []
    for seed in range(5):
        labels = drawn(seed, 3)
        made = spread_over(neighbourhoods, labels, 10)
        assert 0.8 * ASKED < len(made.ask_next) <= ASKED
        assert (labels[made.ask_next] == UNLABELLED).all()
        chance = np.random.default_rng(seed).choice(
            np.flatnonzero(labels == UNLABELLED), len(made.ask_next), replace=False
        )
        for rows, shares in ((made.ask_next, asked), (chance, random)):
            answered = labels.copy()
            answered[rows] = TRUTH[rows]
            shares.append(right(answered, spread_over(neighbourhoods, answered, 10).labels))

    assert np.mean(asked) > np.mean(random)


def test_the_space_that_names_more_labelled_images_is_taken() -> None:
    labels = drawn(0, 10)
    noise = np.random.default_rng(0).standard_normal((len(IMAGES), 8), np.float32)
    told = np.eye(10, dtype=np.float32)[TRUTH]

    assert spread(IMAGES, labels, 10, latents=noise).space == "pixels"
    assert spread(IMAGES, labels, 10, latents=told).space == "latent"
    assert spread(IMAGES, labels, 10, latents=told, space="pixels").space == "pixels"


def test_latents_of_a_vae_serve(vae: VAE) -> None:
    labels = drawn(0, 10)

    made = spread(IMAGES, labels, 10, latents=Codec(vae, "cpu").encode(IMAGES), space="latent")

    assert made.space == "latent"
    assert right(labels, made.labels) > 0.95


def test_the_same_input_gives_the_same_labels() -> None:
    labels = drawn(0, 3)
    first, second = spread(IMAGES[:300], labels[:300], 10), spread(IMAGES[:300], labels[:300], 10)

    for name in ("labels", "confidence", "kept", "nearest", "ask_next"):
        assert (getattr(first, name) == getattr(second, name)).all()
    assert first.expected == second.expected


def test_progress_only_grows() -> None:
    told: list[tuple[float, str]] = []

    spread(
        IMAGES[:300], drawn(0, 3)[:300], 10, latents=np.eye(300, dtype=np.float32), progress=lambda *at: told.append(at)
    )

    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] <= fractions[-1] <= 1
    assert {"looking for neighbours", "comparing shapes", "choosing images"} <= {stage for _, stage in told}


def test_one_label_of_each_class_is_enough() -> None:
    labels = drawn(3, 1)

    made = spread(IMAGES, labels, 10)

    assert (made.expected.low, made.expected.high) == (0, 1)  # nothing can be left out
    assert right(labels, made.labels) > 0.85


def test_two_images_are_enough() -> None:
    made = spread(IMAGES[:2], np.array([0, UNLABELLED]), 1)

    assert made.labels[0] == 0
    assert made.nearest.tolist() == [0, 0]


def test_classes_of_unequal_sizes_are_told_apart() -> None:
    """Five classes of a dozen images, five of a hundred, labels drawn at random."""
    rng = np.random.default_rng(5)
    sizes = [12] * 5 + [100] * 5
    of_class = [np.flatnonzero(np.equal(TRUTH, label)) for label in range(10)]
    rows = np.concatenate([rng.choice(own, size, replace=False) for own, size in zip(of_class, sizes, strict=True)])
    truth, neighbourhoods = TRUTH[rows], Neighbourhoods(IMAGES[rows])
    shares = []
    for seed in range(5):
        labels = drawn(seed, 1, truth)
        more = np.random.default_rng(seed).choice(len(rows), 60, replace=False)
        labels[more] = truth[more]
        shares.append(right(labels, spread_over(neighbourhoods, labels, 10).labels, truth))

    assert np.mean(shares) > 0.9


def test_colours_tell_images_apart() -> None:
    """Two classes of the same shapes, one red and one green."""
    grey = IMAGES[:200]
    truth = np.arange(200) % 2
    images = np.zeros((200, 8, 8, 3), np.uint8)
    images[np.arange(200), :, :, truth] = grey[..., 0]
    labels = np.where(np.arange(200) < 20, truth, UNLABELLED)

    assert right(labels, spread(images, labels, 2).labels, truth) > 0.95


@pytest.mark.parametrize(
    ("labels", "words"), [([-1] * 40, "no image has a label"), ([0, 1] * 20, "every image has a label")]
)
def test_labels_that_cannot_be_spread_are_refused(labels: list[int], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        spread(IMAGES[:40], np.array(labels), 2)


def test_latent_space_needs_latents() -> None:
    with pytest.raises(InvalidInput, match="no latents"):
        spread(IMAGES[:40], np.array([0, -1] * 20), 1, space="latent")


def test_labels_left_out_by_folds_tell_what_those_left_out_one_by_one_tell(
    neighbourhoods: Neighbourhoods, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, s = drawn(0, 20), similarity(neighbourhoods.close("pixels", 16))
    near = np.ones(len(labels), np.bool_)
    one_by_one = believe(s, labels, 10, near, seed=0)

    monkeypatch.setattr("latentaug.augment.propagation.SINGLE", 0)
    by_folds = believe(s, labels, 10, near, seed=0)

    assert FOLDS == 10
    assert np.allclose(by_folds.shares, one_by_one.shares, atol=1e-5)
    assert abs(by_folds.right.mean() - one_by_one.right.mean()) < 0.03


def test_neighbours_are_the_nearest() -> None:
    points = np.random.default_rng(0).standard_normal((50, 3), np.float32)
    squared = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(squared, np.inf)

    found = nearest(points, 5)

    assert (found.rows == squared.argsort(axis=1)[:, :5]).all()
    assert np.allclose(found.distances, np.sort(squared, axis=1)[:, :5], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("n", "k"), [(129, 2), (1000, 7), (1000, 20), (4099, 20)])
def test_neighbours_are_the_nearest_of_many(n: int, k: int) -> None:
    points = np.random.default_rng(n).integers(0, 9, (n, 12)).astype(np.float32)  # some alike, and distances are exact
    points -= 4
    squared = np.square(points[:, None] - points[None]).sum(axis=2)
    np.fill_diagonal(squared, np.inf)

    found = nearest(points, k)

    assert np.allclose(found.distances, np.sort(squared, axis=1)[:, :k], rtol=1e-4, atol=1e-3)
    assert np.allclose(found.distances, np.take_along_axis(squared, found.rows, 1), rtol=1e-4, atol=1e-3)
    assert all(len(set(rows)) == k for rows in found.rows.tolist())


def test_distortion_is_the_least_difference_of_patches_nearby() -> None:
    a, b = np.split(np.random.default_rng(0).random((6, 2, 5, 6), np.float32), [2])  # two others for each of two
    x, y = (np.pad(each, ((0, 0), (0, 0), (2, 2), (2, 2))) for each in (a.repeat(2, axis=0), b))
    expected = np.zeros(4)
    for row in range(5):
        for column in range(6):
            patch = x[:, :, row + 1 : row + 4, column + 1 : column + 4]
            unlike = [
                np.square(patch - y[:, :, row + i : row + i + 3, column + j : column + j + 3]).sum(axis=(1, 2, 3))
                for i in range(3)
                for j in range(3)
            ]
            expected += np.min(unlike, axis=0)

    assert np.allclose(distortion(torch.tensor(a), torch.tensor(b)).numpy(), expected, rtol=1e-5)


def test_a_shifted_image_is_nearer_than_another() -> None:
    image = np.zeros((1, 28, 28, 1), np.uint8)
    image[0, 8:20, 12:15] = 255
    shifted, other = np.roll(image, 1, axis=2), np.ascontiguousarray(image.transpose(0, 2, 1, 3))
    a, b, c = (shapes(each, 28).float() for each in (image, shifted, other))

    assert distortion(a, a).item() == 0
    assert distortion(a, b).item() < 1e-3
    assert distortion(a, c).item() > 100 * distortion(a, b).item() + 1


def test_shapes_are_compared_at_one_size() -> None:
    assert shapes(np.zeros((2, 8, 8, 1), np.uint8), 16).shape == (2, 2, 16, 16)
    assert shapes(np.zeros((2, 64, 48, 3), np.uint8), 28).shape == (2, 2, 28, 21)  # all grey
    coloured = np.zeros((2, 28, 28, 3), np.uint8)
    coloured[..., 0] = 9
    assert shapes(coloured, 28).shape == (2, 6, 28, 28)
    assert shapes(np.zeros((2, 1, 200, 1), np.uint8), 28).shape == (2, 2, 1, 28)


def test_confidence_never_falls_as_the_share_grows() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        share = rng.random(12, np.float32)
        confidence = calibrate(share, rng.random(12) < 0.5)(np.linspace(0, 1, 50, dtype=np.float32))
        assert (np.diff(confidence) >= 0).all()


@pytest.mark.parametrize(("count", "n"), [(0, 0), (0, 10), (10, 10), (7, 10)])
def test_an_interval_holds_what_was_counted(count: int, n: int) -> None:
    low, high = interval(count, n)

    assert 0 <= low <= (count / n if n else 0.5) <= high <= 1
    assert (low, high) != (1, 1)


def test_the_largest_request_takes_seconds() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4096, 28, 28, 1), np.uint8)
    labels = np.where(np.arange(4096) < 500, np.arange(4096) % 10, UNLABELLED)
    began = time.thread_time()

    spread(images, labels, 10, latents=images.reshape(4096, -1)[:, :20].astype(np.float32))

    assert time.thread_time() - began < 15


def test_too_many_images_and_classes_are_refused() -> None:
    labels = np.arange(70_000)
    labels[50_000:] = UNLABELLED

    with pytest.raises(TooLarge, match="50000 classes"):
        spread(np.zeros((70_000, 1, 1, 1), np.uint8), labels, 50_000)
