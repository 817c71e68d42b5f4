"""One step of training: loss, gradients and Adam on a batch. On a single GPU it is recorded once, and then replayed.

A step runs more than a hundred kernels of a few microseconds each. Python takes longer to start them than a GPU takes
to run them; once they are recorded as a CUDA graph, a single call starts them all.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from latentaug.vae.architectures import pixels
from latentaug.vae.averaging import Average
from latentaug.vae.distributed import Alone, Group
from latentaug.vae.likelihoods import loss
from latentaug.vae.networks import Network
from latentaug.vae.variation import vary


@dataclass(eq=False)
class Step:
    """Takes steps, each on this process's rows of a batch.

    Attributes:
        network: what is trained.
        wrapped: the network as the group wraps it; maps images float32 [n, c, h, w] and noise [n, latent_dim] to the
            decoder's output, mean and log-variance.
        optimizer: updates the network's parameters.
        group: the processes that train together; says which rows of a batch are this process's.
        images: uint8 [n, h, w, c], the training images, or a window of them, on the device.
        beta: weight of the divergence.
        bfloat16: whether the network's products are computed in bfloat16.
        average: of the network's weights over the steps; None where it is not wanted.
        learning_rate: what the learning rate rises to where there is an average; the optimizer's is a tensor then.
        sums: float64 [3], loss, reconstruction and divergence summed over all images since they were set to zero.
    """

    network: Network
    wrapped: nn.Module
    optimizer: torch.optim.Optimizer
    group: Group
    images: Tensor
    beta: float
    bfloat16: bool
    average: Average | None
    learning_rate: float
    sums: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.images.device)

    @property
    def settled(self) -> Network:
        """The network to validate and to keep: with averaged weights, where there are such."""
        return self.network if self.average is None else self.average.network

    def take(self, batch: Tensor, noise: Tensor, chances: Tensor | None = None) -> None:
        """Take a step.

        Args:
            batch: int64 [batch], rows of the images.
            noise: numbers from N(0, 1), float32 [batch, latent_dim].
            chances: numbers in 0..1 by which the images are varied, float32 [batch, CHANCES]; None leaves them as they
                are.
        """
        mine = self.group.rows(len(batch))
        x = pixels(self.images[batch[mine]])  # [rows, c, h, w]
        if chances is not None:
            x = vary(x, chances[mine])
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bfloat16):
            output, mean, log_variance = self.wrapped(x, noise[mine])
        parts = loss(x, output.float(), mean.float(), log_variance.float(), self.beta, self.network.likelihood)
        weight = self.group.weight(len(batch))
        if self.average is not None:
            for group in self.optimizer.param_groups:
                group["lr"].copy_(self.average.learning_rate(self.learning_rate))
        self.optimizer.zero_grad()
        (weight * parts.total).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.average is not None:
            self.average.update(self.network)
        if weight:
            self.sums += torch.stack(parts).detach() * len(x)


class Recording(NamedTuple):
    """A step as a CUDA graph, and the tensors that it reads its batch and noise from."""

    graph: torch.cuda.CUDAGraph
    batch: Tensor
    noise: Tensor
    chances: Tensor | None


@dataclass(eq=False)
class RecordedStep(Step):
    """A step on a GPU that is recorded and replayed; made and used in a `side_stream`.

    For each batch length, the first step is taken as usual; the second is recorded, and replayed for all that follow.
    """

    recordings: dict[int, Recording | None] = field(init=False, default_factory=dict)

    def take(self, batch: Tensor, noise: Tensor, chances: Tensor | None = None) -> None:
        """Take a step, as `Step.take` does."""
        if len(batch) not in self.recordings:  # libraries make themselves ready, which no graph may record
            self.recordings[len(batch)] = None
            super().take(batch, noise, chances)
            return
        recording = self.recordings[len(batch)]
        if recording is None:
            recording = self.recordings[len(batch)] = self._record(batch, noise, chances)
        recording.batch.copy_(batch)
        recording.noise.copy_(noise)
        if recording.chances is not None and chances is not None:
            recording.chances.copy_(chances)
        recording.graph.replay()

    def _record(self, batch: Tensor, noise: Tensor, chances: Tensor | None) -> Recording:
        varied = None if chances is None else chances.clone()
        recording = Recording(torch.cuda.CUDAGraph(), batch.clone(), noise.clone(), varied)
        self.optimizer.zero_grad()  # so that the graph's gradients are its own
        with torch.cuda.graph(recording.graph, stream=torch.cuda.current_stream()):
            super().take(recording.batch, recording.noise, recording.chances)
        return recording


def step_kind(images: Tensor, group: Group) -> type[Step]:
    """Return the fastest kind of step for these images.

    Where several processes train together no step is recorded, because they exchange their gradients outside any graph.
    """
    return RecordedStep if images.is_cuda and isinstance(group, Alone) else Step


def side_stream(device: torch.device) -> AbstractContextManager[object]:
    """Return the context to take steps in: a stream of its own on a GPU, whose default stream cannot be recorded."""
    if device.type != "cuda":
        return nullcontext()
    return torch.cuda.stream(torch.cuda.Stream(device))  # type: ignore[no-untyped-call]
