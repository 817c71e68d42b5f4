"""The arms of an evaluation: what each adds to a draw's labelled images, in image space or in latent space.

An arm's training samples are the labelled images followed by the new ones, `children` for each: child j of image i is
at i * children + j. Images are float32 [n, h, w, c] in 0..1, samples float32 [n, d].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from latentaug.affine import affine
from latentaug.errors import InvalidInput
from latentaug.generation import alter, residual, sigma
from latentaug.vae import VAE, pixels

Images = NDArray[np.float32]
Samples = NDArray[np.float32]
Labels = NDArray[np.int64]

SPACES = ("image", "latent")
DECODES = ("reconstruction", "residual")
COMPARATORS = ("duplication", "affine")
BASELINE = "none"

_BATCH = 1024


@dataclass(frozen=True)
class Arm:
    """One way to make a training set.

    Attributes:
        space: "image" or "latent": what the classifier is given.
        latent_dim: of the VAE; None where none takes part.
        name: "none", a comparator or a method.
        decode: "reconstruction" or "residual"; None where nothing is decoded.
    """

    space: str
    latent_dim: int | None
    name: str
    decode: str | None = None

    @property
    def baseline(self) -> Arm:
        """The arm without new samples that the same classifier is given in the same space."""
        return Arm(self.space, self.latent_dim if self.space == "latent" else None, BASELINE)


def plan(
    spaces: Sequence[str],
    latent_dims: Sequence[int],
    comparators: Sequence[str],
    methods: Sequence[str],
    decodes: Sequence[str],
) -> list[Arm]:
    """All arms, each space's (and in latent space each VAE's) baseline before what is compared with it."""
    arms: list[Arm] = []
    if "image" in spaces:
        arms += [Arm("image", None, name) for name in (BASELINE, *comparators)]
        arms += [Arm("image", dim, name, decode) for dim in latent_dims for decode in decodes for name in methods]
    if "latent" in spaces:
        arms += [Arm("latent", dim, name) for dim in latent_dims for name in (BASELINE, *comparators, *methods)]
    return arms


@dataclass(frozen=True)
class Projection:
    """A trained VAE and both parts of the data set in its latent space.

    Attributes:
        vae: in evaluation mode, on `device`.
        device: a torch device.
        train: float32 [n, latent_dim], means of the whole training part.
        test: float32 [m, latent_dim].
    """

    vae: VAE
    device: str
    train: Samples
    test: Samples

    @staticmethod
    def of(vae: VAE, train: NDArray[np.uint8], test: NDArray[np.uint8], device: str) -> Projection:
        """Project uint8 [n, h, w, c] and [m, h, w, c].

        Raises:
            InvalidInput: a VAE of images of another size.
        """
        a = vae.architecture
        if (a.height, a.width, a.channels) != train.shape[1:]:
            raise InvalidInput(f"the VAE is one of {a}, not of this data set; train it on this one")
        vae = vae.to(device).eval()
        return Projection(vae, device, *(_encode(vae, images, device) for images in (train, test)))

    @cached_property
    def sigma(self) -> NDArray[np.float32]:
        """Standard deviations over the projected training part (equation 8), float32 [latent_dim]."""
        return sigma(self.train)

    def encode(self, images: Images) -> Samples:
        """Mean latents of float32 [n, h, w, c]: float32 [n, latent_dim]."""
        return _encode(self.vae, images, self.device)

    @torch.no_grad()
    def decode(self, latents: Samples) -> Images:
        """Images of float32 [n, latent_dim]: float32 [n, h, w, c]."""
        batches = (torch.tensor(latents[i : i + _BATCH], device=self.device) for i in range(0, len(latents), _BATCH))
        decoded = torch.cat([self.vae.decode(batch) for batch in batches])  # [n, c, h, w]
        images: Images = decoded.permute(0, 2, 3, 1).cpu().numpy()
        return images


@dataclass(frozen=True)
class Draw:
    """The labelled images of one draw, the same for all arms.

    Attributes:
        rows: int64 [n], rows of the training part.
        images: float32 [n, h, w, c] in 0..1.
        labels: int64 [n].
        children: new samples for each image.
        alpha: how far latents are altered.
        seed: of noise and affine copies.
    """

    rows: NDArray[np.int64]
    images: Images
    labels: Labels
    children: int
    alpha: float
    seed: int

    @cached_property
    def affine_images(self) -> Images:
        """Random affine copies [n * children, h, w, c], the same for every space and VAE."""
        return affine(self.images, self.children, self.seed)

    def samples(self, arm: Arm, projection: Projection | None) -> tuple[Samples, Labels]:
        """Training samples of an arm: float32 [n * (1 + children), d] and int64 labels; of the baseline n.

        `projection` is the arm's VAE, None where none takes part.
        """
        own, new = self.own(arm, projection), self._new(arm, projection)
        source = np.repeat(np.arange(len(self.rows)), len(new) // len(own))  # [n * children]
        return np.concatenate([own, new]), np.concatenate([self.labels, self.labels[source]])

    def own(self, arm: Arm, projection: Projection | None) -> Samples:
        """The labelled images in the arm's space, without new samples: float32 [n, d]."""
        if arm.space == "image" or projection is None:
            return flat(self.images)
        return projection.train[self.rows]

    def _new(self, arm: Arm, projection: Projection | None) -> Samples:
        own = self.own(arm, projection)
        if arm.name == BASELINE:
            return own[:0]
        if arm.name == "duplication":
            return own.repeat(self.children, axis=0)
        if arm.name == "affine":
            copies = self.affine_images
            return flat(copies) if arm.space == "image" or projection is None else projection.encode(copies)
        if projection is None:
            raise ValueError(f"{arm} needs a VAE")
        return self._altered(arm, projection)

    def _altered(self, arm: Arm, projection: Projection) -> Samples:
        """Equations 8 to 10 among the labelled images alone, and back to images where the arm's space is theirs."""
        latents = projection.train[self.rows]  # [n, latent_dim]
        altered = alter(
            latents,
            method=arm.name,
            alpha=self.alpha,
            k=self.children,
            sigma=projection.sigma,
            seed=self.seed,
            labels=self.labels,
        )
        if arm.space == "latent":
            return altered.latents
        images = projection.decode(altered.latents)  # [n * children, h, w, c]
        if arm.decode == "residual":
            images = residual(self.images, projection.decode(latents), images, altered.source)
        return flat(images)


def as_floats(images: NDArray[np.uint8]) -> Images:
    """Grey levels 0..255 as float32 in 0..1."""
    return images.astype(np.float32) / np.float32(255)


def flat(images: Images) -> Samples:
    """[n, h, w, c] as samples [n, h * w * c]."""
    return images.reshape(len(images), -1)


@torch.no_grad()
def _encode(vae: VAE, images: NDArray[np.uint8] | Images, device: str) -> Samples:
    """Mean latents of uint8, or float32 in 0..1, [n, h, w, c]."""
    means = []
    for start in range(0, len(images), _BATCH):
        batch = torch.tensor(images[start : start + _BATCH], device=device)  # [batch, h, w, c]
        x = pixels(batch) if batch.dtype == torch.uint8 else batch.permute(0, 3, 1, 2)  # [batch, c, h, w]
        means.append(vae.encode(x)[0])
    latents: Samples = torch.cat(means).cpu().numpy()
    return latents
