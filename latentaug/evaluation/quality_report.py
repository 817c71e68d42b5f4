"""What the quality of new images means, in numbers and in words. No torch in here: the API says it too."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from latentaug.imaging.phrases import percent

UnseenKind = Literal["held_out", "left_out"]
Origin = Literal["source", "training"]

LEAST_DENSITY = 0.5
"""With a smaller density, many new images lie where no real ones do."""
LEAST_AGREEMENT = 0.8
"""Labels are in doubt where this part as many neighbours share them as those of real images."""
MOST_COPIES = 0.9
"""With a larger share of near-copies, hardly any new image tells a classifier something new."""
FEWEST = 20
"""Of fewer images than this, shares are told but no warning is given."""


class Quality(BaseModel):
    """The numbers, all in the features of one model: the means of its latents."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    new_images: int
    """New images that were measured; of very many, some are drawn."""
    real_images: int
    """Training images that they were measured by; of many, some are drawn."""
    unseen: UnseenKind
    """Which real images tell what is usual: `held_out`, those of the validation and test parts; `left_out`, the
    training images themselves, each beside all others."""
    unseen_images: int
    """How many there are of those."""
    density: float
    """In how many neighbourhoods of real images a new one lies, beside what a real one does: about 1 for real images, 0
    for images unlike them, above 1 for images where the real ones are thickest."""
    coverage: float
    """Share of the training images in whose neighbourhood there is a new one."""
    coverage_if_real: float
    """What the coverage would be were the new images as many real ones."""
    nearer_than_unseen: float
    """How often a new image is nearer to a training image than an unseen real image is: near 0.5 nothing is copied, at
    1 every new image is nearer than every unseen one."""
    near_copies: float
    """Share of the new images that are near-copies: as near to their source as only 1 in 100 real images is to the
    nearest other one that differs from it."""
    near_copies_of: Origin
    """Of what: of the image that each was made from (`source`), or of any training image (`training`), where sources
    are not known."""
    near_copy_distance: float
    """How near that is, in latent space."""
    label_agreement: float | None
    """Share of the labelled new images for whose label the 5 nearest labelled training images vote, not counting the
    source; null where there are no labels."""
    label_agreement_of_unseen: float | None
    """The same share of the unseen real images."""


NUMBERS = {
    name: int if field.annotation is int else float
    for name, field in Quality.model_fields.items()
    if name not in ("unseen", "near_copies_of")
}
"""The types of the fields that are numbers."""


class Report(Quality):
    """The numbers and what they mean."""

    sentence: str
    """The main numbers in words."""
    warning: str | None
    """Why not to train on these images as they are; null where nothing speaks against it."""


def report(quality: Quality, *, by_alpha: bool = True) -> Report:
    """Say what the numbers mean.

    Args:
        quality: the numbers.
        by_alpha: whether an alpha says how far the new images lie from their sources; affine copies have none.
    """
    numbers = quality.model_dump()
    return Report(**numbers, sentence=_sentence(quality), warning=_warning(quality, by_alpha))


def _sentence(quality: Quality) -> str:
    of = "their sources" if quality.near_copies_of == "source" else "training images"
    first = f"{percent(quality.near_copies)} of the new images are near-copies of {of}"
    if quality.label_agreement is not None:
        first += f"; {percent(quality.label_agreement)} carry a label that their neighbours share"
        if quality.label_agreement_of_unseen is not None:
            first += f", and {percent(quality.label_agreement_of_unseen)} of real images do"
    whose = "an unseen real image" if quality.unseen == "held_out" else "another training image"
    return (
        f"{first}. In {percent(quality.nearer_than_unseen)} of comparisons a new image is nearer to a training image "
        f"than {whose} is, and 50 % would mean that nothing is copied."
    )


def _warning(quality: Quality, by_alpha: bool) -> str | None:
    if quality.new_images < FEWEST:
        return None
    found = []
    if quality.density < LEAST_DENSITY:
        found.append(
            "Do not train on these images, or look at them first: many lie where no real image does "
            f"(density {quality.density:.2f}; real images have about 1)."
        )
    own, real = quality.label_agreement, quality.label_agreement_of_unseen
    copied = quality.near_copies > MOST_COPIES
    if own is not None and real is not None and own < LEAST_AGREEMENT * real:
        advice = "Take a smaller alpha, or check" if by_alpha and not copied else "Check"
        found.append(
            f"{advice} the labels: neighbours share {percent(own)} of them, "
            f"and {percent(real)} of those of real images."
        )
    if copied:
        advice = "Take a larger alpha, or train" if by_alpha else "Train"
        found.append(f"{advice} without these images: nearly all are near-copies and add little.")
    return " ".join(found) or None
