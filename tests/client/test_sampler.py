"""`LatentAugmenter` in imbalanced-learn: its own checks of a sampler, and a pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.pipeline
from imblearn.pipeline import make_pipeline
from imblearn.utils import estimator_checks
from imblearn.utils.estimator_checks import check_param_validation, parametrize_with_checks
from latentaug_client import Client, Invalid, NotFound
from latentaug_client.rows import check_order
from latentaug_client.sampler import LatentAugmenter
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

from tests.client.conftest import DIGITS, MODEL

assert DIGITS.labels is not None
X = DIGITS.images.reshape(len(DIGITS.images), -1) / 255.0
Y = DIGITS.labels
RARE = (Y == 3) & (np.cumsum(Y == 3) > 30)
X, Y = X[~RARE], Y[~RARE]


def images_like(*_: Any, n_samples: int = 100, n_classes: int = 2, weights: Any = None, **options: Any) -> Any:
    """`make_classification` with 64 features in 0..1, as 8x8 images have; the rest as the check asks."""
    kept = {name: options[name] for name in ("random_state",) if name in options}
    rows, labels = make_classification(
        n_samples=n_samples, n_classes=n_classes, weights=weights, n_features=64, n_informative=8, **kept
    )
    return (rows - rows.min()) / (rows.max() - rows.min()), labels


EXCEPTIONS = {
    "check_samplers_fit": "fits rows of two features, which are no images",
    "check_sampler_get_feature_names_out": "fits rows of three features, which are no images",
    "check_sampler_get_feature_names_out_pandas": "fits frames of three features, which are no images",
}


@pytest.mark.parametrize("method", ["noise", "interpolation", "extrapolation"])
def test_each_class_gets_as_many_as_the_largest(url: str, method: Any) -> None:
    new_x, new_y = LatentAugmenter(url, MODEL, method=method).fit_resample(X, Y)
    assert np.bincount(new_y).tolist() == [np.bincount(Y).max()] * 10
    assert (new_x[: len(X)] == X).all()
    assert (new_y[: len(Y)] == Y).all()
    assert ((new_x >= 0) & (new_x <= 1)).all()


def test_it_makes_exactly_what_is_asked_for_and_uses_rows_evenly(url: str) -> None:
    sampler = LatentAugmenter(url, MODEL, sampling_strategy={3: 100})
    new_x, new_y = sampler.fit_resample(X, Y)
    assert len(new_x) == len(X) + 70
    assert (new_y[len(Y) :] == 3).all()
    again, _ = sampler.fit_resample(X, Y)
    assert (again == new_x).all()
    assert np.bincount(np.bincount(sampler.source_, minlength=len(Y))[Y == 3]).tolist() == [0, 0, 20, 10]


def test_new_rows_name_their_parents(url: str) -> None:
    sampler = LatentAugmenter(url, MODEL, sampling_strategy={3: 50})
    new_x, _ = sampler.fit_resample(X, Y)
    assert len(sampler.source_) == len(sampler.neighbour_) == len(new_x) - len(X)
    assert (Y[sampler.source_] == 3).all()
    assert (Y[sampler.neighbour_] == 3).all()
    assert (sampler.source_ != sampler.neighbour_).all()
    noise = LatentAugmenter(url, MODEL, method="noise", sampling_strategy={3: 50})
    noise.fit_resample(X, Y)
    assert set(noise.neighbour_) == {-1}


def test_images_stay_images(url: str) -> None:
    flat, _ = LatentAugmenter(url, MODEL).fit_resample(X, Y)
    images, _ = LatentAugmenter(url, MODEL).fit_resample(X.reshape(-1, 8, 8), Y)
    assert (images == flat.reshape(-1, 8, 8)).all()


def test_another_random_state_gives_other_rows(url: str) -> None:
    one, other = (
        LatentAugmenter(url, MODEL, method="noise", random_state=seed).fit_resample(X, Y)[0] for seed in (1, 2)
    )
    assert not (one == other).all()


def test_wrong_parameters_are_refused_by_name() -> None:
    check_param_validation("LatentAugmenter", LatentAugmenter())


def test_what_is_left_out_is_the_services_to_choose(url: str) -> None:
    sampler = clone(LatentAugmenter(url, MODEL))
    assert [sampler.get_params()[name] for name in ("method", "alpha", "decode")] == [None, None, None]
    left_out, _ = sampler.fit_resample(X, Y)
    with Client(url) as client:
        made = client.augment(X[:20].reshape(-1, 8, 8), model=MODEL)
        same = client.augment(X[:20].reshape(-1, 8, 8), model=MODEL, method="interpolation", alpha=0.5)
    assert (made.images == same.images).all(), "these are the service's defaults"
    named, _ = LatentAugmenter(url, MODEL, method="interpolation", alpha=0.5).fit_resample(X, Y)
    other, _ = LatentAugmenter(url, MODEL, method="interpolation", alpha=0.1).fit_resample(X, Y)
    assert (left_out == named).all()
    assert not (left_out == other).all()


def test_an_option_that_the_service_does_not_know_is_refused_by_name(url: str) -> None:
    with pytest.raises(Invalid, match="alpha"):
        LatentAugmenter(url, MODEL, alpha=-1).fit_resample(X, Y)
    with pytest.raises(Invalid, match="method"):
        LatentAugmenter(url, MODEL, method="rotation").fit_resample(X, Y)  # type: ignore[arg-type]


@pytest.mark.parametrize("sign", ["integers", "floats", "texts", "objects", "a list"])
def test_unlabelled_rows_stay_as_they_are_and_are_no_class(url: str, sign: str) -> None:
    hidden = np.arange(len(Y)) % 3 == 0
    hidden[Y == 3] = False
    signs: dict[str, Any] = {
        "integers": np.where(hidden, -1, Y),
        "floats": np.where(hidden, np.nan, Y),
        "texts": np.where(hidden, "", Y.astype(str)),
        "objects": np.where(hidden, None, Y),
        "a list": [None if gap else int(label) for gap, label in zip(hidden, Y, strict=True)],
    }
    y = signs[sign]
    sampler = LatentAugmenter(url, MODEL, sampling_strategy={"3" if sign == "texts" else 3: 100})
    new_x, new_y = sampler.fit_resample(X, y)
    alone_x, _ = LatentAugmenter(url, MODEL, sampling_strategy={3: 100}).fit_resample(X[~hidden], Y[~hidden])
    assert type(new_y) is type(y)
    assert (new_x[: len(X)] == X).all()
    assert [str(label) for label in new_y[: len(Y)]] == [str(label) for label in y], "also those of unlabelled rows"
    assert {int(label) for label in new_y[len(Y) :]} == {3}
    assert (new_x[len(X) :] == alone_x[(~hidden).sum() :]).all()
    assert (Y[sampler.source_] == Y[sampler.neighbour_]).all()
    assert (Y[sampler.source_] == 3).all()


def test_unlabelled_rows_may_be_sparse_and_images(url: str) -> None:
    y = np.where(np.arange(len(Y)) % 3 == 0, -1, Y)
    flat, labels = LatentAugmenter(url, MODEL).fit_resample(X, y)
    thin, _ = LatentAugmenter(url, MODEL).fit_resample(sparse.csr_matrix(X), y)
    images, _ = LatentAugmenter(url, MODEL).fit_resample(X.reshape(-1, 8, 8), y)
    assert (thin.format, len(labels)) == ("csr", len(flat))
    assert np.allclose(thin.toarray(), flat)
    assert (images == flat.reshape(-1, 8, 8)).all()


def test_a_fit_counts_labelled_rows(url: str) -> None:
    y = np.where(np.arange(len(Y)) % 3 == 0, np.nan, Y)
    counted = LatentAugmenter(url, MODEL).fit(X, y).sampling_strategy_
    known = np.bincount(y[~np.isnan(y)].astype(int))
    assert {int(label): wanted for label, wanted in counted.items()} == {
        label: known.max() - size for label, size in enumerate(known) if size < known.max()
    }


def test_some_row_must_have_a_label(url: str) -> None:
    with pytest.raises(ValueError, match="no row has a label"):
        LatentAugmenter(url, MODEL).fit_resample(X[:9], [None] * 9)


@pytest.mark.parametrize("kind", [int, bool, np.uint8])
def test_whole_numbers_and_truths_keep_their_meaning(url: str, kind: Any) -> None:
    ink = (X > 0.5).astype(kind)
    new_x, _ = LatentAugmenter(url, MODEL).fit_resample(ink, Y)
    new = new_x[len(X) :]
    assert new.dtype == ink.dtype
    assert set(np.unique(new)) == {0, 1}
    assert new.any(axis=1).all(), "no row is blank"
    assert 0.9 < new.mean() / ink[Y == 3].mean() < 1.1


def test_data_frames_and_series_come_back_as_such(url: str) -> None:
    frame = pd.DataFrame(X, columns=[f"p{i}" for i in range(64)])
    frame["p0"] = frame["p0"].astype(int)  # the border of scanned digits is all paper, so a reader takes it for whole
    labels = pd.Series([f"digit {label}" for label in Y], name="digit", dtype="category")
    new_x, new_y = LatentAugmenter(url, MODEL).fit_resample(frame, labels)
    assert new_x.dtypes.equals(frame.dtypes)
    assert new_x.columns.equals(frame.columns)
    assert new_y.dtype == labels.dtype
    assert new_y.name == "digit"
    assert new_y.value_counts().nunique() == 1
    assert set(new_x["p0"]) == {0}
    assert new_x["p20"].nunique() > 17, "all other columns have grey levels still"


def test_rounding_of_a_scaler_is_no_other_range(url: str) -> None:
    scaled = X * (1 + 1e-9) - 1e-12
    new_x, _ = LatentAugmenter(url, MODEL).fit_resample(scaled, Y)
    assert (new_x[len(X) :] == LatentAugmenter(url, MODEL).fit_resample(X, Y)[0][len(X) :]).all()


def test_axes_in_another_order_are_refused_where_that_would_mix_up_pixels(url: str) -> None:
    flat, _ = LatentAugmenter(url, MODEL).fit_resample(X, Y)
    first, _ = LatentAugmenter(url, MODEL).fit_resample(X.reshape(-1, 1, 8, 8), Y)
    assert (first == flat.reshape(-1, 1, 8, 8)).all(), "one channel may stand anywhere"
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 2, 3, 1\)"):
        check_order((3, 8, 8), (8, 8, 3))


def test_neighbours_serve_again_where_a_class_is_small(url: str) -> None:
    few = (Y != 3) | (np.cumsum(Y == 3) <= 5)
    new_x, new_y = LatentAugmenter(url, MODEL).fit_resample(X[few], Y[few])
    assert len(set(np.bincount(new_y))) == 1
    assert len(np.unique(new_x[few.sum() :], axis=0)) > 0.8 * (len(new_x) - few.sum()), "hardly any two are alike"


@pytest.mark.parametrize(("images", "advice"), [(1, "1 image, "), (3, "ask for at most 6 new ones")])
def test_a_class_that_is_too_small_is_named(url: str, images: int, advice: str) -> None:
    few = (Y != 3) | (np.cumsum(Y == 3) <= images)
    with pytest.raises(ValueError, match=f"class 3 has {images} image.*Give 4 images") as refused:
        LatentAugmenter(url, MODEL).fit_resample(X[few], Y[few])
    assert advice in str(refused.value)
    new_x, _ = LatentAugmenter(url, MODEL, method="noise").fit_resample(X[few], Y[few])
    assert len(new_x) == 10 * np.bincount(Y).max()


def test_a_pipeline_of_scikit_learn_is_told_that_it_cannot_sample(url: str) -> None:
    with pytest.raises(TypeError, match="imblearn"):
        sklearn.pipeline.make_pipeline(LatentAugmenter(url, MODEL), LogisticRegression()).fit(X, Y)


def test_the_key_is_never_shown() -> None:
    sampler = LatentAugmenter(model=MODEL, key="s3cr3t")
    assert "s3cr3t" not in repr(sampler) + sampler._repr_html_() + repr(make_pipeline(sampler, LogisticRegression()))
    assert clone(sampler).key == "s3cr3t"


def test_a_pipeline_samples_training_folds_alone(url: str) -> None:
    pipeline = make_pipeline(LatentAugmenter(url, MODEL), LogisticRegression(max_iter=200))
    assert cross_val_score(pipeline, X[:400], Y[:400], cv=2).mean() > 0.7


def test_what_cannot_be_done_is_said(url: str) -> None:
    with pytest.raises(ValueError, match="8x8x1 = 64"):
        LatentAugmenter(url, MODEL).fit_resample(X[:, :60], Y)
    with pytest.raises(ValueError, match=r"scale it to 0\.\.1"):
        LatentAugmenter(url, MODEL).fit_resample(16 * X, Y)
    with pytest.raises(ValueError, match="name a model"):
        LatentAugmenter(url).fit_resample(X, Y)
    with pytest.raises(NotFound):
        LatentAugmenter(url, "nobody").fit_resample(X, Y)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_levels_of_image_files_stay_what_they_are(url: str, dtype: type[np.integer[Any]]) -> None:
    few = (Y != 3) | (np.cumsum(Y == 3) <= 20)
    levels = np.rint(255 * X[few]).astype(dtype)
    new_x, new_y = LatentAugmenter(url, MODEL).fit_resample(levels, Y[few])
    of_floats, same_y = LatentAugmenter(url, MODEL).fit_resample(levels / 255, Y[few])
    assert new_x.dtype == dtype
    assert (new_y == same_y).all()
    assert np.array_equal(new_x, np.rint(255 * of_floats))

    recipe = LatentAugmenter(url, recipe={"parts": [{"source": "elastic"}]})
    assert recipe.fit_resample(levels[:60], Y[few][:60])[0].max() > 200
    with pytest.raises(ValueError, match=r"values from 0 to 16; scale it to 0\.\.1, for instance X / 16"):
        LatentAugmenter(url, MODEL).fit_resample(np.rint(16 * X).astype(dtype), Y)
    with pytest.raises(ValueError, match=r"values from 0 to 4095; .* X / 4095"):
        LatentAugmenter(url, MODEL).fit_resample(np.rint(4095 * X).astype(np.int64), Y)


CHECKS = {check.func.__name__: check for _, check in parametrize_with_checks([LatentAugmenter()]).args[1]}


def test_the_exceptions_are_checks_that_there_are() -> None:
    assert EXCEPTIONS.keys() < CHECKS.keys()


@pytest.mark.parametrize("name", sorted(CHECKS.keys() - EXCEPTIONS.keys()))
def test_imbalanced_learns_own_checks(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator_checks, "make_classification", images_like)
    CHECKS[name](LatentAugmenter(url, MODEL))


RECIPE = {"spread": {"space": "pixels"}, "parts": [{"source": "affine", "copies": 2}], "seed": 1}


def test_a_recipe_labels_rows_and_makes_new_ones(url: str) -> None:
    some = np.where(np.arange(300) < 100, Y[:300], -1)
    sampler = LatentAugmenter(url, recipe=RECIPE)
    new_x, new_y = sampler.fit_resample(X[:300], some)

    taken = len(new_x) // 3
    assert (new_x[:100] == X[:100]).all()
    assert (new_y[:100] == Y[:100]).all()
    assert sampler.source_[100:taken].min() >= 100, "newly labelled rows follow"
    assert (new_x[100:taken] == X[sampler.source_[100:taken]]).all()
    assert np.mean(new_y[100:taken] == Y[sampler.source_[100:taken]]) > 0.9
    assert (new_y[taken:] == new_y[:taken].repeat(2)).all()
    assert new_y.dtype == some.dtype
    with Client(url) as client:
        assert not [dataset for dataset in client.datasets() if dataset["name"].startswith("recipe-")]


def test_a_recipes_rows_keep_their_form_and_labels_their_names(url: str) -> None:
    rows, names = X[:60].reshape(-1, 8, 8), np.array([f"digit {label}" for label in Y[:60]])
    new_x, new_y = LatentAugmenter(url, recipe={"parts": [{"source": "elastic"}]}).fit_resample(rows, names)
    assert (new_x.shape, new_x.dtype) == ((120, 8, 8), rows.dtype)
    assert new_y.tolist() == [*names, *names]


def test_a_recipe_says_what_does_not_fit(url: str) -> None:
    with pytest.raises(ValueError, match=r"scale it to 0\.\.1"):
        LatentAugmenter(url, recipe={}).fit_resample(X[:20] * 16, Y[:20])
    with pytest.raises(ValueError, match="no square images"):
        LatentAugmenter(url, recipe={}).fit_resample(X[:20, :63], Y[:20])
    with pytest.raises(Invalid, match="name a model"):
        LatentAugmenter(url, recipe={"parts": [{"source": "noise"}]}).fit_resample(X[:20], Y[:20])
