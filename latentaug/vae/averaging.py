"""Weights averaged over the steps of training, of which the last count most.

The average moves more calmly than the weights themselves, so it is better than they are at any single step. Training
needs no falling learning rate then, and so no length that is known beforehand.
"""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from latentaug.vae.networks import Network

DECAY = 0.99
"""Weight of the average so far in each step, once there have been enough of them."""
RISE = 200
"""Steps over which the learning rate rises."""
_WARM_UP = 10
"""In step t the average so far weighs t / (t + 9) at most, so that the first steps are soon forgotten."""


class Average:
    """The average of a network's weights.

    Args:
        network: its present weights are the first average.
        steps: how many steps are in it.
    """

    def __init__(self, network: Network, steps: Tensor | None = None) -> None:
        self.network = deepcopy(network).requires_grad_(False)
        device = next(network.parameters()).device
        self.steps = torch.zeros((), device=device) if steps is None else steps

    def learning_rate(self, full: float) -> Tensor:
        """The learning rate of the next step: it rises to the full one over the first steps.

        Adam's first steps are as long as its later ones, whatever their gradients; at full length they would undo what
        the network begins with.
        """
        return full * ((self.steps + 1) / RISE).clamp(max=1)

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Take in the weights after a step. Nothing here waits for a GPU, so that the step can be recorded."""
        self.steps += 1
        share = (1 - self.steps / (self.steps + _WARM_UP - 1)).clamp(min=1 - DECAY)
        for mine, theirs in zip(self.network.parameters(), network.parameters(), strict=True):
            mine.lerp_(theirs, share)
