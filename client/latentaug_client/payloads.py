"""Turns images and labels into the bytes of a request, and the bytes of an answer into arrays. Nothing is unpickled."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client.folders import read_folder, zipped
from latentaug_client.images import Images, gathered
from latentaug_client.labels import as_array, as_list, of_sources
from latentaug_client.zips import zipped_batch

NPY, NPZ, ZIP = "application/x-npy", "application/x-npz", "application/zip"


@dataclass(frozen=True)
class Body:
    """The body of a request: bytes with their type, or a form."""

    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    files: list[tuple[str, tuple[str, bytes]]] | None = None
    data: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Encoded:
    """What `encode` returns.

    Attributes:
        latents: means of q(z|x), float32 [n, latent_dim].
        log_variances: logarithms of its variances, float32 [n, latent_dim].
        reconstruction_error: mean squared error per pixel of intensities in 0..1, float32 [n].
    """

    latents: NDArray[np.float32]
    log_variances: NDArray[np.float32]
    reconstruction_error: NDArray[np.float32]


@dataclass(frozen=True)
class Augmented:
    """What `augment` returns.

    Attributes:
        images: the new images, uint8 [m, h, w], or [m, h, w, 3] from a model of colour images.
        labels: one label for each new image, which is its source's; None if no labels were sent.
        source: int64 [m], index of the image in the request that each was made from.
        neighbour: int64 [m], index of the neighbour that it was moved towards or away from; -1 if there is none.
        decode: how altered latents became images: residual, reconstruction or warp, where `auto` was asked for too.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any] | None
    source: NDArray[np.int64]
    neighbour: NDArray[np.int64]
    decode: str


@dataclass(frozen=True)
class Labelled:
    """Images, uint8 [n, h, w(, 3)], and one label for each, an empty text for no label; or None in all."""

    images: NDArray[np.uint8]
    labels: NDArray[Any] | None


@dataclass(frozen=True)
class SpreadLabels:
    """What `label` returns.

    Attributes:
        labels: one label for each image, of the type that was sent; an image that is unlike every labelled one has
            none, which is -1 among whole numbers and "" among texts.
        confidence: the chance that each label is right, float32 [n]: 1 where it was sent, 0 where there is none.
        kept: bool [n], whether each image belongs in a training set.
    """

    labels: NDArray[Any]
    confidence: NDArray[np.float32]
    kept: NDArray[np.bool_]


def images_body(images: Images, labels: ArrayLike | None) -> Body:
    """Images and labels as npz if they are arrays, and as the files of a form if they are files.

    Raises:
        ValueError: there are more or fewer labels than images, or the arrays have several sizes.
    """
    batch = gathered(images)
    _check_length(labels, len(batch))
    if isinstance(batch, np.ndarray):
        return Body(_npz({"images": batch}, labels), {"Content-Type": NPZ})
    files = [("images", (f"image {i}", file)) for i, file in enumerate(batch)]
    data = None if labels is None else {"labels": json.dumps(as_list(labels))}
    return Body(files=files, data=data)


def dataset_body(
    source: Images | str | PathLike[str], labels: ArrayLike | None, unlabelled: str | PathLike[str] | None = None
) -> Body:
    """A data set: images with labels, a .zip or .npz file, or a folder with one folder per class.

    Raises:
        ValueError: labels were given with files, which have their own; unlabelled images with anything but a folder; or
            what `read_folder` raises.
    """
    folder = isinstance(source, str | PathLike) and Path(source).is_dir()
    if unlabelled is not None and not folder:
        raise ValueError("a folder of unlabelled images goes with a folder of class folders only; give such a folder")
    if not isinstance(source, str | PathLike):
        batch = gathered(source)
        _check_length(labels, len(batch))
        if isinstance(batch, np.ndarray):
            return Body(_npz({"images": batch}, labels), {"Content-Type": NPZ})
        return Body(zipped_batch(batch, labels), {"Content-Type": ZIP})
    path = Path(source)
    if labels is not None:
        raise ValueError("labels go with images only; in a zip or folder, the name of an image's folder is its label")
    if folder:
        return Body(zipped(read_folder(path, unlabelled)), {"Content-Type": ZIP})
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    if path.suffix.lower() not in (".zip", ".npz"):
        raise ValueError(f"{path} is no .zip, no .npz and no folder; give one of these, or the images themselves")
    return Body(path.read_bytes(), {"Content-Type": NPZ if path.suffix.lower() == ".npz" else ZIP})


def npy_body(array: NDArray[Any]) -> Body:
    """One array as npy."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return Body(out.getvalue(), {"Content-Type": NPY})


def read_npy(response: httpx.Response) -> NDArray[Any]:
    """The array in an answer."""
    array: NDArray[Any] = np.load(io.BytesIO(response.content), allow_pickle=False)
    return array


def read_augmented(content: bytes, labels: ArrayLike | None, decode: str | None = None) -> Augmented:
    """The new images in an answer, or in a job's result, which leaves it to its record what `decode` it took.

    Args:
        content: an npz.
        labels: what was sent; the new images have the labels of their sources, of the same type.
        decode: how altered latents became images, where the npz does not say so.
    """
    arrays = _arrays(content)
    source = arrays["source"]
    named = None if labels is None else of_sources(labels, source)
    return Augmented(arrays["images"], named, source, arrays["neighbour"], decode or str(arrays["decode"]))


def read_encoded(response: httpx.Response) -> Encoded:
    """The latents in an answer."""
    arrays = _arrays(response.content)
    return Encoded(arrays["latents"], arrays["log_variances"], arrays["reconstruction_error"])


def read_spread(response: httpx.Response) -> SpreadLabels:
    """The labels in an answer."""
    arrays = _arrays(response.content)
    return SpreadLabels(arrays["labels"], arrays["confidence"], arrays["kept"])


def read_labelled(content: bytes) -> Labelled:
    """The images that an augment job made, from its npz."""
    arrays = _arrays(content)
    return Labelled(arrays["images"], arrays.get("labels"))


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def _check_length(labels: ArrayLike | None, images: int) -> None:
    if labels is not None and len(as_array(labels)) != images:
        raise ValueError(f"there are {images} images but {len(as_array(labels))} labels; give one label for each image")


def _npz(arrays: Mapping[str, NDArray[Any]], labels: ArrayLike | None) -> bytes:
    if labels is not None:
        arrays = {**arrays, "labels": as_array(labels)}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()
