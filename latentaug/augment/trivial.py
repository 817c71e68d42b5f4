"""TrivialAugment (Müller and Hutter, 2021): each copy by one operation of fourteen, chosen at random, of random strength.

Kornia's. It is imported when it is first wanted, since it takes seconds to import and few evaluations want it.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np
import torch
from numpy.typing import NDArray

Images = NDArray[np.float32]


def trivial(images: Images, copies: int, seed: int) -> Images:
    """Make copies by TrivialAugment. An operation is chosen for each copy, not for a batch of them.

    Grey images go through it as colour ones of three equal channels.

    Args:
        images: float32 [n, h, w, c] in 0..1.
        copies: how many copies of each image.
        seed: the same seed gives the same copies.

    Returns:
        float32 [n * copies, h, w, c]; copy j of image i is at i * copies + j.
    """
    augment = import_module("kornia.augmentation.auto").TrivialAugment()
    channels = images.shape[3]
    result = np.empty((len(images) * copies, *images.shape[1:]), np.float32)
    with torch.random.fork_rng(devices=[]), torch.inference_mode():  # leaves the caller's random numbers as they were
        torch.manual_seed(seed)
        for i in range(len(result)):
            x = torch.tensor(images[i // copies]).permute(2, 0, 1)[None]  # [1, c, h, w]
            copy = augment(x.expand(1, 3, -1, -1) if channels == 1 else x)
            result[i] = copy[0, :channels].permute(1, 2, 0).numpy()
    return result.clip(0, 1)
