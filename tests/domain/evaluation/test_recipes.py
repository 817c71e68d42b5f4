"""The training set that a recipe makes."""

from __future__ import annotations

import numpy as np
import pytest

from latentaug.augment import classical
from latentaug.augment.classical import affine
from latentaug.augment.spreading import Expected, Spread
from latentaug.datasets.dataset import UNLABELLED
from latentaug.errors import InvalidInput, TooFewImages
from latentaug.evaluation import recipes
from latentaug.evaluation.candidates import candidates
from latentaug.evaluation.recipes import KINDS, LABELLED, NEW, REAL, Given, make, size
from latentaug.options import Part, Recipe, Spreading
from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.codec import Codec

LABELS = np.array([0, UNLABELLED, 1, UNLABELLED, 0, UNLABELLED, 1, UNLABELLED])
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 8, 8, 1), np.uint8)
TWICE = [Part(source="affine", copies=2)]


@pytest.fixture
def given() -> Given:
    return Given.of(IMAGES, LABELS, 2)


@pytest.fixture
def with_vae() -> Given:
    return Given.of(IMAGES, LABELS, 2, Codec(VAE(Architecture(8, 8, 1, 4, 16)).eval(), "cpu"))


def spread_over(labels: list[int], kept: list[bool] | None = None) -> Spread:
    """Labels for all images, of which some are kept."""
    given = LABELS != UNLABELLED
    return Spread(
        labels=np.array(labels),
        confidence=np.where(given, 1, 0.75).astype(np.float32),
        kept=np.array(kept or [True] * len(labels)),
        nearest=np.zeros(len(labels), np.int64),
        space="pixels",
        expected=Expected(0.9, 0.8, 1.0, [0.9, 0.9]),
        ask_next=np.empty(0, np.int64),
    )


def test_without_anything_more_it_is_the_labelled_images(given: Given) -> None:
    made = make(given, Recipe(), None)
    assert np.array_equal(made.images, IMAGES[[0, 2, 4, 6]])
    assert made.labels.tolist() == [0, 1, 0, 1]
    assert made.source.tolist() == [0, 2, 4, 6]
    assert (made.count(REAL), made.count(LABELLED), made.count(NEW)) == (4, 0, 0)


def test_newly_labelled_images_follow_with_their_labels_and_confidence(given: Given) -> None:
    made = make(given, Recipe(spread=Spreading()), spread_over([0, 1, 1, 0, 0, UNLABELLED, 1, 1]))
    assert made.source.tolist() == [0, 2, 4, 6, 1, 3, 7]
    assert made.labels.tolist() == [0, 1, 0, 1, 1, 0, 1]
    assert made.confidence.tolist() == [1, 1, 1, 1, 0.75, 0.75, 0.75]
    assert [KINDS[kind] for kind in made.kind] == [REAL] * 4 + [LABELLED] * 3


def test_only_those_that_are_kept_and_as_many_as_wanted_are_taken(given: Given) -> None:
    spread = spread_over([0, 1, 1, 0, 0, 1, 1, 1], [True, True, True, False, True, True, True, True])
    recipe = Recipe(spread=Spreading(images=2))
    made = make(given, recipe, spread)
    newly = made.source[made.kind == KINDS.index(LABELLED)]
    assert len(newly) == 2
    assert set(newly) < {1, 5, 7}
    others = {tuple(make(given, recipe.model_copy(update={"seed": seed}), spread).source) for seed in range(20)}
    assert len(others) == 3, "chance chooses"


def test_new_images_are_made_of_all_of_them(given: Given) -> None:
    made = make(given, Recipe(spread=Spreading(), parts=TWICE), spread_over([0, 1, 1, 0, 0, 1, 1, 0]))
    new = made.kind == KINDS.index(NEW)
    assert made.source[new].tolist() == [row for row in made.source[~new] for _ in range(2)]
    assert made.labels[new].tolist() == [label for label in made.labels[~new] for _ in range(2)]
    assert made.confidence[new].tolist() == [sure for sure in made.confidence[~new] for _ in range(2)]
    assert set(made.part[new]) == {0}
    expected = affine(made.images[~new].astype(np.float32) / np.float32(255), 2, seed=0)
    assert np.array_equal(made.images[new], np.rint(255 * expected).astype(np.uint8))


def test_parts_follow_one_another(with_vae: Given) -> None:
    parts = [Part(source="affine"), Part(source="elastic"), Part(source="interpolation", copies=3)]
    made = make(with_vae, Recipe(model="mine", parts=parts), None)
    assert made.part.tolist() == [-1] * 4 + [0] * 4 + [1] * 4 + [2] * 12
    assert len(made.images) == size(with_vae, Recipe(model="mine", parts=parts)) == 24


@pytest.mark.parametrize("method", ["interpolation", "extrapolation"])
def test_a_vaes_neighbours_have_the_same_label(with_vae: Given, method: str) -> None:
    part = Part.model_validate({"source": method, "copies": 5})
    made = make(with_vae, Recipe(model="mine", parts=[part]), None)
    new = made.kind == KINDS.index(NEW)
    assert (LABELS[made.neighbour[new]] == made.labels[new]).all()
    assert (made.neighbour[new] != made.source[new]).all()


@pytest.mark.parametrize("copies", [1, 2, 25])
def test_warps_go_towards_images_of_the_same_label(given: Given, copies: int) -> None:
    recipe = Recipe(spread=Spreading(), parts=[Part(source="warp", copies=copies)])
    made = make(given, recipe, spread_over([0, 1, 1, 0, 0, 1, 1, 1]))
    new = made.kind == KINDS.index(NEW)
    label = dict(zip(made.source[~new], made.labels[~new], strict=True))
    assert made.count(NEW) == 8 * copies
    assert [label[row] for row in made.neighbour[new]] == made.labels[new].tolist()
    assert (made.neighbour[new] != made.source[new]).all()
    if copies > 1:
        assert len({tuple(image.ravel()) for image in made.images[new]}) == 8 * copies, "each goes another share"


def test_warps_are_the_same_in_chunks_of_any_size(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe(parts=[Part(source="warp", copies=2)])
    monkeypatch.setattr(classical, "affine", lambda images, copies, seed: images)
    whole = make(given, recipe, None).images
    monkeypatch.setattr(recipes, "BATCH", 2)
    assert np.abs(make(given, recipe, None).images.astype(int) - whole).max() <= 1


def test_a_class_of_one_image_has_no_neighbours(with_vae: Given) -> None:
    alone = with_vae.with_labels(np.array([0, -1, 1, -1, 0, -1, -1, -1]))
    with pytest.raises(TooFewImages, match="at least 2 images of each class"):
        make(alone, Recipe(model="mine", parts=[Part(source="interpolation")]), None)
    with pytest.raises(TooFewImages, match="warp needs neighbours"):
        make(alone, Recipe(parts=[Part(source="warp")]), None)
    assert make(alone, Recipe(model="mine", parts=[Part(source="noise")]), None).count(NEW) == 3


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_others(with_vae: Given) -> None:
    parts = [Part(source="affine"), Part(source="noise")]
    first, second, other = (
        make(with_vae, Recipe(model="mine", parts=parts, seed=seed), None).images.tobytes() for seed in (1, 1, 2)
    )
    assert first == second != other


def test_what_cannot_be_made_is_refused(given: Given) -> None:
    nothing = given.with_labels(np.full(8, UNLABELLED))
    with pytest.raises(InvalidInput, match="label some images"):
        make(nothing, Recipe(), None)
    with pytest.raises(InvalidInput, match="name a model"):
        make(given, Recipe(model="mine", parts=[Part(source="noise")]), None)


def test_progress_goes_from_nothing_to_all(given: Given) -> None:
    told: list[float] = []
    make(given, Recipe(parts=TWICE * 2), None, told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_sizes_are_told_beforehand(given: Given) -> None:
    assert size(given, Recipe()) == 4
    assert size(given, Recipe(spread=Spreading(), parts=TWICE)) == 24
    assert size(given, Recipe(spread=Spreading(images=1), parts=TWICE)) == 15
    assert size(given, Recipe(spread=Spreading(keep=0.5))) == 6
    assert size(given, Recipe(spread=Spreading()), kept=2) == 6


@pytest.mark.parametrize(("of_each", "some"), [(2, False), (3, True)])
def test_candidates_need_no_neighbour_that_a_fold_may_leave_out(of_each: int, some: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 1), np.uint8)
    labels = np.array([0, 1] * of_each + [UNLABELLED] * (12 - 2 * of_each))
    found = candidates(Given.of(images, labels, 2), "mine", 0)
    sources = {part.source for recipe in found for part in recipe.parts}
    assert sources >= {"affine", "elastic", "noise"}
    assert (sources >= {"warp", "interpolation", "extrapolation"}) is some
    assert bool(sources & {"warp", "interpolation", "extrapolation"}) is some
