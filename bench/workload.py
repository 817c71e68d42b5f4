"""What every contender of the serving benchmark is given: one trained model, requests, and the answers to expect."""

from __future__ import annotations

import hashlib
import io
import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import httpx
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load as load_tensors

from bench import connection, plain
from latentaug.augment.methods import sigma
from latentaug.datasets import digits
from latentaug.imaging.pixels import encode_png
from latentaug.options import TrainingOptions
from latentaug.storage import models
from latentaug.storage.models import ModelDescription, ProjectedDataset
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import pixels
from latentaug.vae.codec import architecture_of
from latentaug.vae.networks import Network, to_bytes
from latentaug.vae.training import fit

MODEL = "bench"
TRAINING = 1000
CHILDREN = 3
ALPHA = 0.5
OPTIONS: dict[str, str | int | float] = {"method": "interpolation", "alpha": ALPHA, "k": CHILDREN}

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Shape:
    """How the work arrives: images per request, and clients that send at once."""

    images: int
    clients: int

    @property
    def options(self) -> dict[str, str | int | float]:
        """Options of the request: too few images to be one another's neighbours have theirs in the data set."""
        return OPTIONS | {"neighbours": "batch" if self.images > CHILDREN else "dataset"}

    @property
    def name(self) -> str:
        """In words."""
        images, clients = self.images, self.clients
        return f"{images} image{'s' * (images > 1)} x {clients} client{'s' * (clients > 1)}"


SHAPES = (Shape(64, 4), Shape(256, 4), Shape(16, 8), Shape(1, 16), Shape(1, 1))


@dataclass(frozen=True)
class Request:
    """One HTTP request, and how the images of its answer are read."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    read: Callable[[bytes], Images]

    def written(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """As bytes for the server at `url`, with more headers if need be."""
        return connection.written(url, self.path, {**self.headers, **(headers or {})}, self.body)


def training_images() -> Images:
    """Return what the model is trained on: bundled digits enlarged to MNIST's shape, uint8 [1000, 28, 28, 1]."""
    return _enlarged(digits.load().images[:TRAINING])


def request_images(n: int) -> Images:
    """Return the images of requests: up to 797 others, because an image must not be its own neighbour."""
    return _enlarged(digits.load().images[TRAINING : TRAINING + n])


def save_trained(store: ArtefactStore) -> None:
    """Train the model for a few seconds, enough for images that compress like images, and keep it."""
    images = training_images()
    trained = fit(images[:900], images[900:], 20, TrainingOptions(epochs=5))
    save(store, MODEL, trained.vae, images)


def save(store: ArtefactStore, name: str, vae: Network, images: Images) -> None:
    """Keep a model with the latents of `images` as the data set that it was trained on."""
    with torch.inference_mode():
        latents = vae.encode(pixels(torch.from_numpy(images)))[0].numpy()
    projected = ProjectedDataset(latents=latents, labels=None, rows=np.arange(len(images), dtype=np.int64))
    weights, a = to_bytes(vae), vae.architecture
    description = ModelDescription(
        name=name,
        version="v1",
        height=a.height,
        width=a.width,
        channels=a.channels,
        latent_dim=a.latent_dim,
        hidden=a.hidden,
        dataset="digits",
        dataset_checksum="0",
        classes=[],
        sigma=sigma(latents).tolist(),
        training={},
        best_epoch=1,
        training_images=len(images),
        validation_images=1,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        latents_sha256=hashlib.sha256(models.projected_bytes(projected)).hexdigest(),
        created_at=datetime.now(UTC),
        job_id="v1",
    )
    models.save(store, description, weights, projected)


def plain_model(store: ArtefactStore, name: str = MODEL, device: str = "cpu") -> plain.PlainModel:
    """Load a kept model as the plain network, on a torch device."""
    about = models.describe(store, name)
    weights = load_tensors(models.read_weights(store, about))
    return plain.load(architecture_of(about), weights, models.read_projected(store, about).latents, device)


def npy_request(images: Images, shape: Shape) -> Request:
    """Make a request with npy in and npy out."""
    return Request(_path(shape), to_npy(images), _headers("application/x-npy", "application/x-npy"), from_npy)


def json_request(images: Images, shape: Shape) -> Request:
    """Make a request with base64 PNG in JSON, in and out."""
    texts = [b64encode(encode_png(image)).decode() for image in images]
    body = json.dumps({"images": texts, **shape.options}).encode()
    path = f"/v1/models/{MODEL}/augment"
    return Request(path, body, _headers("application/json", "application/json"), _from_json)


def multipart_request(images: Images, shape: Shape) -> Request:
    """Make a request with PNG files in a form, and npy out."""
    files = [("images", (f"{i}.png", encode_png(image), "image/png")) for i, image in enumerate(images)]
    form = httpx.Request("POST", "http://any", files=files)
    return Request(_path(shape), form.read(), _headers(form.headers["Content-Type"], "application/x-npy"), from_npy)


def litserve_request(images: Images) -> Request:
    """Make a request with the same npy for LitServe."""
    return Request("/predict", to_npy(images), _headers("application/x-npy", "*/*"), from_npy)


def to_npy(array: NDArray[np.generic]) -> bytes:
    """Write an array as npy bytes."""
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


def from_npy(data: bytes) -> Images:
    """Read images from npy bytes, uint8 [n, h, w, c]."""
    images: Images = np.load(io.BytesIO(data), allow_pickle=False)
    return images if images.ndim == 4 else images[..., None]


def _enlarged(images: Images) -> Images:
    """From uint8 [n, 8, 8, 1] to [n, 28, 28, 1]: each pixel three times three, and a margin."""
    return np.pad(images.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2), (0, 0)))


def _from_json(data: bytes) -> Images:
    pictures = [np.asarray(Image.open(io.BytesIO(b64decode(text)))) for text in json.loads(data)["images"]]
    return np.stack(pictures)[..., None]


def _path(shape: Shape) -> str:
    return f"/v1/models/{MODEL}/augment?{urlencode(shape.options)}"


def _headers(content_type: str, accept: str) -> dict[str, str]:
    """LitServe compresses answers for clients that accept it, which costs it time, so no client here does."""
    return {"Accept": accept, "Accept-Encoding": "identity", "Content-Type": content_type}
