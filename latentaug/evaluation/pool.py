"""The pool of a draw: the training images that are not labelled in it, and the ways in which they get labels.

    spread          ours: `latentaug.augment.spreading`, in latent space or on pixels, whichever suits the labelled images
    spread_pixels   scikit-learn's LabelSpreading over the nearest neighbours on pixels
    self_training   an SVM labels the images of which it is surest, learns from them too, and goes on

No true label of the pool is in here, so that none can leak.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import kneighbors_graph
from sklearn.semi_supervised import LabelSpreading

from latentaug.augment.spreading import Expected, Graphs, spread
from latentaug.datasets.dataset import UNLABELLED
from latentaug.evaluation.classifiers import SVM, Labels, Samples

SPREAD, SPREAD_PIXELS, SELF_TRAINING = "spread", "spread_pixels", "self_training"
LABELLERS = (SPREAD, SPREAD_PIXELS, SELF_TRAINING)

PIXEL_NEIGHBOURS = 7
"""scikit-learn's own default."""
PIXEL_ALPHA = 0.99
"""With scikit-learn's 0.2 labels hardly reach beyond the neighbours of labelled images."""
PIXEL_ROUNDS = 100
SELF_TRAINING_C = 10.0
"""Of the SVM that labels in self-training, whatever classifier is measured."""
SELF_TRAINING_MOST = 5000
"""It learns from at most so many images in each round, chosen at random, since an SVM's time grows with their square."""


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """All images of the training part, and which of them are alike: that hangs on no label, so all draws share it.

    Attributes:
        images: uint8 [n, h, w, c].
    """

    images: NDArray[np.uint8]
    _graphs: dict[int, Graphs] = field(default_factory=dict)

    def graphs(self, latents: Samples) -> Graphs:
        """Who is near whom in a latent space and on pixels, of latents float32 [n, latent_dim]; one for each dimension."""
        return self._graphs.setdefault(latents.shape[1], Graphs(self.images, latents))

    @cached_property
    def samples(self) -> Samples:
        """Grey levels as float32 [n, h * w * c] in 0..1."""
        return self.images.reshape(len(self.images), -1).astype(np.float32) / np.float32(255)

    @cached_property
    def pixel_graph(self) -> sparse.csr_array:
        """The nearest neighbours on pixels, as scikit-learn's label spreading takes them."""
        return kneighbors_graph(self.samples, PIXEL_NEIGHBOURS, mode="connectivity", include_self=True)


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
        if labeller == SPREAD_PIXELS:
            return self._spread_on_pixels()
        if labeller == SELF_TRAINING:
            return self._trained_by_itself()
        if latents is None:
            raise ValueError("label spreading needs a VAE's latents")
        return self._spread(latents)

    @cached_property
    def _shuffled(self) -> Labels:
        """Rows of the pool in a random order, from the front of which images are taken."""
        return np.random.default_rng(self.seed).permutation(np.flatnonzero(self.labels == UNLABELLED))

    def _spread(self, latents: Samples) -> NewLabels:
        graphs = self.training.graphs(latents)
        found = spread(self.training.images, self.labels, self.classes, latents=latents, seed=self.seed, graphs=graphs)
        rows = np.sort(self._shuffled[found.kept[self._shuffled]][: self.wanted])
        return NewLabels(found.labels, rows, found.expected, found.space)

    def _spread_on_pixels(self) -> NewLabels:
        model = LabelSpreading(
            kernel=lambda _, __: self.training.pixel_graph, alpha=PIXEL_ALPHA, max_iter=PIXEL_ROUNDS
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as many rounds are enough
            model.fit(self.training.samples, self.labels)
        return NewLabels(model.transduction_.astype(np.int64), np.sort(self._shuffled[: self.wanted]))

    def _trained_by_itself(self) -> NewLabels:
        """Each round takes as many images as have labels, the surest of what is left, until there are enough."""
        X, labels, rng = self.training.samples, self.labels.copy(), np.random.default_rng(self.seed)
        left = self._shuffled
        enough = int((labels != UNLABELLED).sum()) + min(self.wanted, len(left))
        while (known := int((labels != UNLABELLED).sum())) < enough:
            learn = rng.permutation(np.flatnonzero(labels != UNLABELLED))[:SELF_TRAINING_MOST]
            svm = SVM(C=SELF_TRAINING_C)
            svm.fit(X[learn], labels[learn])
            called, margins = svm.surest(X[left])
            order = np.argsort(-margins, kind="stable")
            taken = order[: min(known, enough - known)]
            labels[left[taken]] = called[taken]
            left = np.delete(left, taken)
        return NewLabels(labels, np.flatnonzero((labels != UNLABELLED) & (self.labels == UNLABELLED)))
