"""A trained VAE in the store: its description, its weights, and the latents of the images it was trained on.

No torch in here: the API process reads descriptions, and only the model server and the jobs read weights.
"""

from __future__ import annotations

import hashlib
import math
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from latentaug.errors import Conflict, Damaged, NotFound
from latentaug.options import ArchitectureName, AskedDecode, Decode
from latentaug.storage import artefacts, formats
from latentaug.storage.objects import ArtefactStore, check_name, whole

_LEAST_MSE = 1e-9
POOR_PSNR = 25.0
"""Peak signal-to-noise ratio of held-out reconstructions below which `decode=auto` takes residual, in decibels."""
UNFIT_PSNR = 18.0
"""Below it reconstructions are not fit to train on, in decibels."""


class Reconstruction(BaseModel):
    """How well a model reconstructs held-out images, with grey levels in 0..1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mse: float
    """Mean squared error."""
    psnr: float
    """Peak signal-to-noise ratio in decibels: 10 log10(1 / mse). Photos look good from about 25 on."""

    @staticmethod
    def of(mse: float) -> Reconstruction:
        """That of a mean squared error; a perfect reconstruction, for which JSON has no number, has 90 dB."""
        return Reconstruction(mse=mse, psnr=-10 * math.log10(max(mse, _LEAST_MSE)))


def advice(reconstruction: Reconstruction, in_use: int, latent_dim: int) -> str:
    """What to do about a model's reconstructions, in a sentence or two.

    Args:
        reconstruction: of held-out images.
        in_use: latent dimensions that tell images apart.
        latent_dim: all of them.
    """
    measured = f"{reconstruction.psnr:.1f} dB on held-out images"
    if in_use == 0:
        return (
            "Train this model again, with a smaller beta or more images: it gives the same picture for every image, "
            "because none of its latent dimensions is in use."
        )
    told = [f"Only {in_use} of {latent_dim} latent dimensions are in use."] if 4 * in_use < latent_dim else []
    if reconstruction.psnr < UNFIT_PSNR:
        told = [
            f"Do not train on this model's own pictures: they are too blurred ({measured}). By default new images are "
            "changes to their sources (decode residual) and stay sharp; longer training or more images would help.",
            *told,
        ]
    elif reconstruction.psnr < POOR_PSNR:
        told = [
            f"By default new images are changes to their sources (decode residual): the model's own pictures lose "
            f"detail ({measured}). More epochs or images would help.",
            *told,
        ]
    else:
        told = [f"The model's own pictures are good enough to train on ({measured}).", *told]
    return " ".join(told)


class ModelDescription(BaseModel):
    """Everything about a model but its weights; the answer of `GET /v1/models/{model}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    """Id of the job that trained the model, and name of the folder of its files."""
    height: int
    width: int
    channels: int
    latent_dim: int
    hidden: int
    """Units of the fully connected layer of the paper's network (1024 in the paper)."""
    architecture: ArchitectureName = "paper"
    """The network: the paper's, or the residual one for photos."""
    reconstruction: Reconstruction | None = None
    """How well it reconstructs held-out images; null for a model of a version that did not measure it."""
    latents_in_use: int | None = None
    """How many latent dimensions tell images apart; null for a model of a version that did not count them."""
    advice: str = ""
    """What to do about the model's reconstructions, in a sentence; empty if nothing is known of them."""
    dataset: str
    dataset_checksum: str
    classes: list[str]
    """The data set's label names, by label number; empty if it has no labels."""
    sigma: list[float]
    """Standard deviation of each latent dimension over the projected training part (eq. 8)."""
    training: dict[str, int | float | str | None]
    """The options of its training, with the values that were taken where none were given."""
    curve: list[dict[str, int | float]] = Field(default_factory=list)
    """One entry for each epoch: losses and images per second."""
    best_epoch: int
    training_images: int
    validation_images: int
    weights_sha256: str
    latents_sha256: str
    umap_sha256: str | None = None
    """Checksum of the training images' places by UMAP; null if none were computed."""
    created_at: datetime
    job_id: str

    def decode(self, asked: AskedDecode) -> Decode:
        """How new images come about: what `auto` means for this model, or what was asked for."""
        if asked != "auto":
            return asked
        poor = self.reconstruction is not None and self.reconstruction.psnr < POOR_PSNR
        return "residual" if poor else "reconstruction"


class ProjectedDataset(BaseModel):
    """Mean latents of a data set's training part, among which `neighbours=dataset` looks."""

    model_config = ConfigDict(arbitrary_types_allowed=True, frozen=True)

    latents: NDArray[np.float32]
    """float32 [n, latent_dim]."""
    labels: NDArray[np.int64] | None
    """int64 [n], numbers into `ModelDescription.classes`, -1 for an image without a label; None where none has one."""
    rows: NDArray[np.int64]
    """int64 [n], each latent's row in the whole data set, which an answer's `neighbour` names."""


def describe_path(name: str) -> str:
    """Path of a model's description."""
    return f"models/{check_name(name, 'model')}/model.json"


def save(
    store: ArtefactStore,
    description: ModelDescription,
    weights: bytes,
    projected: ProjectedDataset,
    umap: bytes | None = None,
) -> None:
    """Write a model. Its description is written last: with it the model exists.

    Args:
        store: where to write it.
        description: the description, with the checksums of the other three.
        weights: the weights as safetensors.
        projected: the latents of the training part.
        umap: places by UMAP, as `places_bytes` writes them, or None.

    Raises:
        Conflict: a model of this name exists.
        NotStored: there is no room for it; then nothing of it is kept.
    """
    folder = f"models/{description.name}/{description.version}"
    with whole(store, folder, describe_path(description.name)):
        store.put(f"{folder}/weights.safetensors", weights)
        store.put(f"{folder}/latents.safetensors", projected_bytes(projected))
        if umap is not None:
            store.put(f"{folder}/umap.safetensors", umap)
        try:
            store.create(describe_path(description.name), formats.write(description))
        except Conflict as error:
            raise Conflict(
                f"a model named {description.name!r} exists; choose another name or delete it first"
            ) from error


def describe(store: ArtefactStore, name: str) -> ModelDescription:
    """Read a model's description.

    Raises:
        NotFound: no such model.
        Damaged: its description cannot be read.
        Newer: a newer service has written it.
    """
    try:
        return formats.read(ModelDescription, store.get(describe_path(name)), f"the model {name!r}")
    except NotFound as error:
        raise NotFound.named("models", name) from error
    except ValueError as error:
        raise _damaged(name, "its description cannot be read") from error


def names(store: ArtefactStore) -> list[str]:
    """Names of all models, sorted."""
    return [name for name in store.folders("models") if store.exists(describe_path(name))]


def read_weights(store: ArtefactStore, description: ModelDescription) -> bytes:
    """Read a model's weights (safetensors), checked against their checksum.

    Raises:
        NotFound: the model was deleted meanwhile.
        Damaged: the stored bytes are not those that were written.
    """
    return _checked(store, description, "weights.safetensors", description.weights_sha256)


def read_projected(store: ArtefactStore, description: ModelDescription) -> ProjectedDataset:
    """Read the latents of the images a model was trained on.

    Raises:
        NotFound: the model was deleted meanwhile.
        Damaged: the stored bytes are not those that were written.
    """
    arrays = load_tensors(_checked(store, description, "latents.safetensors", description.latents_sha256))
    return ProjectedDataset(latents=arrays["latents"], labels=arrays.get("labels"), rows=arrays["rows"])


def read_places(store: ArtefactStore, description: ModelDescription) -> NDArray[np.float32] | None:
    """Read places by UMAP, float32 [m, 2], of the training images that `pca.sample` chooses; None if there are none.

    Raises:
        NotFound: the model was deleted meanwhile.
        Damaged: the stored bytes are not those that were written.
    """
    if description.umap_sha256 is None:
        return None
    return load_tensors(_checked(store, description, "umap.safetensors", description.umap_sha256))["places"]


def places_bytes(places: NDArray[np.float32]) -> bytes:
    """Places by UMAP as safetensors."""
    return save_tensors({"places": places})


def projected_bytes(projected: ProjectedDataset) -> bytes:
    """Latents, labels and rows as safetensors."""
    arrays: dict[str, NDArray[np.generic]] = {"latents": projected.latents, "rows": projected.rows}
    if projected.labels is not None:
        arrays["labels"] = projected.labels
    return save_tensors(arrays)


def delete(store: ArtefactStore, name: str) -> None:
    """Delete a model, be it damaged or not.

    Raises:
        NotFound: no such model.
    """
    check_exists(store, name)
    artefacts.delete(store, f"models/{name}")


def check_exists(store: ArtefactStore, name: str) -> None:
    """Make sure that there is a model of this name, be it damaged or not.

    Raises:
        NotFound: no such model.
    """
    if not store.exists(describe_path(name)):
        raise NotFound.named("models", name)


def _checked(store: ArtefactStore, description: ModelDescription, file: str, sha256: str) -> bytes:
    try:
        data = store.get(f"models/{description.name}/{description.version}/{file}")
    except NotFound as error:
        check_exists(store, description.name)
        raise _damaged(description.name, f"its file {file} is missing") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _damaged(description.name, f"its file {file} is not what was written")
    return data


def _damaged(name: str, how: str) -> Damaged:
    return Damaged(f"the model {name!r} is damaged: {how}; delete it and train it again")
