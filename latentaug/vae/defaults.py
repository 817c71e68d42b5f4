"""What training takes where its options leave it open, by the images."""

from __future__ import annotations

from latentaug.options import TrainingOptions
from latentaug.vae.architectures import Architecture
from latentaug.vae.residual import Grid

_PAPER_EPOCHS, _PAPER_VALUES = 100, 28 * 28
_EFFORT, _PIXELS_OF_A_PLACE = 2.2e7, 32
"""Places of images that the residual network is trained on where nobody says how many epochs, and how many pixels take
as long as a place of its finest stage."""


def settled(options: TrainingOptions, architecture: Architecture, n: int) -> TrainingOptions:
    """The options with all that n images of this kind decide; the device decides the number format (`precision`)."""
    paper = architecture.name == "paper"
    return options.model_copy(
        update={
            "architecture": architecture.name,
            "beta": _default_beta(architecture) if options.beta is None else options.beta,
            "batch_size": options.batch_size or _default_batch_size(n, 256 if paper else 32),
            "epochs": options.epochs or (_PAPER_EPOCHS if paper else _default_epochs(architecture, n)),
        }
    )


def _default_beta(architecture: Architecture) -> float:
    """1, and less for the paper's network where images have fewer values than those that it was made for."""
    values = architecture.height * architecture.width * architecture.channels
    return min(1.0, values / _PAPER_VALUES) if architecture.name == "paper" else 1.0


def _default_batch_size(n: int, most: int) -> int:
    """A power of two near n / 32, from 16 for 512 training images or less up to `most`."""
    return max(16, min(most, 2 ** ((n // 32).bit_length() - 1) if n >= 32 else 0))


def _default_epochs(architecture: Architecture, n: int) -> int:
    """As many passes over n images as take the residual network a few minutes on two cores.

    The time of an image is about that of its places in the finest stage and of its pixels.
    """
    grid = Grid.of(architecture.height, architecture.width)
    places = grid.height * grid.width + architecture.height * architecture.width / _PIXELS_OF_A_PLACE
    return min(_PAPER_EPOCHS, max(3, round(_EFFORT / places / n)))
