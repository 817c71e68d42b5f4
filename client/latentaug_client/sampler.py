"""`LatentAugmenter`: a sampler for the pipelines of imbalanced-learn. It needs `latentaug-client[sklearn]`.

>>> from sklearn.datasets import load_digits
>>> from latentaug_client.sampler import LatentAugmenter
>>> X, y = load_digits(return_X_y=True)
>>> kept = (y != 3) | (np.arange(len(y)) < 300)  # so that threes are few
>>> X, y = X[kept] / 16, y[kept]
>>> int((y == 3).sum()), int(np.bincount(y).max())
(29, 182)
>>> X_new, y_new = LatentAugmenter(url, "digits-vae").fit_resample(X, y)
>>> int((y_new == 3).sum())
182
"""

from __future__ import annotations

import math
import sys
from numbers import Real
from typing import Any, ClassVar, NoReturn

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import validate_data

from latentaug_client.client import Client
from latentaug_client.errors import Invalid
from latentaug_client.labels import as_array, unlabelled
from latentaug_client.options import AskedDecode, AugmentOptions, Method
from latentaug_client.payloads import Augmented
from latentaug_client.recipes import training_set
from latentaug_client.rows import as_rows, check_order, intensities, white_of, whole_columns

MOST_K = 64
"""Most neighbours of an image; where more new images are made of each, neighbours serve again, each a shorter way."""
LEAST_K = 3
"""Fewest neighbours of an image of which at least as many new ones are made: of fewer all would look alike."""


class _Secret(str):
    """A text that is not shown where an estimator, or a pipeline that holds it, is."""

    def __repr__(self) -> str:
        return "'***'"


class LatentAugmenter(BaseOverSampler):  # type: ignore[misc]  # imbalanced-learn has no types
    """Adds images made by a service's VAE until each class has as many as you want.

    The rows of X are images of the size that the model takes, in 0..1 or as whole numbers in 0..255, as [n, h, w] or
    [n, h, w, c], or flattened as `images.reshape(n, -1)`. The new rows follow the given ones and have the same form,
    type and range: their values are those of 256 grey levels, or 0 and 1 where X holds no other whole numbers, or
    truths. They are made from rows of their own class, from each of them equally often as far as possible.
    Rows without a label (-1, NaN, None or an empty text in y) stay as they are and where they are, and are no class.
    A pipeline of imbalanced-learn samples only the training part of each fold, never the part that is scored.

    Args:
        url: the service's URL.
        model: name of a trained model.
        key: API key, if the service asks for one.
        method: `interpolation`, `extrapolation` or `noise`; None for the service's default.
        alpha: how far a new image lies from the one it is made from; None for the service's default.
        decode: `reconstruction`, or `residual`, which keeps detail that the model blurs; None for the service's
            default.
        recipe: a recipe, or the id of a recommend job, whose training set is wanted instead of evenly many rows of each
            class. Rows without a label (-1, NaN, None or an empty text) may then get one. `fit_resample` returns the
            labelled rows, the newly labelled ones and the new ones, and leaves out what has no label still. The key
            must be one that may train and delete, as X is uploaded for as long as that takes.
        sampling_strategy: how many rows each class is to have, as for the over-samplers of imbalanced-learn. By default
            each class gets as many as the largest has.
        random_state: seed for the noise, and for which rows are used once more than others. None means 0.

    Attributes:
        sampling_strategy_: how many new rows were made for each class.
        source_: int64 [m], the row of X that each new row was made from, so that both can be kept in one fold.
        neighbour_: int64 [m], the row of X that it was moved towards or away from; -1 for noise, which has none.
    """

    source_: NDArray[np.int64]
    neighbour_: NDArray[np.int64]

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseOverSampler._parameter_constraints,
        "url": [str],
        "model": [str],
        "key": [str, None],
        "method": [str, None],  # which there are, and how far alpha goes, is the service's to say
        "alpha": [Real, None],
        "decode": [str, None],
        "recipe": [dict, str, None],
    }

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        model: str = "",
        *,
        key: str | None = None,
        method: Method | None = None,
        alpha: float | None = None,
        decode: AskedDecode | None = None,
        recipe: dict[str, Any] | str | None = None,
        sampling_strategy: Any = "auto",
        random_state: int | None = None,
    ) -> None:
        super().__init__(sampling_strategy=sampling_strategy)
        self.url = url
        self.model = model
        self.key = key
        self.method = method
        self.alpha = alpha
        self.decode = decode
        self.recipe = recipe
        self.random_state = random_state

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a parameter; the key as one that is never shown."""
        hidden = name == "key" and isinstance(value, str) and not isinstance(value, _Secret)
        super().__setattr__(name, _Secret(value) if hidden else value)

    @property
    def transform(self) -> NoReturn:
        """None: what changes the number of rows is no transformer. A pipeline of scikit-learn takes nothing else."""
        if sys._getframe(1).f_globals["__name__"] == "sklearn.pipeline":
            raise TypeError(
                "LatentAugmenter adds rows, which no pipeline of scikit-learn can do; use make_pipeline or Pipeline of "
                "imblearn.pipeline, which do all else alike"
            )
        raise AttributeError("LatentAugmenter is a sampler and has no transform; call fit_resample")

    def fit(self, X: Any, y: Any, **params: Any) -> LatentAugmenter:
        """Check X and y and count the new rows of each class, without making them."""
        rows, labels = _labelled(y)
        if rows is not None:
            X, y = _safe_indexing(X, rows), labels
        super().fit(X, y, **params)
        return self

    def fit_resample(self, X: Any, y: Any, **params: Any) -> tuple[Any, Any]:
        """Return X and y followed by the new rows and their labels.

        Raises:
            ValueError: no row has a label.
        """
        if self.recipe is not None:
            return self._by_recipe(X, y)
        rows, labels = _labelled(y)
        if rows is None:
            whole: tuple[Any, Any] = super().fit_resample(X, y, **params)
            return whole
        sampled, named = super().fit_resample(_safe_indexing(X, rows), labels, **params)
        self.source_ = rows[self.source_]
        self.neighbour_ = np.where(self.neighbour_ < 0, -1, rows[self.neighbour_])
        new = np.arange(len(rows), len(named))
        return _joined(X, _safe_indexing(sampled, new)), _joined(y, named[new])

    def _by_recipe(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return the recipe's training set: the labelled rows, newly labelled ones, and new rows made of both."""
        self._validate_params()
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        with Client(self.url, self.key) as client:
            made = training_set(client, self.recipe or {}, dense, y)
        self.source_, self.neighbour_ = made.source, made.neighbour
        return (sparse.csr_matrix(made.rows).asformat(X.format) if sparse.issparse(X) else made.rows), made.labels

    def _check_X_y(  # noqa: N802  (the base class's name)
        self, X: Any, y: Any, accept_sparse: Any = None
    ) -> tuple[Any, NDArray[Any], bool]:
        """Check them as the base class does, but let images have more than two dimensions."""
        y, binarised = check_target_type(y, indicate_one_vs_all=True)
        rows, y = validate_data(
            self, X=X, y=y, reset=True, accept_sparse=accept_sparse or ["csr", "csc"], allow_nd=True
        )
        self._whole = whole_columns(X, rows.dtype)  # of the frame that X may be, whose types an array does not tell
        return rows, y, binarised

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        """X followed by the new rows; `sampling_strategy_` says how many of each class."""
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        random = check_random_state(0 if self.random_state is None else self.random_state)
        white = white_of(dense)
        parts, sources, neighbours = [dense], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        with Client(self.url, self.key) as client:
            shape = self._image_shape(client, dense.shape[1:])
            for label, wanted in self.sampling_strategy_.items():
                if wanted:
                    rows = np.flatnonzero(y == label)
                    images = intensities(dense[rows].reshape(-1, *shape), white)
                    made = self._children(client, images, wanted, random, label)
                    parts.append(as_rows(made.images, dense, self._whole, white))
                    sources.append(rows[made.source])
                    neighbours.append(np.where(made.neighbour < 0, -1, rows[made.neighbour]))
        self.source_ = np.concatenate(sources)
        self.neighbour_ = np.concatenate(neighbours)
        joined = np.concatenate(parts)
        new = sparse.csr_matrix(joined).asformat(X.format) if sparse.issparse(X) else joined
        return new, np.concatenate([y, y[self.source_]])

    def _image_shape(self, client: Client, row: tuple[int, ...]) -> tuple[int, int, int]:
        """Height, width and channels of the model's images, which those of X must be too."""
        model = client.model(self.model)
        shape = model["height"], model["width"], model["channels"]
        if math.prod(row) != math.prod(shape):
            raise ValueError(
                f"X has {math.prod(row)} features, but the model {self.model!r} takes {shape[0]}x{shape[1]}x{shape[2]} "
                f"= {math.prod(shape)}; give images of that size"
            )
        check_order(row, shape)
        return shape

    def _children(
        self, client: Client, images: NDArray[np.float32], wanted: int, random: np.random.RandomState, label: Any
    ) -> Augmented:
        """Make `wanted` new images of one class: first one of each image, in random order, then another, and so on."""
        each = -(-wanted // len(images))
        try:
            made = client.augment(images, model=self.model, **self._options(each, len(images), random))
        except Invalid as error:
            if error.code != "too_few_images":
                raise
            raise ValueError(_too_few(label, len(images))) from error
        order = each * random.permutation(len(images)) + np.arange(each)[:, None]  # [each, n], places in `made`
        chosen = order.ravel()[:wanted]
        return Augmented(made.images[chosen], None, made.source[chosen], made.neighbour[chosen], made.decode)

    def _options(self, each: int, images: int, random: np.random.RandomState) -> AugmentOptions:
        """What to ask for: `each` new images from each of the `images`, and those options that were given."""
        k = min(each, MOST_K)
        if self.method != "noise":
            k = min(k, max(images - 1, LEAST_K))
        options: AugmentOptions = {"k": k, "seed": int(random.randint(2**31))}
        if each > k:
            options["per_image"] = each
        if self.method is not None:
            options["method"] = self.method
        if self.alpha is not None:
            options["alpha"] = self.alpha
        if self.decode is not None:
            options["decode"] = self.decode
        return options


def _too_few(label: Any, images: int) -> str:
    """What to do about a class that has too few images for neighbours."""
    name = repr(label.item() if isinstance(label, np.generic) else label)
    most = images * (images - 1)
    fewer = f"ask for at most {most} new ones by sampling_strategy, " if most else ""
    return (
        f"class {name} has {images} {'image' if images == 1 else 'images'}, and new ones need {LEAST_K} neighbours of "
        f"their class. Give {LEAST_K + 1} images of it or more, {fewer}or use method='noise', which needs no neighbours"
    )


def _labelled(y: Any) -> tuple[NDArray[np.int64], NDArray[Any]] | tuple[None, None]:
    """The rows that have a label, int64 [m], and their labels; None twice where every row has one."""
    if np.ndim(y) != 1:
        return None, None
    labels = as_array(y)
    gaps = unlabelled(labels)
    if not gaps.any():
        return None, None
    if gaps.all():
        raise ValueError("no row has a label; give some rows a label other than -1, NaN, None and an empty text")
    rows = np.flatnonzero(~gaps)
    return rows, labels[rows]


def _joined(given: Any, more: Any) -> Any:
    """Rows or labels followed by more of them, in a container like the given one."""
    if sparse.issparse(given):
        return sparse.vstack([given, more], format=given.format)
    if isinstance(given, list):
        return [*given, *(more if isinstance(more, list) else more.tolist())]
    together = np.concatenate([np.asarray(given), np.asarray(more)])
    if not hasattr(given, "iloc"):
        return together
    # A data frame or a series of pandas, which need not be installed.
    if together.ndim == 1:
        return type(given)(together, name=given.name).astype(given.dtype)
    return type(given)(together, columns=given.columns).astype(given.dtypes)
