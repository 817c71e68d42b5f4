"""How a latent becomes another: equations 8 to 10 of section 3.2, and the residual decode.

Latents are float32 [n, d]: the means that the encoder gives. No torch in here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentaug.augment.neighbours import (
    Between,
    Floats,
    Latents,
    Reference,
    Rows,
    check_latents,
    go_on,
    neighbours,
)
from latentaug.errors import InvalidInput
from latentaug.options import MAX_K, METHODS, most_alpha


def move(origin: Latents, towards: Latents, share: Floats | np.float32, method: str, sigma: Floats) -> Latents:
    """Make one child of each latent z, by equation 8, 9 or 10.

    Args:
        origin: float32 [m, d], the latents z.
        towards: float32 [m, d]: with noise, numbers from N(0, 1); otherwise the neighbours.
        share: how far each child goes: alpha, or a part of it; float32 [m, 1], or one number for all.
        method: one of `METHODS`.
        sigma: float32 [d], standard deviation of each latent dimension; only noise needs it.

    Returns:
        float32 [m, d].
    """
    if method == "noise":
        return origin + share * sigma * towards  # equation 8: z + alpha X, with X from N(0, sigma^2)
    if method == "interpolation":
        return (towards - origin) * share + origin  # equation 9: towards the neighbour
    if method == "extrapolation":
        return (origin - towards) * share + origin  # equation 10: away from the neighbour
    raise ValueError(f"no equation for {method!r}")


def sigma(latents: Latents) -> Floats:
    """Standard deviation of each latent dimension over the projected data set (equation 8), float32 [d]."""
    deviations: Floats = latents.std(axis=0, dtype=np.float64).astype(np.float32)
    return deviations


def check_alpha(method: str, alpha: float) -> None:
    """Refuse a method that is not one of `METHODS`, or an alpha that the method does not take.

    Raises:
        InvalidInput: the message names the methods, or the range of alpha.
    """
    if method not in METHODS:
        raise InvalidInput(f"method is {method!r}; use one of {', '.join(METHODS)}")
    if not 0 <= alpha <= most_alpha(method):  # true for NaN too
        raise InvalidInput(f"alpha is {alpha}; {method} takes 0 to {most_alpha(method):g}")


@dataclass(frozen=True)
class Altered:
    """New latents, and where each comes from.

    Attributes:
        latents: float32 [m, d], the children of the first source, then those of the second, and so on.
        source: int64 [m], the row of each child's source.
        neighbour: int64 [m], the row that it was moved towards or away from, in the reference set where there is one,
            otherwise among the sources; -1 for noise.
    """

    latents: Latents
    source: Rows
    neighbour: Rows


def alter(
    latents: Latents,
    *,
    method: str,
    alpha: float,
    k: int,
    copies: int,
    sigma: Floats,
    seed: int,
    labels: Rows | None = None,
    reference: Reference | None = None,
    sets: int = 1,
    between: Between = go_on,
) -> Altered:
    """Make the same number of children of every latent: `copies` with noise, otherwise one for each of k neighbours.

    Child j of source i is at i * children + j. The result depends on the arguments alone: the same seed gives the same
    bytes. `exact_counts.alter_in_rounds` makes any number of children of each latent.

    Args:
        latents: float32 [n, d], finite, within +-1e9.
        method: one of `METHODS`.
        alpha: how far children go: 0..10, and 0..1 for interpolation.
        k: neighbours of each source, 1..64; noise has none.
        copies: children of each source with noise, 1..64; the other methods have one for each neighbour.
        sigma: float32 [d], standard deviations over the projected data set.
        seed: seed of the noise, 0..2^64 - 1.
        labels: int64 [n]; neighbours have the same label, and those of an `UNLABELLED` latent have any or none. None
            allows any for all.
        reference: where to look for neighbours; None means among the sources.
        sets: how many sets of equal size the latents are, one after the other; each is altered as it would be alone,
            to the last bit.
        between: called between pieces of the work.

    Raises:
        InvalidInput: an argument outside its range or of another shape.
        ClassTooSmall: a class has fewer than k neighbours.
    """
    children = copies if method == "noise" else k
    check_alpha(method, alpha)
    if not 1 <= children <= MAX_K:
        raise InvalidInput(f"{children} children of each image were asked for; use k and copies of 1 to {MAX_K}")
    if not 0 <= seed < 2**64:
        raise InvalidInput(f"seed is {seed}; use 0 to 2^64 - 1")
    check_latents(latents, labels, len(sigma))
    if reference is not None and reference.latents.shape[1] != latents.shape[1]:
        raise InvalidInput(
            f"the latents have {latents.shape[1]} dimensions and those of the reference set "
            f"{reference.latents.shape[1]}; encode both with one model"
        )
    source = np.repeat(np.arange(len(latents)), children)  # [m]
    if method == "noise":
        shape = (len(latents) // sets * children, latents.shape[1])
        noise = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
        towards, neighbour = np.tile(noise, (sets, 1)), np.full(len(source), -1, np.int64)
    else:
        neighbour = neighbours(latents, labels, k, reference, sets, between).reshape(-1)  # [m]
        towards = (latents if reference is None else reference.latents)[neighbour]  # [m, d]
    return Altered(move(latents[source], towards, np.float32(alpha), method, sigma), source, neighbour)


def residual(images: Floats, reconstruction: Floats, altered_reconstruction: Floats, source: Rows) -> Floats:
    """Decode as a change to the source image: clip(x + decode(z') - decode(z), 0, 1).

    This keeps the detail that the VAE's own reconstruction blurs away. It is not in the paper, which takes decode(z')
    alone.

    Args:
        images: float32 [n, ...] in 0..1, the sources x.
        reconstruction: float32 [n, ...], decode(z).
        altered_reconstruction: float32 [m, ...], decode(z').
        source: int64 [m], the row in `images` of each child's source.

    Returns:
        float32 [m, ...] in 0..1.
    """
    moved: Floats = (images - reconstruction)[source] + altered_reconstruction  # [m, ...]
    return moved.clip(0, 1)


def residual_strip(ends: NDArray[np.uint8], strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Add to a decoded strip what the decoder loses of its two ends, each the more, the nearer a step is to it.

    So the first and the last image are the ends themselves. It is not in the paper.

    Args:
        ends: uint8 [2, h, w, c], the images between which the strip goes.
        strip: uint8 [steps, h, w, c], decoded from evenly spaced latents.

    Returns:
        uint8 [steps, h, w, c].
    """
    first, last = ends.astype(np.float32) - strip[[0, -1]]  # [h, w, c] each
    share = np.linspace(0, 1, len(strip), dtype=np.float32)[:, None, None, None]
    sharp: NDArray[np.uint8] = (strip + (1 - share) * first + share * last).round().clip(0, 255).astype(np.uint8)
    return sharp
