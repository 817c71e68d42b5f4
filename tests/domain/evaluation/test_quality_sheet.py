"""The picture of the best, the worst and the most copied new images."""

from __future__ import annotations

import numpy as np
import pytest

from latentaug.evaluation.quality import Details
from latentaug.evaluation.quality_report import report
from latentaug.evaluation.quality_sheet import COLUMNS, WIDTH, chosen, quality_sheet
from latentaug.imaging.pixels import Limits
from tests.domain.evaluation.test_quality import GOOD
from tests.pictures import decode_image

M = 60
RNG = np.random.default_rng(0)
DETAILS = Details(
    nearest=np.arange(M),
    distance=RNG.random(M).astype(np.float32),
    density=RNG.random(M).astype(np.float32),
    origin=np.arange(M)[::-1].copy(),
    moved=RNG.random(M).astype(np.float32),
    copied=np.arange(M) % 2 == 0,
    agrees=np.arange(M) % 3 == 0,
)
LABELS = np.arange(M) % 5


def test_each_row_shows_what_it_says() -> None:
    best, worst, copied = chosen(LABELS, DETAILS).values()

    assert len(best) == len(worst) == len(copied) == COLUMNS
    sound = np.flatnonzero(~DETAILS.copied & DETAILS.agrees)
    assert set(sound) <= set(best)
    assert DETAILS.distance[worst].min() >= np.sort(DETAILS.distance)[-COLUMNS]
    assert DETAILS.moved[copied].max() <= np.sort(DETAILS.moved)[COLUMNS - 1]


def test_the_best_are_of_all_labels_by_turns() -> None:
    sound = Details(**{**DETAILS.__dict__, "copied": np.zeros(M, bool), "agrees": np.ones(M, bool)})

    best = next(iter(chosen(LABELS, sound).values()))

    assert set(LABELS[best[:5]]) == set(range(5))
    assert DETAILS.density[best[0]] == DETAILS.density[LABELS[best[0]] == LABELS].max()


@pytest.mark.parametrize(
    ("shape", "wide"), [((8, 8, 1), 12 * 66 + 2), ((28, 28, 1), 12 * 58 + 2), ((96, 128, 3), 1562)]
)
def test_the_picture_has_room_for_words_and_images(shape: tuple[int, int, int], wide: int) -> None:
    images = RNG.integers(0, 256, (M, *shape), np.uint8)

    picture = decode_image(quality_sheet(images, lambda rows: images[rows], LABELS, DETAILS, report(GOOD)), Limits())

    assert picture.shape[1:] == (max(wide, WIDTH), 3)
    assert picture.shape[0] > 6 * shape[0]


def test_one_new_image_is_shown_in_every_row() -> None:
    image = np.zeros((1, 8, 8, 1), np.uint8)
    alone = Details(*(np.asarray(column)[:1] for column in DETAILS.__dict__.values()))
    single = Details(**{**alone.__dict__, "origin": np.zeros(1, np.int64)})

    picture = decode_image(quality_sheet(image, lambda rows: image[rows], None, single, report(GOOD)), Limits())

    assert picture.shape[1] == WIDTH
