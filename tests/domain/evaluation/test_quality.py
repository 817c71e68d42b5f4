"""The quality of new images: what the numbers must be where the answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from latentaug.datasets import UNLABELLED
from latentaug.errors import TooFewImages
from latentaug.evaluation import features
from latentaug.evaluation.design import Parts
from latentaug.evaluation.features import Features, Floats, Rows
from latentaug.evaluation.quality import Real, compare, drawn, held_out, left_out
from latentaug.evaluation.quality_report import FEWEST, NUMBERS, Quality, report
from latentaug.vae.architectures import VAE
from latentaug.vae.codec import Codec

CLASSES, DIM = 4, 6


def some(n: int, seed: int, classes: int = CLASSES) -> Features:
    """Labelled points of a mixture that is the same for every seed."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n)
    centres = 4 * np.random.default_rng(0).standard_normal((classes, DIM))
    return Features((centres[labels] + rng.standard_normal((n, DIM))).astype(np.float32), labels)


def quality_of(real: Features, new: Features, source: Rows | None = None) -> Quality:
    prepared = Real(real)
    return compare(prepared, new, left_out(prepared), source)[0]


def by_definition(real: Floats, new: Floats, k: int = 5) -> tuple[float, float]:
    """Density and coverage as equation by equation in the paper, in float64."""
    gaps = np.linalg.norm(real[:, None].astype(float) - real, axis=2)
    radii = np.sort(gaps, axis=1)[:, k]  # the first is the image itself
    inside = np.linalg.norm(new[:, None].astype(float) - real, axis=2) <= radii  # [m, n]
    return inside.sum() / k / len(new), inside.any(axis=0).mean()


@pytest.mark.parametrize(("reals", "news"), [(50, 20), (6, 30), (300, 300), (40, 1)])
def test_density_and_coverage_are_those_of_the_paper(reals: int, news: int) -> None:
    real, new = some(reals, 1), some(news, 2)

    found = quality_of(real, new)

    assert (found.density, found.coverage) == pytest.approx(by_definition(real.values, new.values), rel=1e-5)


def test_real_images_score_like_real_ones() -> None:
    real, new, unseen = some(3000, 1), some(3000, 2), some(3000, 3)
    prepared = Real(real)

    found, _ = compare(prepared, new, held_out(prepared, unseen))

    assert found.density == pytest.approx(1, abs=0.05)
    assert found.coverage > 0.95
    assert found.coverage == pytest.approx(found.coverage_if_real, abs=0.02)
    assert found.nearer_than_unseen == pytest.approx(0.5, abs=0.02)
    assert found.near_copies < 0.03
    assert found.label_agreement == pytest.approx(found.label_agreement_of_unseen, abs=0.02)
    assert (found.unseen, found.unseen_images) == ("held_out", 3000)
    assert report(found).warning is None


@pytest.mark.parametrize("news", [100, 1000, 4000])
def test_what_so_many_real_images_would_cover_is_told(news: int) -> None:
    found = [quality_of(some(1000, seed), some(news, 100 + seed)) for seed in range(5)]

    assert np.mean([each.coverage for each in found]) == pytest.approx(found[0].coverage_if_real, abs=0.02)


def test_duplicates_are_copies_every_one() -> None:
    real, unseen = some(500, 1), some(500, 2)
    prepared = Real(real)
    rows = np.arange(500).repeat(2)

    for source in (rows, None):
        found, details = compare(prepared, real.take(rows), held_out(prepared, unseen), source)

        assert found.near_copies == 1
        assert found.near_copies_of == ("training" if source is None else "source")
        assert found.nearer_than_unseen == 1
        assert (details.distance == 0).all()
        assert (details.moved == 0).all()
        assert (details.origin == rows).all()
        assert "near-copies" in (report(found).warning or "")


def test_what_is_moved_as_far_as_neighbours_are_is_no_copy() -> None:
    real = some(500, 1)
    prepared = Real(real)
    farther = real.values + np.float32(2 * prepared.copy_distance / np.sqrt(DIM))
    nearer = real.values + np.float32(prepared.copy_distance / 2 / np.sqrt(DIM))
    source = np.arange(500)

    assert quality_of(real, Features(farther), source).near_copies == 0
    assert quality_of(real, Features(nearer), source).near_copies == 1


def test_one_real_image_in_a_hundred_is_as_near_to_another_as_a_copy() -> None:
    prepared = Real(some(2000, 1))

    assert (prepared.spacing <= prepared.copy_distance).mean() == pytest.approx(0.01, abs=0.002)


def test_duplicates_among_the_real_images_do_not_move_what_a_copy_is() -> None:
    real = some(500, 1)
    twice = real.take(np.arange(500).repeat(2))

    assert Real(twice).copy_distance == pytest.approx(Real(real).copy_distance, rel=0.3)
    assert Real(twice).copy_distance > 0


@pytest.mark.parametrize("n", [2, 5, 6, 40])
def test_constant_images_divide_nothing_by_zero(n: int) -> None:
    real, other = np.full((n, DIM), 3, np.float32), np.full((7, DIM), 4, np.float32)
    labels = np.zeros(n, np.int64)

    same = quality_of(Features(real, labels), Features(real[:1], labels[:1]))
    apart = quality_of(Features(real, labels), Features(other))

    assert (same.coverage, same.near_copies, same.label_agreement) == (1, 1, 1)
    assert same.density == pytest.approx(n / (n - 1))
    assert (apart.density, apart.coverage, apart.near_copies, apart.label_agreement) == (0, 0, 0, None)
    assert apart.near_copy_distance == 0
    json.dumps([same.model_dump(), apart.model_dump()], allow_nan=False)


def test_random_labels_agree_at_chance() -> None:
    real, new = some(2000, 1, classes=10), some(2000, 2, classes=10)
    guessed = Features(new.values, np.random.default_rng(0).integers(0, 10, 2000))

    assert quality_of(real, new).label_agreement == pytest.approx(1, abs=0.1)
    assert quality_of(real, guessed).label_agreement == pytest.approx(0.1, abs=0.03)
    assert "check the labels" in (report(quality_of(real, guessed)).warning or "")


def test_a_source_has_no_vote_on_what_is_made_of_it() -> None:
    """With labels dealt out at random, images agree with their source alone."""
    real = some(2000, 1)
    dealt = Features(real.values, np.random.default_rng(0).integers(0, 50, 2000))
    rows = np.arange(2000)

    own = quality_of(dealt, dealt, rows).label_agreement

    assert own == pytest.approx(1 / 50, abs=0.015)
    assert (quality_of(dealt, dealt).label_agreement or 0) > 5 * own


def test_only_labelled_images_vote_and_are_counted() -> None:
    real, new = some(400, 1), some(300, 2)
    hidden = np.arange(400) % 4 != 0
    wrong = np.where(hidden, UNLABELLED, real.labels)
    partly = np.where(np.arange(300) < 100, new.labels, UNLABELLED)

    found = quality_of(Features(real.values, wrong), Features(new.values, partly))

    assert found.label_agreement == pytest.approx(1, abs=0.1)
    assert quality_of(Features(real.values), new).label_agreement is None
    assert quality_of(real, Features(new.values, np.full(300, UNLABELLED))).label_agreement is None
    assert quality_of(real, Features(new.values)).label_agreement is None


def test_blocks_of_any_size_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    real, new = some(300, 1), some(200, 2)
    whole = quality_of(real, new)
    monkeypatch.setattr(features, "_BLOCK", 1000)

    parts = quality_of(real, new)

    for name in NUMBERS:
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-5)


def test_rows_far_from_zero_lose_no_precision() -> None:
    real, new = some(300, 1), some(200, 2)
    near = quality_of(real, new)

    far = quality_of(Features(real.values + 1000, real.labels), Features(new.values + 1000, new.labels))

    for name in ("density", "coverage", "nearer_than_unseen", "near_copies", "label_agreement"):
        assert getattr(far, name) == pytest.approx(getattr(near, name), abs=0.01)


def test_of_more_real_images_than_are_used_some_are_drawn() -> None:
    real, new = some(3000, 1), some(500, 2)

    prepared = Real(real, most=1000)
    found, details = compare(prepared, new, left_out(prepared), np.arange(500))

    assert found.real_images == 1000
    assert set(details.nearest) <= set(prepared.rows)
    assert found.density == pytest.approx(1, abs=0.1)
    assert np.allclose(details.moved, np.linalg.norm(new.values - real.values[:500], axis=1), rtol=1e-5)
    assert (drawn(3000, 1000) == prepared.rows).all()
    assert (drawn(10, 1000) == np.arange(10)).all()


def test_one_real_image_is_too_few() -> None:
    with pytest.raises(TooFewImages, match="add some"):
        Real(some(1, 1))


def test_whoever_is_told_can_end_it() -> None:
    class Enough(Exception):
        pass

    def stop(_: float) -> None:
        raise Enough

    real, told = some(300, 1), list[float]()
    prepared = Real(real, progress=told.append)
    compare(prepared, real, left_out(prepared), progress=told.append)

    assert told[-1] <= 1
    with pytest.raises(Enough):
        Real(real, progress=stop)
    with pytest.raises(Enough):
        compare(prepared, real, left_out(prepared), progress=stop)


def test_unseen_digits_score_near_one_and_shuffled_pixels_near_none(parts: Parts, vae: VAE) -> None:
    codec = Codec(vae, "cpu")
    real = Real(Features(codec.encode(parts.train_images), parts.train_labels))
    images, labels = parts.test_images, parts.test_labels
    pixels = np.random.default_rng(0).permuted(images.reshape(len(images), -1), axis=1)
    mixed = pixels.reshape(images.shape)

    good, _ = compare(real, Features(codec.encode(images), labels), left_out(real))
    bad, _ = compare(real, Features(codec.encode(mixed), labels), left_out(real))

    assert good.density == pytest.approx(1, abs=0.2)
    assert good.coverage / good.coverage_if_real == pytest.approx(1, abs=0.1)
    assert good.nearer_than_unseen == pytest.approx(0.5, abs=0.1)
    assert (good.label_agreement or 0) > 0.9
    assert bad.density < 0.15
    assert bad.coverage < 0.15
    assert bad.nearer_than_unseen < 0.1
    assert bad.label_agreement == pytest.approx(0.1, abs=0.1)
    assert "Do not train" in (report(bad).warning or "")


GOOD = Quality(
    new_images=1000,
    real_images=1000,
    unseen="held_out",
    unseen_images=500,
    density=0.9,
    coverage=0.9,
    coverage_if_real=0.97,
    nearer_than_unseen=0.78,
    near_copies=0.12,
    near_copies_of="source",
    near_copy_distance=0.3,
    label_agreement=0.91,
    label_agreement_of_unseen=0.95,
)


def test_the_numbers_are_said_in_words() -> None:
    assert report(GOOD).sentence == (
        "12 % of the new images are near-copies of their sources; 91 % carry a label that their neighbours share, "
        "and 95 % of real images do. In 78 % of comparisons a new image is nearer to a training image than an unseen "
        "real image is, and 50 % would mean that nothing is copied."
    )
    unlabelled = GOOD.model_copy(update={"label_agreement": None, "near_copies_of": "training", "unseen": "left_out"})
    assert report(unlabelled).sentence.startswith("12 % of the new images are near-copies of training images. In 78 %")
    assert "than another training image is" in report(unlabelled).sentence


def test_copies_with_doubtful_labels_are_not_to_take_a_smaller_alpha_and_a_larger_one() -> None:
    warning = report(GOOD.model_copy(update={"near_copies": 1.0, "label_agreement": 0.4})).warning or ""

    assert warning.startswith("Check the labels")
    assert "smaller alpha" not in warning
    assert "larger alpha" in warning


def test_new_images_that_no_alpha_made_are_not_to_have_another_one() -> None:
    doubtful = report(GOOD.model_copy(update={"label_agreement": 0.4}), by_alpha=False).warning or ""
    copied = report(GOOD.model_copy(update={"near_copies": 1.0}), by_alpha=False).warning or ""

    assert doubtful.startswith("Check the labels: neighbours share 40 % of them")
    assert copied.startswith("Train without these images: nearly all are near-copies")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"density": 0.49}, "Do not train on these images, or look at them first"),
        ({"label_agreement": 0.7}, "neighbours share 70 % of them, and 95 % of those of real images"),
        ({"near_copies": 0.91}, "nearly all are near-copies"),
        ({"near_copies": 0.89}, None),
        ({"density": 0.0, "new_images": FEWEST - 1}, None),
    ],
)
def test_what_speaks_against_training_is_said(changes: dict[str, object], words: str | None) -> None:
    warning = report(GOOD.model_copy(update=changes)).warning

    assert (warning is None) if words is None else (words in (warning or ""))
