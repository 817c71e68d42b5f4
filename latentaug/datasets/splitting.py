"""How a data set is split into training, validation and test parts, once and for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from latentaug.datasets.dataset import UNLABELLED
from latentaug.datasets.duplicates import FEWEST_PICTURES
from latentaug.errors import InvalidInput, TooFewImages

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.3
SPLIT_SEED = 0
"""Every data set is split with this seed, so that its parts are always the same."""
FEWEST = 4
"""Fewest images of a data set: 2 to train on, 1 to validate with and 1 to test with."""

Rows = NDArray[np.int64]
Parts = tuple[Rows, Rows, Rows]

_TRAIN, _VALIDATION, _TEST, _NONE = range(4)
_NAMES = ("train", "validation", "test")


def split(
    n: int,
    labels: Rows | None,
    seed: int = SPLIT_SEED,
    validation_share: float = VALIDATION_SHARE,
    test_share: float = TEST_SHARE,
    pictures: Rows | None = None,
) -> Parts:
    """Split n images at random, class by class if there are labels. What validation and test leave is for training.

    No part is empty, and every class keeps at least one training image. All images of one picture are in one part, as
    if they had the label of the first of them; unless there are fewer than 3 pictures.

    Args:
        n: number of images.
        labels: int64 [n], of which every image has one, or None.
        seed: seed of the draw.
        validation_share: share of each class that goes to validation.
        test_share: share of each class that goes to test.
        pictures: for each image, a row that stands for its picture, int64 [n]; None if all images show different ones.

    Returns:
        The rows of training, validation and test, each int64 and sorted.

    Raises:
        TooFewImages: fewer than 4 images.
    """
    check_enough(n)
    everything = np.arange(n)
    classes = [everything] if labels is None else [np.flatnonzero(labels == label) for label in np.unique(labels)]
    deal = _Deal(_together(everything, pictures), everything, seed)
    for rows in classes:
        deal.out(rows, validation_share, test_share)
    deal.train_on_each(classes)
    deal.fill(_VALIDATION)
    deal.fill(_TEST)
    return deal.parts


def split_partly_labelled(labels: Rows, pictures: Rows | None = None, seed: int = SPLIT_SEED) -> Parts:
    """Split images of which some have no label.

    Labelled images are split class by class as `split` does. Unlabelled images of the same pictures go where these go,
    except that those of test images are in no part, so that nothing trains on what accuracy is measured on. Of the
    other unlabelled images a tenth validates and the rest trains. There is always a validation image. The test part is
    empty if each class has one labelled picture only, for every class keeps a training image.

    Args:
        labels: int64 [n], `UNLABELLED` for images without a label, of which there is at least one.
        pictures: for each image, a row that stands for its picture, int64 [n]; None if all images show different ones.
        seed: seed of the draw.

    Returns:
        The rows of training, validation and test, each int64 and sorted.

    Raises:
        TooFewImages: fewer than 4 images.
    """
    check_enough(len(labels))
    pictures = np.arange(len(labels)) if pictures is None else pictures
    labelled = labels != UNLABELLED
    heads = _together(np.argsort(~labelled, kind="stable"), pictures)
    alone = ~labelled[heads]  # unlabelled, as is every image of the same picture
    deal = _Deal(heads, np.flatnonzero(labelled | alone), seed)
    classes = [np.flatnonzero(labels == label) for label in np.unique(labels[labelled])]
    for rows in classes:
        deal.out(rows, VALIDATION_SHARE, TEST_SHARE)
    deal.train_on_each(classes)
    leaks = ~labelled & np.isin(pictures, pictures[labelled & (deal.part == _TEST)])
    pool = np.flatnonzero(alone & ~leaks)
    deal.out(pool, VALIDATION_SHARE, test_share=0)
    deal.part[leaks] = _NONE
    deal.fill(_VALIDATION, pool)
    if not (deal.part == _TEST).any():
        deal.part[deal.part == _NONE] = _TRAIN
    return deal.parts


def split_as_given(
    given: Sequence[str | None], labels: Rows | None, classes: Sequence[str], pictures: Rows, seed: int = SPLIT_SEED
) -> Parts:
    """Keep the parts that images came in, and draw those that are lacking from the training images as `split` does.

    Images that came in no part train, except those of pictures that the test part shows. Unlabelled images of a test
    part are in no part where others are labelled, since nothing can be measured on them.

    Args:
        given: train, validation or test for each image, or None for one that came in no part.
        labels: int64 [n], in which an image may be `UNLABELLED`, or None.
        classes: the labels' names.
        pictures: for each image, a row that stands for its picture, int64 [n].
        seed: seed of the draw.

    Returns:
        The rows of training, validation and test, each int64 and sorted.

    Raises:
        TooFewImages: fewer than 4 images.
        InvalidInput: a class without a training image.
    """
    check_enough(len(given))
    labels = np.zeros(len(given), np.int64) if labels is None else labels
    part = np.array([_TRAIN if name is None else _NAMES.index(name) for name in given])
    _check_trained(classes, labels, part)
    shows_test = np.isin(pictures, pictures[part == _TEST])
    part[(part == _TEST) & (labels == UNLABELLED)] = _NONE
    part[shows_test & np.array([name is None for name in given])] = _NONE
    lacking = [name for name in (_VALIDATION, _TEST) if not (part == name).any()]
    rows = np.flatnonzero(part == _TRAIN)
    if lacking and len(rows):
        own = labels[rows]
        deal = _Deal(_together(np.arange(len(rows)), pictures[rows]), np.arange(len(rows)), seed)
        groups = [(label, np.flatnonzero(own == label)) for label in np.unique(own)]
        for label, members in groups:
            tested = _TEST in lacking and label != UNLABELLED
            deal.out(members, VALIDATION_SHARE * (_VALIDATION in lacking), TEST_SHARE * tested)
        deal.train_on_each([members for _, members in groups])
        for name in lacking:
            deal.fill(name)
        part[rows] = deal.part
    train, validation, test = (np.flatnonzero(part == name).astype(np.int64) for name in (_TRAIN, _VALIDATION, _TEST))
    return train, validation, test


def _check_trained(classes: Sequence[str], labels: Rows, part: NDArray[np.int64]) -> None:
    for number, name in enumerate(classes):
        if not (part[labels == number] == _TRAIN).any():
            raise InvalidInput(
                f"class {name!r} has no image in the folder of training images; put some there, or leave the class out"
            )


def check_enough(n: int) -> None:
    """Refuse too few images to split.

    Raises:
        TooFewImages: fewer than 4.
    """
    if n < FEWEST:
        raise TooFewImages(f"a data set of {n} images cannot be split; give at least {FEWEST}")


class _Deal:
    """Parts that are being dealt: all images of a picture go where the one goes that stands for them, its head.

    Args:
        heads: the head of each image, int64 [n].
        counted: rows of the images that count towards the size of a part.
        seed: seed of the draw.
    """

    def __init__(self, heads: Rows, counted: Rows, seed: int) -> None:
        self.part = np.full(len(heads), _TRAIN)
        self._heads = heads
        self._sizes = np.bincount(heads[counted], minlength=len(heads))
        self._rng = np.random.default_rng(seed)

    def out(self, rows: Rows, validation_share: float, test_share: float) -> None:
        """Deal shares of the pictures whose heads are among the rows, and leave at least one of them to training."""
        heads = rows[self._heads[rows] == rows]
        count = int(self._sizes[heads].sum())
        test = min(round(count * test_share), count - 1)
        validation = min(round(count * validation_share), count - 1 - test)
        for head in self._rng.permutation(heads):
            size = int(self._sizes[head])
            if size <= test:
                self.part[head] = _TEST
                test -= size
            elif size <= validation:
                self.part[head] = _VALIDATION
                validation -= size
        self.part = self.part[self._heads]

    def train_on_each(self, classes: Sequence[Rows]) -> None:
        """Move a picture of each class that has no training image to training."""
        for rows in classes:
            if not (self.part[rows] == _TRAIN).any():
                self._move(rows[0], _TRAIN)

    def fill(self, part: int, rows: Rows | None = None) -> None:
        """Move a picture to a part without one: of these rows, if there are any, or else of a part that has several."""
        if (self.part == part).any():
            return
        trained = np.flatnonzero(self.part == _TRAIN)
        if rows is None or not len(rows):
            several = len(np.unique(self._heads[trained])) > 1
            rows = trained if several else np.flatnonzero((self.part != _TRAIN) & (self.part != _NONE))
        self._move(self._rng.choice(rows), part)

    def _move(self, row: int, part: int) -> None:
        self.part[self._heads == self._heads[row]] = part

    @property
    def parts(self) -> Parts:
        """The rows of training, validation and test."""
        train, validation, test = (
            np.flatnonzero(self.part == part).astype(np.int64) for part in (_TRAIN, _VALIDATION, _TEST)
        )
        return train, validation, test


def _together(order: Rows, pictures: Rows | None) -> Rows:
    """The head of each image: the first in this order that shows the same picture; itself if pictures are too few."""
    own = np.arange(len(order))
    if pictures is None:
        return own
    _, first, picture = np.unique(pictures[order], return_index=True, return_inverse=True)
    if len(first) < FEWEST_PICTURES:
        return own
    heads = np.empty_like(own)
    heads[order] = order[first][picture]
    return heads
