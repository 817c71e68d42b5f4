"""New latents from old: noise, interpolation and extrapolation (section 3.2, equations 8 to 10); the residual decode.

Latents are float32 [n, d]: the means that the encoder gives. No torch in here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentaug.augment.neighbours import Floats, Latents, Reference, Rows, check_latents, neighbours
from latentaug.errors import InvalidInput
from latentaug.options import METHODS

MAX_ALPHA = 10.0
MAX_CHILDREN = 1000


@dataclass(frozen=True)
class Altered:
    """New latents and where each comes from.

    Attributes:
        latents: float32 [m, d]; child j of source i is at i * children + j.
        source: int64 [m], the row that was altered.
        neighbour: int64 [m], the row it was moved towards or away from, in the reference set where there is one,
            else among the sources; -1 for noise.
    """

    latents: Latents
    source: Rows
    neighbour: Rows


def sigma(latents: Latents) -> Floats:
    """Standard deviation of each latent dimension across the projected data set (equation 8), float32 [d]."""
    deviations: Floats = latents.std(axis=0, dtype=np.float64).astype(np.float32)
    return deviations


def alter(
    latents: Latents,
    *,
    method: str,
    alpha: float = 0.5,
    k: int = 3,
    copies: int | None = None,
    sigma: Floats,
    seed: int = 0,
    labels: Rows | None = None,
    reference: Reference | None = None,
    sets: int = 1,
) -> Altered:
    """Make new latents: equation 8 (noise), 9 (interpolation) or 10 (extrapolation).

    Every source has the same number of children: `copies` with noise, one for each of its k neighbours otherwise.
    The result depends on the arguments alone: same seed, same bytes.

    Args:
        latents: float32 [n, d], finite, within +-1e9.
        method: one of `METHODS`.
        alpha: how far: 0..10, and 0..1 for interpolation. 0.5 in the paper.
        k: neighbours of each source, 1..1000. 3 in the paper.
        copies: children of each source with noise, 1..1000; k where None.
        sigma: float32 [d], standard deviations over the projected data set.
        seed: of the noise, 0..2^64 - 1.
        labels: int64 [n], or None: neighbours of any label.
        reference: to look for neighbours in, or None to look among the sources.
        sets: how many sets of equal size the latents are, one after the other; each is altered as it would be alone,
            to the last bit.

    Raises:
        InvalidInput: an argument outside its range or of another shape.
        ClassTooSmall: a class has fewer than k neighbours.
    """
    children = k if copies is None or method != "noise" else copies
    _check(latents, method, alpha, children, seed, labels, sigma)
    if reference is not None and reference.latents.shape[1] != latents.shape[1]:
        raise InvalidInput(f"the reference has other dimensions than the latents' {latents.shape[1]}; use one model")
    source = np.repeat(np.arange(len(latents)), children)  # [m]
    origin = latents[source]  # [m, d]
    step = np.float32(alpha)
    if method == "noise":
        shape = (len(latents) // sets * children, latents.shape[1])
        noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        noise = np.tile(noise, (sets, 1))  # [m, d]
        return Altered(origin + step * sigma * noise, source, np.full(len(source), -1, np.int64))
    neighbour = neighbours(latents, labels, k, reference, sets).reshape(-1)  # [m]
    towards = (latents if reference is None else reference.latents)[neighbour]  # [m, d]
    direction = towards - origin if method == "interpolation" else origin - towards
    return Altered(direction * step + origin, source, neighbour)


def check_alpha(method: str, alpha: float) -> None:
    """Refuse a method that is not one of `METHODS`, or an alpha that it does not take.

    Raises:
        InvalidInput: says which there are, or the range.
    """
    if method not in METHODS:
        raise InvalidInput(f"method is {method!r}; use one of {', '.join(METHODS)}")
    top = 1.0 if method == "interpolation" else MAX_ALPHA
    if not 0 <= alpha <= top:  # true for NaN too
        raise InvalidInput(f"alpha is {alpha}; {method} takes 0 to {top:g}")


def residual(images: Floats, reconstruction: Floats, altered_reconstruction: Floats, source: Rows) -> Floats:
    """Decode as a change to the source image: clip(x + decode(z') - decode(z), 0, 1).

    It keeps the detail that the VAE's own reconstruction blurs away. Not in the paper, which takes decode(z') alone.

    Args:
        images: float32 [n, ...] in 0..1, the sources x.
        reconstruction: float32 [n, ...], decode(z).
        altered_reconstruction: float32 [m, ...], decode(z').
        source: int64 [m], each child's row in `images`.

    Returns:
        float32 [m, ...] in 0..1.
    """
    moved: Floats = (images - reconstruction)[source] + altered_reconstruction  # [m, ...]
    return moved.clip(0, 1)


def _check(
    latents: Latents, method: str, alpha: float, children: int, seed: int, labels: Rows | None, sigma: Floats
) -> None:
    check_alpha(method, alpha)
    if not 1 <= children <= MAX_CHILDREN:
        raise InvalidInput(f"{children} children of each image; k and copies are 1 to {MAX_CHILDREN}")
    if not 0 <= seed < 2**64:
        raise InvalidInput(f"seed is {seed}; use 0 to 2^64 - 1")
    check_latents(latents, labels, len(sigma))
