"""The classifiers that the evaluation is made with: SVM-RBF, kNN and a five-layer MLP (section 4), and their tuning.

A small CNN, for photos, is in `cnn`. Samples are float32 [n, d], images flattened to values in 0..1 or latents; labels
are int64 [n] in 0..classes - 1.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold
from torch import nn
from torch.nn import functional

from latentaug.errors import InvalidInput
from latentaug.evaluation import cnn
from latentaug.evaluation.batches import batches
from latentaug.evaluation.cnn import CNN, ImageShape
from latentaug.options import CLASSIFIERS, Mixing

try:
    from sklearnex.svm import SVC  # the same SVC, tens of times faster, but only for Linux on x86-64
except ImportError:
    from sklearn.svm import SVC

Samples = NDArray[np.float32]
Labels = NDArray[np.int64]
Options = dict[str, float]

SVM_LIBRARY = str(SVC.__module__).partition(".")[0]
PAPER_K = 3
"""Neighbours that vote where kNN is not tuned."""
MLP_STEPS = 200
"""The MLP takes at least as many steps."""
MLP_BATCH = 128
MLP_EPOCHS = 10

GRIDS: dict[str, list[Options]] = {
    "svm": [{"C": c, "gamma_scale": scale} for c, scale in product([1.0, 10.0, 100.0], [0.3, 1.0, 3.0])],
    "knn": [{"k": k} for k in (7.0, 5.0, 3.0, 1.0)],
    "mlp": [{"share": 0.25}, {"share": 0.5}, {"share": 1.0}],
}
"""What `tune` chooses from, the smoothest first: small C, small gamma, large k, a small share of the steps."""

_MAX_TUNING_SAMPLES = 3000
_MAX_FOLDS = 3
_CHUNK_ELEMENTS = 2**22
_CHUNK = 4096


class Classifier(Protocol):
    """What every classifier can do."""

    def fit(self, X: Samples, y: Labels) -> None:
        """Learn from float32 [n, d] and int64 [n]."""

    def predict(self, X: Samples) -> Labels:
        """Classify float32 [m, d]: int64 [m]."""


def mlp_steps(labelled: int) -> int:
    """Steps of the MLP in every arm: about 10 passes over the labelled images without new samples, at least 200."""
    return max(MLP_STEPS, math.ceil(MLP_EPOCHS * labelled / MLP_BATCH))


def steps_of(name: str, labelled: int) -> int:
    """Steps of a classifier in every arm, whatever the arm adds: the CNN's or the MLP's; others take none."""
    return cnn.steps(labelled) if name == "cnn" else mlp_steps(labelled)


def make(
    name: str,
    classes: int,
    seed: int,
    options: Options | None = None,
    device: str = "cpu",
    steps: int = MLP_STEPS,
    image_shape: ImageShape | None = None,
    mixing: Mixing | None = None,
) -> Classifier:
    """Make a classifier, with the paper's settings where `options` is None.

    Args:
        name: one of `options.CLASSIFIERS`.
        classes: number of classes.
        seed: of the MLP's and the CNN's weights, order, dropout and mixing; in the others nothing is random.
        options: what `tune` returns.
        device: where the MLP and the CNN train.
        steps: of the MLP, of which `options` may take a share, or of the CNN.
        image_shape: height, width and channels of the images that the samples are; the CNN needs it, no other does.
        mixing: how the CNN's batches are mixed while it learns; None for not at all.

    Raises:
        InvalidInput: there is no such classifier, or the CNN is to classify what is no image.
    """
    if name == "svm":
        return SVM(**(options or {}))
    if name == "knn":
        return KNN(classes, **(options or {"k": PAPER_K}))
    if name == "mlp":
        return MLP(classes, seed, steps, device=device, **(options or {}))
    if name == "cnn":
        if image_shape is None:
            raise InvalidInput("the CNN classifies images alone; say how many pixels high and wide they are")
        return CNN(classes, seed, image_shape, steps, mixing, device)
    raise InvalidInput(f"classifier is {name!r}; use one of {', '.join(CLASSIFIERS)}")


def tune(name: str, X: Samples, y: Labels, classes: int, seed: int, device: str = "cpu") -> Options | None:
    """Choose the options from `GRIDS` with the best mean accuracy over stratified folds; ties go to the smoothest.

    There are 3 folds, or fewer where the smallest class has fewer samples. The MLP, of which only the steps are chosen,
    is tried on one fold. Of more than 3,000 samples a stratified 3,000 are used. The CNN is not tuned, for speed.

    Args:
        name: one of `options.CLASSIFIERS`.
        X: float32 [n, d], the training samples alone.
        y: int64 [n].
        classes: number of classes.
        seed: of the folds and the MLP.
        device: where the MLP trains.

    Returns:
        Options for `make`; None, the paper's settings or the CNN's only ones, where there is no grid. Where a class has
        a single sample nothing can be held out: kNN then asks the nearest alone, as no class could outvote another, and
        the others have the paper's settings.
    """
    if name not in GRIDS:
        return None
    if len(X) > _MAX_TUNING_SAMPLES:
        X, y = _stratified_sample(X, y, seed)
    folds = min(_MAX_FOLDS, int(np.unique(y, return_counts=True)[1].min()))
    if folds < 2:
        return {"k": 1.0} if name == "knn" else None
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(X, y))
    if name == "mlp":
        splits = splits[:1]

    def accuracy(options: Options) -> float:
        scores = []
        for learn, check in splits:
            classifier = make(name, classes, seed, options, device, mlp_steps(len(learn)))
            classifier.fit(X[learn], y[learn])
            scores.append(float((classifier.predict(X[check]) == y[check]).mean()))
        return sum(scores) / len(scores)

    return max(GRIDS[name], key=accuracy)  # the first of equals


class SVM:
    """Support vector machine with the kernel exp(-gamma |x - x'|^2), gamma = gamma_scale / (d * variance of X)."""

    def __init__(self, C: float = 1.0, gamma_scale: float = 1.0) -> None:
        self.C, self.gamma_scale = C, gamma_scale

    def fit(self, X: Samples, y: Labels) -> None:
        """Learn from float32 [n, d] and int64 [n] of at least two classes."""
        variance = float(X.var()) or 1.0
        self._model = SVC(C=self.C, gamma=self.gamma_scale / (X.shape[1] * variance))
        self._model.fit(X, y)

    def predict(self, X: Samples) -> Labels:
        """Classify float32 [m, d]: int64 [m]."""
        labels: Labels = self._model.predict(X).astype(np.int64)
        return labels

    def surest(self, X: Samples) -> tuple[Labels, NDArray[np.float64]]:
        """Classify float32 [m, d]: int64 [m], and how far each is from any other class, float64 [m], 0 or more."""
        chunks = [self._model.decision_function(X[start : start + _CHUNK]) for start in range(0, len(X), _CHUNK)]
        decision = np.concatenate(chunks)  # [m, classes], or [m] of two classes
        if decision.ndim == 1:
            decision = np.stack([-decision, decision], axis=1)
        top = np.partition(decision, -2, axis=1)[:, -2:]
        return self._model.classes_[decision.argmax(axis=1)].astype(np.int64), top[:, 1] - top[:, 0]


class KNN:
    """The commonest label among the k nearest samples (Euclidean), by brute force; ties go to the smallest label."""

    def __init__(self, classes: int, k: float) -> None:
        self.classes, self.k = classes, int(k)

    def fit(self, X: Samples, y: Labels) -> None:
        """Keep float32 [n, d] and int64 [n]."""
        self._X, self._y, self._lengths = X, y, np.einsum("nd,nd->n", X, X)

    def predict(self, X: Samples) -> Labels:
        """Classify float32 [m, d]: int64 [m]."""
        k, step = min(self.k, len(self._X)), max(1, _CHUNK_ELEMENTS // len(self._X))
        predicted = np.empty(len(X), np.int64)
        for start in range(0, len(X), step):
            # |x|^2 is the same for all neighbours of x, so it is left out.
            distances = self._lengths - 2 * (X[start : start + step] @ self._X.T)  # [chunk, n]
            nearest = distances.argpartition(k - 1, axis=1)[:, :k]  # [chunk, k]
            votes = (self._y[nearest][:, :, None] == np.arange(self.classes)).sum(axis=1)  # [chunk, classes]
            predicted[start : start + step] = votes.argmax(axis=1)
        return predicted


class MLP:
    """Five layers of 1024 units with batch normalisation and dropout (section 4), trained with Adam for fixed steps."""

    def __init__(
        self, classes: int, seed: int, steps: int = MLP_STEPS, share: float = 1.0, device: str = "cpu"
    ) -> None:
        self.classes, self.seed, self.steps, self.device = classes, seed, round(steps * share), torch.device(device)

    def fit(self, X: Samples, y: Labels) -> None:
        """Learn from float32 [n, d] and int64 [n]; the learning rate falls linearly to 0."""
        samples, labels = torch.tensor(X, device=self.device), torch.tensor(y, device=self.device)
        forked = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=forked):  # leaves the caller's random numbers as they were
            torch.manual_seed(self.seed)
            self._network = _network(X.shape[1], self.classes).to(self.device)
            optimizer = torch.optim.Adam(self._network.parameters(), lr=1e-3, fused=True)
            schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=self.steps)
            for rows in batches(len(X), self.steps, MLP_BATCH):
                optimizer.zero_grad()
                loss = functional.cross_entropy(self._network(samples[rows]), labels[rows])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()

    @torch.no_grad()
    def predict(self, X: Samples) -> Labels:
        """Classify float32 [m, d]: int64 [m]."""
        self._network.eval()
        chunks = [torch.tensor(X[start : start + 1024], device=self.device) for start in range(0, len(X), 1024)]
        predicted: Labels = torch.cat([self._network(chunk).argmax(dim=1) for chunk in chunks]).cpu().numpy()
        return predicted


def _network(inputs: int, classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in [inputs] + [1024] * 4:
        layers += [nn.Linear(width, 1024), nn.BatchNorm1d(1024), nn.ReLU(), nn.Dropout(0.2)]  # [batch, 1024]
    return nn.Sequential(*layers, nn.Linear(1024, classes))


def _stratified_sample(X: Samples, y: Labels, seed: int) -> tuple[Samples, Labels]:
    """`_MAX_TUNING_SAMPLES` samples, about the same share of each class, but at least two where it has two."""
    rng = np.random.default_rng(seed)
    share = _MAX_TUNING_SAMPLES / len(y)
    groups = (rng.permutation(np.flatnonzero(y == label)) for label in np.unique(y))
    rows = np.sort(np.concatenate([group[: max(2, round(len(group) * share))] for group in groups]))
    return X[rows], y[rows]
