"""SVM, kNN, MLP and their tuning."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from latentaug.datasets import digits
from latentaug.errors import InvalidInput
from latentaug.evaluation import classifiers
from latentaug.evaluation.batches import batches
from latentaug.evaluation.classifiers import GRIDS, make, mlp_steps, tune

DIGITS = digits.load()
X = (DIGITS.images.reshape(-1, 64) / 255).astype(np.float32)
Y = np.asarray(DIGITS.labels)
TRAIN, TEST = DIGITS.train[:300], DIGITS.test


def _accuracy(name: str, options: dict[str, float] | None = None) -> float:
    classifier = make(name, 10, 0, options)
    classifier.fit(X[TRAIN], Y[TRAIN])
    predicted = classifier.predict(X[TEST])
    assert predicted.dtype == np.int64
    return float((predicted == Y[TEST]).mean())


@pytest.mark.parametrize(("name", "options"), [("svm", None), ("knn", None), ("mlp", {"share": 0.25})])
def test_every_classifier_learns_the_digits(name: str, options: dict[str, float] | None) -> None:
    assert _accuracy(name, options) > 0.85


def test_the_svm_is_scikit_learns_with_its_defaults() -> None:
    ours = make("svm", 10, 0)
    ours.fit(X[TRAIN], Y[TRAIN])
    theirs = SVC().fit(X[TRAIN], Y[TRAIN])
    assert (ours.predict(X[TEST]) == theirs.predict(X[TEST])).mean() > 0.99


@pytest.mark.parametrize("k", [1, 3, 7])
def test_knn_is_scikit_learns(k: int) -> None:
    ours = make("knn", 10, 0, {"k": k})
    ours.fit(X[TRAIN], Y[TRAIN])
    theirs = KNeighborsClassifier(k, algorithm="brute").fit(X[TRAIN], Y[TRAIN])
    assert (ours.predict(X[TEST]) == theirs.predict(X[TEST])).mean() > 0.995


def test_knn_takes_fewer_samples_than_k() -> None:
    classifier = make("knn", 3, 0, {"k": 7})
    classifier.fit(np.float32([[0], [1]]), np.array([2, 1]))
    assert classifier.predict(np.float32([[0.1]])).tolist() == [1]


def test_the_mlp_has_five_layers_of_1024_units() -> None:
    network = classifiers._network(64, 10)
    shapes = [tuple(layer.weight.shape) for layer in network if isinstance(layer, torch.nn.Linear)]
    assert shapes == [(1024, 64), *[(1024, 1024)] * 4, (10, 1024)]
    assert sum(isinstance(layer, torch.nn.BatchNorm1d) for layer in network) == 5
    assert sum(isinstance(layer, torch.nn.Dropout) for layer in network) == 5


def test_the_mlp_repeats_itself_and_leaves_the_callers_random_numbers_alone() -> None:
    before = torch.get_rng_state()
    predictions = []
    for seed in (1, 1, 2):
        classifier = make("mlp", 10, seed, steps=5)
        classifier.fit(X[TRAIN], Y[TRAIN])
        predictions.append(classifier.predict(X[TEST]))
    assert np.array_equal(predictions[0], predictions[1])
    assert not np.array_equal(predictions[0], predictions[2])
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("n", [1, 2, 5, 128, 129, 300])
def test_every_step_has_a_full_batch_of_at_least_two_and_uses_all_samples_evenly(n: int) -> None:
    found = list(batches(n, 40, 128))
    size = max(2, min(128, n))
    assert [len(batch) for batch in found] == [size] * 40
    counts = torch.cat(found).bincount(minlength=n)
    assert counts.max() - counts.min() <= 1


def test_a_single_sample_can_be_learnt() -> None:
    classifier = make("mlp", 3, 0, steps=3)
    classifier.fit(X[:1], np.array([2]))
    assert classifier.predict(X[:4]).shape == (4,)


def test_an_unknown_classifier_is_refused() -> None:
    with pytest.raises(InvalidInput, match="svm, knn, mlp, cnn"):
        make("forest", 2, 0)


@pytest.mark.parametrize("name", ["svm", "knn"])
def test_tuning_chooses_from_the_grid_and_repeats_itself(name: str) -> None:
    first, second = (tune(name, X[TRAIN], Y[TRAIN], 10, seed=3) for _ in range(2))
    assert first == second
    assert first in GRIDS[name]


def test_the_mlps_share_of_the_steps_is_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GRIDS, "mlp", [{"share": 0.005}, {"share": 0.15}])
    assert tune("mlp", X[TRAIN], Y[TRAIN], 10, seed=0) == {"share": 0.15}


def test_the_mlp_takes_ten_passes_over_many_labelled_images_and_200_steps_over_few() -> None:
    assert [mlp_steps(n) for n in (10, 1000, 2560, 55_000)] == [200, 200, 200, 4297]


def test_ties_go_to_the_smoothest() -> None:
    apart, labels = np.float32([[0], [0.1], [0.2], [9], [9.1], [9.2]]), np.array([0, 0, 0, 1, 1, 1])
    assert tune("svm", apart, labels, 2, seed=0) == {"C": 1.0, "gamma_scale": 0.3}


def test_a_class_of_one_leaves_the_papers_settings_and_one_neighbour() -> None:
    assert tune("svm", X[:3], np.array([0, 0, 1]), 2, seed=0) is None
    assert tune("knn", X[:3], np.array([0, 1, 2]), 3, seed=0) == {"k": 1.0}, "three that differ outvote nobody"


def test_large_sets_are_tuned_on_a_stratified_part() -> None:
    labels = np.repeat([0, 1, 2], [9000, 998, 2])
    samples, chosen = classifiers._stratified_sample(np.arange(10_000, dtype=np.float32)[:, None], labels, seed=0)
    assert np.bincount(chosen).tolist() == [2700, 299, 2]
    assert np.array_equal(labels[samples[:, 0].astype(int)], chosen)
