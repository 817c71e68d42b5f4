"""How many processes share a training, and which part of every batch is this one's.

`Alone` is the whole of it; `Ranks` is one process of several under torchrun, each with a device of its own
(DistributedDataParallel). All hold all images and draw the same random numbers, take every step on the same batch, and
compute their rows of it; the gradients' mean over the batch is the same up to the order of summation, and so is the
loss curve.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


class Share(Protocol):
    """What training asks of either."""

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network whose gradients are the mean over all processes."""

    def rows(self, n: int) -> slice:
        """This process's rows of a batch of n; at least one."""

    def weight(self, n: int) -> float:
        """What this process's mean loss counts, so that the mean over all processes is the batch's."""

    def total(self, sums: Tensor) -> Tensor:
        """The sum over all processes of each number."""

    def agreed(self, values: Tensor) -> Tensor:
        """The first process's numbers, so that all decide alike."""


class Alone:
    """One process computes everything."""

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network itself."""
        return network

    def rows(self, n: int) -> slice:
        """All rows."""
        return slice(0, n)

    def weight(self, n: int) -> float:
        """All of it."""
        return 1.0

    def total(self, sums: Tensor) -> Tensor:
        """The numbers themselves."""
        return sums

    def agreed(self, values: Tensor) -> Tensor:
        """The numbers themselves."""
        return values


class Ranks:
    """This process among those of torchrun, whose process group must have been begun."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.count = distributed.get_world_size()

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network with gradients summed over all; its weights become the first process's."""
        return DistributedDataParallel(network)

    def rows(self, n: int) -> slice:
        """Equal parts, the first ones larger; a batch of fewer rows than processes gives its last row to the rest."""
        start, stop = (n * rank // self.count for rank in (self.rank, self.rank + 1))
        return slice(start, stop) if start < stop else slice(n - 1, n)

    def weight(self, n: int) -> float:
        """The share of the batch times the number of processes; 0 where another has the row."""
        start, stop = (n * rank // self.count for rank in (self.rank, self.rank + 1))
        return (stop - start) * self.count / n

    def total(self, sums: Tensor) -> Tensor:
        """The sum over all processes."""
        summed = sums.clone()
        distributed.all_reduce(summed)
        return summed

    def agreed(self, values: Tensor) -> Tensor:
        """The first process's numbers."""
        theirs = values.clone()
        distributed.broadcast(theirs, 0)
        return theirs
