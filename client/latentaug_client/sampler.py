"""`LatentAugmenter`: a sampler for scikit-learn's and imbalanced-learn's pipelines. Needs `latentaug-client[sklearn]`.

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

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from latentaug_client.client import Client
from latentaug_client.payloads import Augmented

MOST_CHILDREN = 64
"""Of one image in one request: the service's own bound on k and copies."""


class LatentAugmenter(BaseOverSampler):  # type: ignore[misc]  # imbalanced-learn has no types
    """Adds images that a service's VAE makes, until each class has as many as wanted.

    Rows are images in 0..1 of the model's size, as [n, h, w], [n, h, w, c] or flattened as `images.reshape(n, -1)`; new
    rows come in the same form, on the service's 256 grey levels, behind those that were there. They are made of the
    class's own rows only, each row serving as evenly as the number allows. A pipeline of imbalanced-learn samples the
    training part of each fold alone, never what is scored.

    Args:
        url: of the service.
        model: name of a trained model.
        key: where the service asks for one.
        method: `interpolation`, `extrapolation` or `noise`.
        alpha: how far.
        decode: `reconstruction`, or `residual`, which keeps the detail that the model blurs.
        sampling_strategy: how many of each class, as imbalanced-learn's over-samplers take it: by default as many as
            the largest class has.
        random_state: seed of the noise, and of which rows serve once more than others; None is 0.

    Attributes:
        sampling_strategy_: how many new rows of each class were made.
        source_: int64 [m], for each new row the row of X that it was made of, so that both can be kept in one fold.
        neighbour_: int64 [m], the row of X that it leans on; -1 for noise, which has none.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseOverSampler._parameter_constraints,
        "url": [str],
        "model": [str],
        "key": [str, None],
        "method": [StrOptions({"interpolation", "extrapolation", "noise"})],
        "alpha": [Interval(Real, 0, 10, closed="both")],
        "decode": [StrOptions({"reconstruction", "residual"})],
    }

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        model: str = "",
        *,
        key: str | None = None,
        method: Literal["noise", "interpolation", "extrapolation"] = "interpolation",
        alpha: float = 0.5,
        decode: Literal["reconstruction", "residual"] = "reconstruction",
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
        self.random_state = random_state

    def _check_X_y(  # noqa: N802  (the base class's name)
        self, X: Any, y: Any, accept_sparse: Any = None
    ) -> tuple[Any, NDArray[Any], bool]:
        """As the base class checks them, but images may stay images."""
        y, binarised = check_target_type(y, indicate_one_vs_all=True)
        X, y = validate_data(self, X=X, y=y, reset=True, accept_sparse=accept_sparse or ["csr", "csc"], allow_nd=True)
        return X, y, binarised

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        """X and the new rows behind it; `sampling_strategy_` says how many of each class."""
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        random = check_random_state(0 if self.random_state is None else self.random_state)
        parts, sources, neighbours = [dense], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        with Client(self.url, self.key) as client:
            shape = self._image_shape(client, int(np.prod(dense.shape[1:])))
            for label, wanted in self.sampling_strategy_.items():
                if wanted:
                    rows = np.flatnonzero(y == label)
                    made = self._children(client, dense[rows].reshape(-1, *shape), wanted, random)
                    parts.append((made.images / 255).reshape(wanted, *dense.shape[1:]).astype(dense.dtype))
                    sources.append(rows[made.source])
                    neighbours.append(np.where(made.neighbour < 0, -1, rows[made.neighbour]))
        self.source_: NDArray[np.int64] = np.concatenate(sources)
        self.neighbour_: NDArray[np.int64] = np.concatenate(neighbours)
        joined = np.concatenate(parts)
        new = sparse.csr_matrix(joined).asformat(X.format) if sparse.issparse(X) else joined
        return new, np.concatenate([y, y[self.source_]])

    def _image_shape(self, client: Client, features: int) -> tuple[int, int, int]:
        model = client.model(self.model)
        height, width, channels = model["height"], model["width"], model["channels"]
        if features != height * width * channels:
            raise ValueError(
                f"X has {features} features; the model {self.model!r} takes {height}x{width}x{channels} = "
                f"{height * width * channels}: give images of that size, flattened"
            )
        return height, width, channels

    def _children(self, client: Client, rows: NDArray[Any], wanted: int, random: np.random.RandomState) -> Augmented:
        """`wanted` new images of one class's: first one of each row, in random order, then another, and so on."""
        if rows.min() < 0 or rows.max() > 1:
            raise ValueError(f"X lies in {rows.min():g}..{rows.max():g}; scale it to 0..1, as intensities")
        each = -(-wanted // len(rows))
        most = MOST_CHILDREN if self.method == "noise" else min(MOST_CHILDREN, len(rows) - 1)
        if each > most:
            raise ValueError(
                f"{wanted} new images were wanted of {len(rows)}: at most {most} of each can be made; "
                "give more of this class, ask for fewer, or use method='noise'"
            )
        made = client.augment(
            rows.astype(np.float32),
            model=self.model,
            method=self.method,
            alpha=self.alpha,
            k=each,
            decode=self.decode,
            seed=int(random.randint(2**31)),
        )
        order = each * random.permutation(len(rows)) + np.arange(each)[:, None]  # [each, n], places in `made`
        chosen = order.ravel()[:wanted]
        return Augmented(made.images[chosen], None, made.source[chosen], made.neighbour[chosen])
