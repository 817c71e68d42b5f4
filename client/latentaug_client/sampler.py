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

from typing import Any, Literal

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from numpy.typing import NDArray
from scipy import sparse

from latentaug_client.client import Client

MOST_CHILDREN = 64
"""Of one image in one request: the service's own bound on k and copies."""


class LatentAugmenter(BaseOverSampler):  # type: ignore[misc]  # imbalanced-learn has no types
    """Adds images that a service's VAE makes, until each class has as many as wanted.

    Rows are images in 0..1, flattened as `images.reshape(n, -1)`, of the model's size; new rows are on the service's
    256 grey levels. They are made of the class's own rows only, each row serving as evenly as the number allows.
    A pipeline of imbalanced-learn samples the training part of each fold alone, never what is scored.

    Args:
        url: of the service.
        model: name of a trained model.
        key: where the service asks for one.
        method: `interpolation`, `extrapolation` or `noise`.
        alpha: how far.
        decode: `reconstruction`, or `residual`, which keeps the detail that the model blurs.
        sampling_strategy: how many of each class, as imbalanced-learn's over-samplers take it: by default as many as
            the largest class has.
        random_state: seed of the noise, an int, or None for 0.
    """

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

    def _fit_resample(self, X: Any, y: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        """X and the new rows behind it; `sampling_strategy_` says how many of each class."""
        dense = X.toarray() if sparse.issparse(X) else np.asarray(X)
        parts, labels = [dense], [y]
        with Client(self.url, self.key) as client:
            shape = self._image_shape(client, dense.shape[1])
            for label, wanted in self.sampling_strategy_.items():
                if wanted:
                    rows = dense[y == label].reshape(-1, *shape)
                    parts.append(self._children(client, rows, wanted).reshape(wanted, -1).astype(dense.dtype))
                    labels.append(np.full(wanted, label, dtype=y.dtype))
        joined = np.concatenate(parts)
        new = sparse.csr_matrix(joined).asformat(X.format) if sparse.issparse(X) else joined
        return new, np.concatenate(labels)

    def _image_shape(self, client: Client, features: int) -> tuple[int, int, int]:
        model = client.model(self.model)
        height, width, channels = model["height"], model["width"], model["channels"]
        if features != height * width * channels:
            raise ValueError(
                f"X has {features} features; the model {self.model!r} takes {height}x{width}x{channels} = "
                f"{height * width * channels}: give images of that size, flattened"
            )
        return height, width, channels

    def _children(self, client: Client, rows: NDArray[Any], wanted: int) -> NDArray[np.float64]:
        """`wanted` new images of one class's, in 0..1: first one of each row, then another, with further neighbours."""
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
            seed=self.random_state or 0,
        )
        children = made.images.reshape(len(rows), each, -1).swapaxes(0, 1)  # [each, n, h * w * c]
        return children.reshape(each * len(rows), -1)[:wanted] / 255
