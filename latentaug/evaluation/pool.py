"""The pool of a draw: the training images that are not labelled in it, and the ways in which they get labels.

    spread          ours, `latentaug.augment.spreading`, by latents or pixels, whichever suits the labelled images
    spread_pixels   scikit-learn's LabelSpreading over the nearest neighbours on pixels
    self_training   an SVM labels the images of each class of which it is surest, learns from them too, and goes on

No true label of the pool is in here, so that none can leak.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelSpreading

from latentaug.augment.similarity import Neighbourhoods
from latentaug.augment.spreading import Expected, spread_over
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation.classifiers import SVM, Labels, Samples

SPREAD, SPREAD_PIXELS, SELF_TRAINING = "spread", "spread_pixels", "self_training"
LABELLERS = (SPREAD, SPREAD_PIXELS, SELF_TRAINING)

PIXEL_NEIGHBOURS, PIXEL_ALPHA, PIXEL_ROUNDS = 3, 0.99, 100
"""Settings of scikit-learn's label spreading, which joins two images where either has chosen the other. They were
the strongest on the digits with 30 labels, so that the comparison is fair; its own defaults name far fewer right."""
SELF_TRAINING_C = 10.0
"""Of the SVM that labels in self-training, whatever classifier is measured."""
SELF_TRAINING_MOST = 5000
"""It learns from at most so many images in a round, chosen at random: an SVM's time grows with their square."""


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """All images of the training part, and which of them are alike: that hangs on no label, so all draws share it.

    Attributes:
        images: uint8 [n, h, w, c].
    """

    images: NDArray[np.uint8]
    _neighbourhoods: dict[int, Neighbourhoods] = field(default_factory=dict, repr=False)
    _labelled: dict[Hashable, NewLabels] = field(default_factory=dict, repr=False)

    def neighbourhoods(self, latents: Samples) -> Neighbourhoods:
        """Who is near whom by latents, float32 [n, latent_dim], and by pixels; kept for each dimension."""
        return self._neighbourhoods.setdefault(latents.shape[1], Neighbourhoods(self.images, latents))

    def once(self, key: Hashable, label: Callable[[], NewLabels]) -> NewLabels:
        """What `label` gives. It is asked once for each key, as all classifiers of a draw want the same."""
        if key not in self._labelled:
            self._labelled[key] = label()
        return self._labelled[key]

    @cached_property
    def samples(self) -> Samples:
        """Grey levels as float32 [n, h * w * c] in 0..1."""
        return self.images.reshape(len(self.images), -1).astype(np.float32) / np.float32(255)

    @cached_property
    def pixel_graph(self) -> sparse.csr_array:
        """The nearest neighbours on pixels, [n, n]: 1 where either of two images is among the other's."""
        chosen = kneighbors_graph(self.samples, min(PIXEL_NEIGHBOURS, len(self.images) - 1))
        graph: sparse.csr_array = chosen.maximum(chosen.T)
        return graph


@dataclass(frozen=True)
class NewLabels:
    """Labels that images of the pool were given.

    Attributes:
        labels: int64 [n], of all training images; -1 for those that got none.
        rows: int64 [m], the images that join the draw's labelled ones, of which none is in here.
        expected: the share of right labels that spreading expects; None of the other ways, which say nothing.
        space: `latent` or `pixels`, where spreading looked for neighbours.
    """

    labels: Labels
    rows: Labels
    expected: Expected | None = None
    space: str | None = None


@dataclass(frozen=True)
class NewLabelShares:
    """How right the new labels of one draw are, in percent.

    Attributes:
        labelled: images of the pool that got a label.
        added: those of them that joined the draw's labelled ones.
        right: right labels among the first; None where no true one is known.
        right_added: right labels among the second; None where no true one is known.
        expected: right labels among the first, as spreading expects; None of the other ways.
        low: lower end of its 95 % interval.
        high: upper end.
        space: `latent` or `pixels`, where spreading looked for neighbours; None of the other ways.
    """

    labelled: int
    added: int
    right: float | None
    right_added: float | None
    expected: float | None = None
    low: float | None = None
    high: float | None = None
    space: str | None = None

    @property
    def covers(self) -> bool | None:
        """Whether the true share lies in the interval; None where either is not known."""
        if self.right is None or self.low is None or self.high is None:
            return None
        return self.low <= self.right <= self.high


@dataclass(frozen=True)
class Pool:
    """A draw's labelled images among all training images.

    Attributes:
        training: all images.
        labels: int64 [n], -1 for the images of the pool.
        classes: number of classes.
        wanted: how many images of the pool are to get labels, if there are as many.
        seed: decides which of them, 0..2^32 - 1.
    """

    training: TrainingImages
    labels: Labels
    classes: int
    wanted: int
    seed: int

    def label(self, labeller: str, latents: Samples | None) -> NewLabels:
        """Give labels to images of the pool.

        Args:
            labeller: one of `LABELLERS`.
            latents: float32 [n, latent_dim] of all training images, which spreading needs.
        """
        key = (labeller, self.seed, sha256(self.labels.tobytes()).digest())
        if labeller == SELF_TRAINING:
            return self.training.once((*key, self.wanted), self._trained_by_itself)
        if labeller == SPREAD_PIXELS:
            found = self.training.once(key, self._spread_on_pixels)
        elif latents is not None:
            found = self.training.once((*key, latents.shape[1]), lambda: self._spread(latents))
        else:
            raise ValueError("label spreading needs a VAE's latents")
        return replace(found, rows=np.sort(found.rows[: self.wanted]))

    @cached_property
    def _shuffled(self) -> Labels:
        """Rows of the pool in a random order, from the front of which images are taken."""
        return np.random.default_rng(self.seed).permutation(np.flatnonzero(self.labels == UNLABELLED))

    def _spread(self, latents: Samples) -> NewLabels:
        """All images whose labels are kept, in random order."""
        found = spread_over(self.training.neighbourhoods(latents), self.labels, self.classes, seed=self.seed)
        rows = self._shuffled[found.kept[self._shuffled]]
        return NewLabels(found.labels, rows, found.expected, found.space)

    def _spread_on_pixels(self) -> NewLabels:
        """All images of the pool, in random order."""
        model = LabelSpreading(kernel=lambda _, __: self.training.pixel_graph, alpha=PIXEL_ALPHA, max_iter=PIXEL_ROUNDS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as many rounds are enough
            model.fit(self.training.samples, self.labels)
        return NewLabels(model.transduction_.astype(np.int64), self._shuffled)

    def _trained_by_itself(self) -> NewLabels:
        """Each round takes about as many images as have labels, the surest of each class, until there are enough."""
        X, labels, rng = self.training.samples, self.labels.copy(), np.random.default_rng(self.seed)
        given = labels[labels != UNLABELLED]
        shares = np.bincount(given, minlength=self.classes) / len(given)
        left = self._shuffled
        enough = len(given) + min(self.wanted, len(left))
        while (known := int((labels != UNLABELLED).sum())) < enough:
            learn = rng.permutation(np.flatnonzero(labels != UNLABELLED))[:SELF_TRAINING_MOST]
            svm = SVM(C=SELF_TRAINING_C)
            svm.fit(X[learn], labels[learn])
            called, margins = svm.surest(X[left])
            order = np.argsort(-margins, kind="stable")
            sizes = np.ceil(shares * known).astype(np.int64)
            surest = [order[called[order] == label][:size] for label, size in enumerate(sizes)]
            taken = rng.permutation(np.concatenate(surest))[: enough - known]
            labels[left[taken]] = called[taken]
            left = np.delete(left, taken)
        return NewLabels(labels, np.flatnonzero((labels != UNLABELLED) & (self.labels == UNLABELLED)))
