"""The arms of an evaluation: what each of them adds to a draw's labelled images, in image space or in latent space.

An arm's training samples are the labelled images followed by blocks of new ones, `children` for each image: one block,
or one for each part of a combined arm. Child j of image i is at i * children + j of its block; SMOTE's come class by
class. An arm of the pool adds newly labelled images to the labelled ones, and affine copies, where it has some, are one
of each of both. Images are float32 [n, h, w, c] in 0..1, samples float32 [n, d].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from imblearn.over_sampling import SMOTE
from numpy.typing import NDArray

from latentaug.augment import classical as affine
from latentaug.augment.methods import Altered, alter, residual, sigma
from latentaug.augment.trivial import trivial
from latentaug.augment.warps import warp
from latentaug.errors import InvalidInput
from latentaug.evaluation.pool import LABELLERS, SPREAD, NewLabels, Pool
from latentaug.options import IMAGE_CLASSIFIERS, METHODS, MIXINGS, AffineRanges, Mixing
from latentaug.vae.codec import BATCH, Codec
from latentaug.vae.networks import Network

Images = NDArray[np.float32]
Samples = NDArray[np.float32]
Labels = NDArray[np.int64]

BASELINE = "none"
COMBINED = (*(f"affine+{method}" for method in METHODS), "affine+interpolation+extrapolation")
VAE_ARMS = (*METHODS, *COMBINED)
SPREAD_AFFINE = f"{SPREAD}+affine"
SPREAD_ARMS = (SPREAD, SPREAD_AFFINE)


@dataclass(frozen=True)
class Arm:
    """One way to make a training set.

    Attributes:
        space: "image" or "latent": whether the classifier is given pixels or latents.
        latent_dim: of the VAE; None where no VAE takes part.
        name: "none", a comparator, a method, "spread", or several parts such as "affine+noise".
        decode: one of `options.DECODES`; None where nothing is decoded.
    """

    space: str
    latent_dim: int | None
    name: str
    decode: str | None = None

    @property
    def baseline(self) -> Arm:
        """The arm without new samples that the same classifier is given in the same space."""
        return Arm(self.space, self.latent_dim if self.space == "latent" else None, BASELINE)

    @property
    def parts(self) -> list[str]:
        """What makes each block of new samples; empty for the baseline, and where batches are mixed instead."""
        return [] if self.name == BASELINE or self.mixing else parts_of(self.name)

    @property
    def mixing(self) -> Mixing | None:
        """How the batches are mixed while a classifier learns; None where they are not."""
        return next((mixing for mixing in MIXINGS if mixing == self.name), None)

    def suits(self, classifier: str) -> bool:
        """Whether a classifier can learn from it: one of images from pixels alone, the others from no mixed batches."""
        return self.space == "image" if classifier in IMAGE_CLASSIFIERS else self.mixing is None

    @property
    def labeller(self) -> str | None:
        """What labels the images of the pool that it adds, one of `LABELLERS`; None where it adds none."""
        return labeller_of(self.name)

    @property
    def real(self) -> Arm:
        """The arm that has the real images of this one, labelled and newly labelled, and nothing made from them.

        By these the classifier is tuned, so that copies never are on both sides of a fold.
        """
        return self.baseline if self.labeller is None else Arm(self.space, self.latent_dim, self.labeller)


def parts_of(name: str) -> list[str]:
    """The parts of an arm's name."""
    return name.split("+")


def labeller_of(name: str) -> str | None:
    """What labels the images of the pool that an arm of this name adds; None where it adds none."""
    first = parts_of(name)[0]
    return first if first in LABELLERS else None


def control(name: str) -> str:
    """The arm with as many new samples as this one has, all of them affine copies: "affine", "affine+affine", ...

    No arm has as many affine copies of the labelled images as the pool has images; arms of the pool are compared with
    "affine".
    """
    return "affine" if labeller_of(name) else "+".join(["affine"] * len(parts_of(name)))


def plan(
    spaces: Sequence[str],
    latent_dims: Sequence[int],
    comparators: Sequence[str],
    methods: Sequence[str],
    decodes: Sequence[str],
    spread: Sequence[str] = (),
) -> list[Arm]:
    """All arms, each space's (and in latent space each VAE's) baseline before what is compared with it.

    Args:
        spaces: of `options.SPACES`.
        latent_dims: of the VAEs.
        comparators: of `options.COMPARATORS`, and controls of combined arms; latent space mixes no batches.
        methods: of `VAE_ARMS`.
        decodes: of `options.DECODES`; latent space decodes nothing, and noise has no neighbour to warp towards.
        spread: of `SPREAD_ARMS`.
    """
    arms: list[Arm] = []
    if "image" in spaces:
        arms += [Arm("image", None, name) for name in (BASELINE, *comparators)]
        made = [(decode, name) for decode in decodes for name in methods if decode != "warp" or "noise" not in name]
        arms += [Arm("image", dim, name, decode) for dim in latent_dims for decode, name in made]
        arms += [Arm("image", dim, name) for dim in latent_dims for name in spread]
    if "latent" in spaces:
        names = (BASELINE, *(name for name in comparators if name not in MIXINGS), *methods, *spread)
        arms += [Arm("latent", dim, name) for dim in latent_dims for name in names]
    return arms


@dataclass(frozen=True)
class Projection:
    """A trained VAE and both parts of the data set in its latent space.

    Attributes:
        codec: the VAE.
        train: float32 [n, latent_dim], means of the whole training part, its unlabelled images last.
        test: float32 [m, latent_dim].
    """

    codec: Codec
    train: Samples
    test: Samples

    @staticmethod
    def of(vae: Network, train: NDArray[np.uint8], test: NDArray[np.uint8], device: str) -> Projection:
        """Project uint8 [n, h, w, c] and [m, h, w, c].

        Raises:
            InvalidInput: a VAE of images of another size.
        """
        a = vae.architecture
        if (a.height, a.width, a.channels) != train.shape[1:]:
            raise InvalidInput(f"the VAE is one of {a}, not of this data set; train it on this one")
        codec = Codec(vae, device)
        return Projection(codec, codec.encode(train), codec.encode(test))

    @cached_property
    def sigma(self) -> NDArray[np.float32]:
        """Standard deviations over the projected training part (equation 8), float32 [latent_dim]."""
        return sigma(self.train)


@dataclass(frozen=True)
class Draw:
    """The labelled images of one draw, the same for all arms.

    Attributes:
        rows: int64 [n], rows of the training part.
        images: float32 [n, h, w, c] in 0..1.
        labels: int64 [n].
        children: new samples for each image in each block.
        alpha: how far latents are moved.
        seed: of all new samples, 0..2^32 - 1.
        ranges: how far affine copies are shifted, rotated, scaled and slanted.
        pool: the other training images; None where no arm adds any.
    """

    rows: NDArray[np.int64]
    images: Images
    labels: Labels
    children: int
    alpha: float
    seed: int
    ranges: AffineRanges = affine.DEFAULT
    pool: Pool | None = None

    @cached_property
    def smote(self) -> tuple[Images, Labels]:
        """SMOTE on pixels, `children` times each class's images: [n * children, h, w, c] and labels, class by class.

        Each lies anywhere between an image and one of its `children` nearest of the same label.
        Source: Chawla et al. 2002; imbalanced-learn.
        """
        labels, counts = np.unique(self.labels, return_counts=True)
        wanted = dict(zip(labels.tolist(), (counts * (1 + self.children)).tolist(), strict=True))
        sampler = SMOTE(sampling_strategy=wanted, k_neighbors=self.children, random_state=self.seed)
        X, y = sampler.fit_resample(flat(self.images), self.labels)  # the labelled images come first
        n = len(self.labels)
        return X[n:].astype(np.float32).reshape(-1, *self.images.shape[1:]).clip(0, 1), y[n:].astype(np.int64)

    def samples(self, arm: Arm, projection: Projection | None) -> tuple[Samples, Labels]:
        """Training samples of an arm: float32 [n * (1 + blocks * children), d], and int64 labels. The baseline has n.

        An arm of the pool has its real images, n, and twice as many with affine copies.

        `projection` is that of the arm's VAE, or None where no VAE takes part.
        """
        if arm.labeller is not None:
            return self._of_the_pool(arm, projection)
        blocks = [(self.own(arm, projection), self.labels)]
        blocks += [self._block(part, number, arm, projection) for number, part in enumerate(arm.parts)]
        X, y = zip(*blocks, strict=True)
        return np.concatenate(X), np.concatenate(y)

    def newly_labelled(self, arm: Arm, projection: Projection | None) -> NewLabels | None:
        """The images of the pool that an arm adds, with their labels; None for an arm that adds none."""
        if arm.labeller is None:
            return None
        if self.pool is None:
            raise ValueError(f"{arm} needs a pool")
        return self.pool.label(arm.labeller, None if projection is None else projection.train)

    def _of_the_pool(self, arm: Arm, projection: Projection | None) -> tuple[Samples, Labels]:
        """The labelled and the newly labelled images, and where the arm says so one affine copy of each of them."""
        found = self.newly_labelled(arm, projection)
        if found is None or self.pool is None:
            raise ValueError(f"{arm} is no arm of the pool")
        rows, y = np.concatenate([self.rows, found.rows]), np.concatenate([self.labels, found.labels[found.rows]])
        images = as_floats(self.pool.training.images[rows])
        X = flat(images) if arm.space == "image" or projection is None else projection.train[rows]
        if arm.name == arm.labeller:
            return X, y
        copies = self._placed(affine.affine(images, 1, self.seed, self.ranges), arm, projection)
        return np.concatenate([X, copies]), np.concatenate([y, y])

    def own(self, arm: Arm, projection: Projection | None) -> Samples:
        """The labelled images in the arm's space, without new samples: float32 [n, d]."""
        if arm.space == "image" or projection is None:
            return flat(self.images)
        return projection.train[self.rows]

    def _block(self, part: str, number: int, arm: Arm, projection: Projection | None) -> tuple[Samples, Labels]:
        """What one part of an arm adds: float32 [n * children, d] and int64 labels."""
        labels = self.labels.repeat(self.children)
        if part == "duplication":
            return self.own(arm, projection).repeat(self.children, axis=0), labels
        if part in _COPIERS:
            # The same copies for every space and VAE, but others in each block.
            copies = _COPIERS[part](self, self.seed + number)
            return self._placed(copies, arm, projection), labels
        if part == "smote":
            images, labels = self.smote
            return self._placed(images, arm, projection), labels
        if projection is None:
            raise ValueError(f"{arm} needs a VAE")
        return self._altered(part, arm, projection), labels

    def _placed(self, images: Images, arm: Arm, projection: Projection | None) -> Samples:
        """Images as samples in the arm's space."""
        return flat(images) if arm.space == "image" or projection is None else projection.codec.encode(images)

    def _altered(self, method: str, arm: Arm, projection: Projection) -> Samples:
        """Equations 8 to 10 among the labelled images alone, decoded where the arm is one of image space."""
        latents = projection.train[self.rows]  # [n, latent_dim]
        altered = alter(
            latents,
            method=method,
            alpha=self.alpha,
            k=self.children,
            copies=self.children,
            sigma=projection.sigma,
            seed=self.seed,
            labels=self.labels,
        )
        if arm.space == "latent":
            return altered.latents
        if arm.decode == "warp":
            return flat(self._warped(altered, -self.alpha if method == "extrapolation" else self.alpha))
        images = projection.codec.decode(altered.latents)  # [n * children, h, w, c]
        if arm.decode == "residual":
            images = residual(self.images, projection.codec.decode(latents), images, altered.source)
        return flat(images)

    @torch.inference_mode()
    def _warped(self, altered: Altered, share: float) -> Images:
        """Each source moved a share of the way towards its neighbour: [n * children, h, w, c]."""
        children = np.empty((len(altered.source), *self.images.shape[1:]), np.float32)
        for start in range(0, len(children), BATCH):
            part = slice(start, start + BATCH)
            source, towards = (
                torch.from_numpy(self.images[rows[part]]) for rows in (altered.source, altered.neighbour)
            )
            children[part] = warp(source, towards, torch.full((len(source),), share)).numpy()
        return children


_COPIERS: dict[str, Callable[[Draw, int], Images]] = {
    "affine": lambda draw, seed: affine.affine(draw.images, draw.children, seed, draw.ranges),
    "elastic": lambda draw, seed: affine.elastic(draw.images, draw.children, seed),
    "trivial": lambda draw, seed: trivial(draw.images, draw.children, seed),
}
"""What makes copies of a draw's labelled images, `children` of each."""


def as_floats(images: NDArray[np.uint8]) -> Images:
    """Grey levels 0..255 as float32 in 0..1."""
    return images.astype(np.float32) / np.float32(255)


def flat(images: Images) -> Samples:
    """[n, h, w, c] as samples [n, h * w * c]."""
    return images.reshape(len(images), -1)
