"""mixup and CutMix: each image of a batch is mixed with another one, and so are their labels.

Own lines, for kornia draws mixup's share evenly, where its authors take a beta distribution, and is slow to import.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from latentaug.options import Mixing

MIXUP_ALPHA = 0.2
"""Of the beta distribution of mixup's share: mostly near 0 or 1 (Zhang et al. take 0.1 to 0.4 for photos)."""
CUTMIX_ALPHA = 1.0
"""Of CutMix's: any share is as likely (Yun et al.)."""
CUTMIX_CHANCE = 0.5
"""Share of the batches that CutMix mixes, as its authors do with small images; the others stay as they are."""


@dataclass(frozen=True)
class Mixed:
    """A batch of mixed images.

    Attributes:
        images: float32 [b, c, h, w].
        partner: int64 [b], the row of the image that each was mixed with.
        share: of its own label that each image keeps, 0..1; its partner's label has the rest.
    """

    images: Tensor
    partner: Tensor
    share: float


def mixup(images: Tensor) -> Mixed:
    """Weighted means of two images: share * x + (1 - share) * x', one share for the whole batch.

    Args:
        images: float32 [b, c, h, w], of any range.

    Source: Zhang et al. 2018, "mixup: Beyond Empirical Risk Minimization".
    """
    share, partner = _share(MIXUP_ALPHA), _partner(images)
    return Mixed(torch.lerp(images[partner], images, share), partner, share)  # [b, c, h, w]


def cutmix(images: Tensor) -> Mixed:
    """Images into which a rectangle of another one is pasted, at the same place in the whole batch.

    The rectangle has the image's proportions and its centre is anywhere, so that it may be cut off at a border. The
    share is what is left of the image's own pixels.

    Args:
        images: float32 [b, c, h, w], of any range.

    Source: Yun et al. 2019, "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable Features".
    """
    side, partner = (1 - _share(CUTMIX_ALPHA)) ** 0.5, _partner(images)
    if torch.rand(()) >= CUTMIX_CHANCE:
        return Mixed(images, partner, 1.0)
    height, width = images.shape[2:]
    rows, columns = _cut(height, side), _cut(width, side)
    mixed = images.clone()
    mixed[:, :, rows, columns] = images[partner][:, :, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return Mixed(mixed, partner, 1 - pasted / (height * width))


MIXERS: Mapping[Mixing, Callable[[Tensor], Mixed]] = {"mixup": mixup, "cutmix": cutmix}


def _share(alpha: float) -> float:
    return float(torch.distributions.Beta(alpha, alpha).sample())


def _partner(images: Tensor) -> Tensor:
    return torch.randperm(len(images)).to(images.device)


def _cut(side: int, share: float) -> slice:
    """A stretch of about `share` of a side around a random centre, as far as it is inside."""
    half, centre = round(side * share) // 2, int(torch.randint(side, ()))
    return slice(max(0, centre - half), min(side, centre + half))
