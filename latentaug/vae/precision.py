"""The number format of a training, where its options leave that open."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from latentaug.options import Precision
from latentaug.vae.architectures import Architecture

LEAST_VALUES = 28 * 28
"""Values of an image from which bfloat16 pays: MNIST takes a quarter less time in it (docs/results/training.md), while
8x8 digits, tried once, took a tenth more."""
_ARITHMETIC = "avx512_bf16", "amx_bf16"
"""What a processor must have one of. Others emulate bfloat16, which takes many times as long as float32."""


def fastest(architecture: Architecture, device: torch.device) -> Precision:
    """The format in which a network of this architecture is trained soonest on a device.

    It depends on the device alone, and on the images' size, so that the same training gives the same weights again. In
    bfloat16 the loss ends within 0.5 % of that in float32 (docs/results/training.md). On a GPU small networks wait for
    their many kernels and not for arithmetic, so there it is float32.
    """
    values = math.prod((architecture.height, architecture.width, architecture.channels))
    return "bfloat16" if device.type == "cpu" and values >= LEAST_VALUES and _has_bfloat16() else "float32"


def _has_bfloat16() -> bool:
    """Whether this processor has the arithmetic, as far as PyTorch tells; old versions of it do not."""
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in _ARITHMETIC)
