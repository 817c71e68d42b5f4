"""One step of training: loss, gradients and Adam on a batch. On a single GPU it is recorded once, and then replayed.

A step runs over a hundred kernels of a few microseconds each. Python takes longer to start them than a GPU takes to run
them; recorded as a CUDA graph, they are started by one call.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentaug.vae.architectures import loss, pixels
from latentaug.vae.distributed import Alone, Group


@dataclass(eq=False)
class Step:
    """Takes steps, each on this process's rows of a batch.

    Attributes:
        network: maps images float32 [n, c, h, w] and noise [n, latent_dim] to logits, mean and log-variance.
        optimizer: updates the network's parameters.
        group: the processes that train together; says which rows of a batch are this process's.
        images: uint8 [n, h, w, c], all training images, on the device.
        beta: weight of the divergence.
        bfloat16: whether the network's products are computed in bfloat16.
        sums: float64 [3], loss, reconstruction and divergence summed over all images since they were set to zero.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    group: Group
    images: Tensor
    beta: float
    bfloat16: bool
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.images.device)

    def take(self, batch: Tensor, noise: Tensor) -> None:
        """Take a step.

        Args:
            batch: int64 [batch], rows of the images.
            noise: numbers from N(0, 1), float32 [batch, latent_dim].
        """
        mine = self.group.rows(len(batch))
        x = pixels(self.images[batch[mine]])  # [rows, c, h, w]
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bfloat16):
            logits, mean, log_variance = self.network(x, noise[mine])
        parts = loss(x, logits.float(), mean.float(), log_variance.float(), self.beta)
        weight = self.group.weight(len(batch))
        self.optimizer.zero_grad()
        (weight * parts.total).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if weight:
            self.sums += torch.stack(parts).detach() * len(x)


class Recording(NamedTuple):
    """A step as a CUDA graph, and the tensors that it reads its batch and noise from."""

    graph: torch.cuda.CUDAGraph
    batch: Tensor
    noise: Tensor


@dataclass(eq=False)
class RecordedStep(Step):
    """The same on a GPU, made and used in a `side_stream`.

    The first step of each batch length is taken plainly, the second is recorded and replayed for all others.
    """

    recordings: dict[int, Recording | None] = field(init=False, default_factory=dict)

    def take(self, batch: Tensor, noise: Tensor) -> None:
        """Take a step."""
        if len(batch) not in self.recordings:  # libraries make themselves ready, which no graph may record
            self.recordings[len(batch)] = None
            super().take(batch, noise)
            return
        recording = self.recordings[len(batch)]
        if recording is None:
            recording = self.recordings[len(batch)] = self._record(batch, noise)
        recording.batch.copy_(batch)
        recording.noise.copy_(noise)
        recording.graph.replay()

    def _record(self, batch: Tensor, noise: Tensor) -> Recording:
        recording = Recording(torch.cuda.CUDAGraph(), batch.clone(), noise.clone())
        self.optimizer.zero_grad()  # so that the graph's gradients are its own
        with torch.cuda.graph(recording.graph, stream=torch.cuda.current_stream()):
            super().take(recording.batch, recording.noise)
        return recording


def step_kind(images: Tensor, group: Group) -> type[Step]:
    """The fastest kind of step where the images are. The gradients of several processes meet outside of any graph."""
    return RecordedStep if images.is_cuda and isinstance(group, Alone) else Step


def side_stream(device: torch.device) -> AbstractContextManager[object]:
    """Where steps are taken: on a GPU in a stream of their own, because the default stream cannot be recorded."""
    if device.type != "cuda":
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
