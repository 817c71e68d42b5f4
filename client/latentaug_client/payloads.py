"""Images and labels to the bytes of a request, and the bytes of an answer to arrays. Nothing is ever unpickled."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import numpy as np
from numpy.typing import ArrayLike, NDArray

NPY, NPZ, ZIP = "application/x-npy", "application/x-npz", "application/zip"
SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


class Picture(Protocol):
    """A PIL image, as far as it is needed; PIL itself is not."""

    def save(self, file: Any, format: str) -> None:
        """Write the image."""


Image: TypeAlias = NDArray[Any] | str | PathLike[str] | bytes | Picture
Images: TypeAlias = NDArray[Any] | Sequence[Image]
"""An array uint8 or float in 0..1, [n, h, w] or [n, h, w, c]; or arrays of one size, paths, bytes or PIL images."""


@dataclass(frozen=True)
class Body:
    """A request's body: bytes of one type, or a form."""

    content: bytes | None = None
    headers: Mapping[str, str] | None = None
    files: list[tuple[str, tuple[str, bytes]]] | None = None
    data: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Encoded:
    """What `encode` gives.

    Attributes:
        latents: means of q(z|x), float32 [n, latent_dim].
        log_variances: float32 [n, latent_dim].
        reconstruction_error: mean squared error a pixel, intensities in 0..1, float32 [n].
    """

    latents: NDArray[np.float32]
    log_variances: NDArray[np.float32]
    reconstruction_error: NDArray[np.float32]


@dataclass(frozen=True)
class Augmented:
    """What `augment` gives.

    Attributes:
        images: uint8 [m, h, w], or [m, h, w, 3] where the model is of colour.
        labels: one each, or None where none were sent.
        source: int64 [m], each image's source by its place in the request.
        neighbour: int64 [m], the neighbour it leans on; -1 for none.
    """

    images: NDArray[np.uint8]
    labels: NDArray[Any] | None
    source: NDArray[np.int64]
    neighbour: NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """Images uint8 [n, h, w(, 3)] and their labels, one each or None."""

    images: NDArray[np.uint8]
    labels: NDArray[Any] | None


def images_body(images: Images, labels: ArrayLike | None) -> Body:
    """Images and labels as npz where they are numbers, as files in a form where they are files.

    Raises:
        ValueError: as many labels as images are needed, or arrays that are not of one size.
    """
    array = _stacked(images)
    if labels is not None and len(np.asarray(labels)) != len(images):
        raise ValueError(f"{len(images)} images but {len(np.asarray(labels))} labels; give one label an image")
    if array is not None:
        return Body(_npz({"images": array}, labels), {"Content-Type": NPZ})
    files = [("images", (f"{i}", _file(image))) for i, image in enumerate(images)]
    data = None if labels is None else {"labels": json.dumps(np.asarray(labels).tolist())}
    return Body(files=files, data=data)


def dataset_body(source: NDArray[Any] | str | PathLike[str], labels: ArrayLike | None) -> Body:
    """A data set: an array with labels, a .zip or .npz file, or a folder of class folders.

    Raises:
        ValueError: labels beside files, which have their own; or a folder without an image.
    """
    if isinstance(source, np.ndarray):
        return Body(_npz({"images": source}, labels), {"Content-Type": NPZ})
    path = Path(source)
    if labels is not None:
        raise ValueError("labels go with an array; in a zip or folder each image's folder is its label")
    if path.is_dir():
        return Body(_zipped(path), {"Content-Type": ZIP})
    return Body(path.read_bytes(), {"Content-Type": NPZ if path.suffix == ".npz" else ZIP})


def image_files(folder: Path) -> list[Path]:
    """All image files in a folder and in those within it, by path.

    Raises:
        ValueError: there are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{folder} holds no image files ({', '.join(sorted(SUFFIXES))}); give a folder that does")
    return files


def npy_body(array: NDArray[Any]) -> Body:
    """One array."""
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return Body(out.getvalue(), {"Content-Type": NPY})


def read_npy(response: httpx.Response) -> NDArray[Any]:
    """The array of an answer."""
    array: NDArray[Any] = np.load(io.BytesIO(response.content), allow_pickle=False)
    return array


def read_augmented(response: httpx.Response) -> Augmented:
    """New images."""
    arrays = _arrays(response.content)
    return Augmented(arrays["images"], arrays.get("labels"), arrays["source"], arrays["neighbour"])


def read_encoded(response: httpx.Response) -> Encoded:
    """Latents."""
    arrays = _arrays(response.content)
    return Encoded(arrays["latents"], arrays["log_variances"], arrays["reconstruction_error"])


def read_labelled(content: bytes) -> Labelled:
    """The images that an augment job made, from its npz."""
    arrays = _arrays(content)
    return Labelled(arrays["images"], arrays.get("labels"))


def _arrays(content: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def _stacked(images: Images) -> NDArray[Any] | None:
    """One array of all images where they are arrays, else None."""
    if isinstance(images, np.ndarray):
        return images
    arrays = [image for image in images if isinstance(image, np.ndarray)]
    if not arrays:
        return None
    if len(arrays) < len(images):
        raise ValueError("some images are arrays and some are not; give all in one form")
    if len({array.shape for array in arrays}) > 1:
        raise ValueError("the arrays have several shapes; give arrays of one shape, or PIL images or paths")
    return np.stack(arrays)


def _file(image: Image) -> bytes:
    """An image file's bytes."""
    if isinstance(image, bytes):
        return image
    if isinstance(image, str | PathLike):
        return Path(image).read_bytes()
    if isinstance(image, np.ndarray) or not hasattr(image, "save"):
        raise TypeError(f"{type(image).__name__} is no image; give arrays, paths, bytes of files or PIL images")
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def _npz(arrays: Mapping[str, NDArray[Any]], labels: ArrayLike | None) -> bytes:
    if labels is not None:
        found = np.asarray(labels)
        arrays = {**arrays, "labels": found.astype(str) if found.dtype.kind == "O" else found}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def _zipped(folder: Path) -> bytes:
    """A folder's image files under their paths in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # images are compressed already
        for path in image_files(folder):
            archive.write(path, path.relative_to(folder).as_posix())
    return out.getvalue()
