"""The group of processes that train one VAE together, and which part of every batch is this process's.

`Alone` is a single process; `Ranks` is one of several under torchrun, each with a device of its own
(DistributedDataParallel). All of them hold all images, use the same random numbers and take every step on the same
batch, of which each computes its own rows. The gradients' mean over the batch is the same up to the order of summation,
and so is the loss curve.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


class Group(Protocol):
    """What training asks of its group."""

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap the network so that its gradients are the mean over all processes."""

    def rows(self, n: int) -> slice:
        """Return this process's rows of a batch of n rows; at least one."""

    def weight(self, n: int) -> float:
        """Return what to multiply this process's mean loss by, so that the processes' mean is that of the batch."""

    def total(self, sums: Tensor) -> Tensor:
        """Return each number summed over all processes."""

    def agreed(self, values: Tensor) -> Tensor:
        """Return the first process's numbers, so that all processes come to the same decision."""


class Alone:
    """A group of one process, which computes everything."""

    def wrap(self, network: nn.Module) -> nn.Module:
        """Return the network itself."""
        return network

    def rows(self, n: int) -> slice:
        """Return all rows."""
        return slice(0, n)

    def weight(self, n: int) -> float:
        """Return 1, because this process computes the whole batch."""
        return 1.0

    def total(self, sums: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return sums

    def agreed(self, values: Tensor) -> Tensor:
        """Return the numbers themselves."""
        return values


class Ranks:
    """This process among those that torchrun started. The process group must have been initialised."""

    def __init__(self) -> None:
        self.rank = distributed.get_rank()
        self.count = distributed.get_world_size()

    def wrap(self, network: nn.Module) -> nn.Module:
        """Wrap the network so that gradients are averaged over all processes; it takes the first process's weights."""
        return DistributedDataParallel(network)

    def rows(self, n: int) -> slice:
        """Return this process's rows: the parts are as equal as they can be.

        Where a batch has fewer rows than there are processes, those left over get its last row.
        """
        start, stop = (n * rank // self.count for rank in (self.rank, self.rank + 1))
        return slice(start, stop) if start < stop else slice(n - 1, n)

    def weight(self, n: int) -> float:
        """Return this process's part of the batch times the number of processes; 0 where its row is another's."""
        start, stop = (n * rank // self.count for rank in (self.rank, self.rank + 1))
        return (stop - start) * self.count / n

    def total(self, sums: Tensor) -> Tensor:
        """Return each number summed over all processes."""
        summed = sums.clone()
        distributed.all_reduce(summed)
        return summed

    def agreed(self, values: Tensor) -> Tensor:
        """Return the first process's numbers."""
        theirs = values.clone()
        distributed.broadcast(theirs, 0)
        return theirs
