"""Train a VAE without labels (section 4), with early stopping and checkpoints from which training resumes exactly.

Images are uint8 [n, h, w, c], and stay uint8 on the device until their batch's turn. Those that are not in memory come
there by and by (`supply`).
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from latentaug.allocator import keep_freed
from latentaug.datasets.selection import Images, Selection
from latentaug.errors import InvalidInput, MalformedInput, TooFewImages
from latentaug.options import TrainingOptions
from latentaug.vae.architectures import LATENT_DIMS, Architecture, chosen, pixels
from latentaug.vae.averaging import Average
from latentaug.vae.defaults import settled
from latentaug.vae.distributed import Alone, Group
from latentaug.vae.likelihoods import loss
from latentaug.vae.memory import together
from latentaug.vae.networks import Network, from_weights, untrained
from latentaug.vae.precision import fastest
from latentaug.vae.residual import ResidualVAE
from latentaug.vae.supply import Supply, supply
from latentaug.vae.train_step import Step, side_stream, step_kind
from latentaug.vae.variation import CHANCES

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_VALIDATION_BATCH = 1024
_GAIN = 0.01
"""Share by which the mean squared error must fall to count as better."""


@dataclass(frozen=True)
class EpochMetrics:
    """The results of one epoch. Losses are in nats per image, averaged over the images.

    Attributes:
        epoch: number of the epoch, from 1.
        train_loss: reconstruction + beta * divergence while training.
        train_reconstruction: as in `architectures.loss`.
        train_divergence: as in `architectures.loss`.
        validation_reconstruction: the same for validation images, decoded from the mean latents, without noise; early
            stopping watches it.
        validation_divergence: as in `architectures.loss`.
        images_per_second: training images per second, without the time of validation.
        seconds: wall time, with validation.
        validation_mse: mean squared error of validation images decoded from their mean latents, grey levels in 0..1.
        epochs: how many epochs there will be at most, by number and by time.
    """

    epoch: int
    train_loss: float
    train_reconstruction: float
    train_divergence: float
    validation_reconstruction: float
    validation_divergence: float
    images_per_second: float
    seconds: float
    validation_mse: float
    epochs: int


@dataclass(frozen=True)
class Trained:
    """A trained VAE with the weights of its best epoch, on the CPU, and how it was trained.

    Attributes:
        vae: the network.
        options: the options, with all that was left open settled.
        history: the results of every epoch.
        best_epoch: number of the epoch with the lowest validation reconstruction, from 1.
    """

    vae: Network
    options: TrainingOptions
    history: list[EpochMetrics]
    best_epoch: int

    @property
    def validation_mse(self) -> float:
        """Mean squared error of reconstructed validation images, grey levels in 0..1."""
        return self.history[self.best_epoch - 1].validation_mse


@dataclass
class _Run:
    """Everything that changes during a training."""

    vae: Network
    step: Step
    supply: Supply
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[EpochMetrics] = field(default_factory=list)


def fit(
    train: Images,
    validation: Images,
    latent_dim: int | None,
    options: TrainingOptions,
    *,
    device: str = "cpu",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    checkpoint: bytes | None = None,
    on_checkpoint: Callable[[Callable[[], bytes]], None] | None = None,
    group: Group | None = None,
) -> Trained:
    """Train a VAE. The same arguments give the same weights, in one go or resumed; on the CPU to the last bit.

    Images that are not in memory, a `Selection`, are shuffled within windows of a file (`supply`). Where one window
    holds all of them, the weights are the same as from memory.

    From the first call on, the process keeps the memory that its tensors free (`allocator.keep_freed`).

    Args:
        train: uint8 [n, h, w, c] with n at least 2, in memory or not.
        validation: uint8 [m, h, w, c] with m at least 1, never trained on.
        latent_dim: dimensions of the latent space; None for the architecture's own number, `LATENT_DIMS`.
        options: how to train.
        device: a torch device.
        on_epoch: called after each epoch; it may raise to stop the training.
        checkpoint: bytes of an earlier training with the same arguments; training goes on from there.
        on_checkpoint: called after each epoch with a function that returns all that is needed to resume after it, as
            bytes. The function takes a while, so call it only when the bytes are wanted.
        group: the processes that train together; None means this process alone.

    Raises:
        TooFewImages: fewer than 2 training images or no validation image.
        InvalidInput: images of a size or kind that no VAE takes, or a loss that is no longer finite.
        MalformedInput: the checkpoint is not one of this training.
    """
    keep_freed()
    architecture = _architecture(train, validation, latent_dim, options)
    options = asked = settled(options, architecture, len(train))
    if asked.precision == "auto":
        options = asked.model_copy(update={"precision": fastest(architecture, torch.device(device))})
    with side_stream(torch.device(device)):
        images = supply(train, torch.device(device), options.batch_size or len(train))
        # With the precision that was asked for, as another machine may go on with a checkpoint.
        about = [asdict(architecture), asked.model_dump(), len(train), len(validation)]
        identity = json.dumps(about if images.windowed is None else [*about, images.windowed])
        if checkpoint is None:
            run = _start(untrained(architecture, images.sample, options.seed), options, images, group or Alone())
        else:
            run = _resume(checkpoint, identity, options, images, group or Alone())
        held = validation if isinstance(validation, Selection) else torch.tensor(validation, device=device)
        _epochs(run, held, options, identity, on_epoch, on_checkpoint)
    weights = {name: tensor.cpu() for name, tensor in run.best.items()}
    return Trained(from_weights(architecture, weights), options, run.history, run.best_epoch)


def _epochs(
    run: _Run,
    validation: Tensor | Selection,
    options: TrainingOptions,
    identity: str,
    on_epoch: Callable[[EpochMetrics], None] | None,
    on_checkpoint: Callable[[Callable[[], bytes]], None] | None,
) -> None:
    """Train until `patience` epochs in a row have brought no improvement, or `epochs` or `max_seconds` are done."""
    while not _ended(run.history, run.best_epoch, options):
        metrics = _epoch(run, validation, options)
        run.history.append(metrics)
        if _is_better(run, metrics):
            run.best_epoch = metrics.epoch
            run.best = {name: tensor.clone() for name, tensor in run.step.settled.state_dict().items()}
        if on_checkpoint is not None:
            on_checkpoint(lambda: _checkpoint(run, identity))
        if on_epoch is not None:
            on_epoch(metrics)


def _ended(history: Sequence[EpochMetrics], best_epoch: int, options: TrainingOptions) -> bool:
    """Whether no epoch is to follow."""
    return bool(history) and (len(history) >= history[-1].epochs or len(history) - best_epoch >= options.patience)


def _is_better(run: _Run, metrics: EpochMetrics) -> bool:
    """Whether an epoch is the best so far, by as much as counts."""
    if not run.best_epoch:
        return True
    best = run.history[run.best_epoch - 1]
    if run.vae.architecture.name == "paper":
        return metrics.validation_reconstruction < best.validation_reconstruction
    return metrics.validation_mse < best.validation_mse * (1 - _GAIN)


def _epochs_in_all(history: Sequence[EpochMetrics], seconds: float, options: TrainingOptions) -> int:
    """How many epochs there will be at most, if each takes as long as the last, which took so many seconds."""
    most, done = options.epochs or 1, len(history) + 1
    if options.max_seconds is None:
        return most
    left = options.max_seconds - sum(epoch.seconds for epoch in history) - seconds
    return min(most, done + max(0, math.floor(left / seconds)))


def _architecture(train: Images, validation: Images, latent_dim: int | None, options: TrainingOptions) -> Architecture:
    if train.ndim != 4 or train.dtype != np.uint8 or validation.dtype != np.uint8:
        raise InvalidInput(f"training images are {train.dtype} {list(train.shape)}; give uint8 [n, h, w, c]")
    if len(train) < 2 or len(validation) < 1:
        raise TooFewImages(
            f"{len(train)} training and {len(validation)} validation images; training takes at least 2 and 1"
        )
    if train.shape[1:] != validation.shape[1:]:
        raise InvalidInput(f"training images are {train.shape[1:]}, validation images {validation.shape[1:]}")
    height, width, channels = train.shape[1:]
    name = chosen(options.architecture, height, width, channels)
    return Architecture(height, width, channels, latent_dim or LATENT_DIMS[name], name=name)


def _epoch(run: _Run, validation: Tensor | Selection, options: TrainingOptions) -> EpochMetrics:
    """Train on all images once, in a new order, then validate."""
    number, started, group = len(run.history) + 1, time.perf_counter(), run.step.group
    train_loss, reconstruction, divergence = _train(run, options, number)
    trained = time.perf_counter()
    reconstructed, diverged, mse = group.agreed(_validate(run.step.settled, validation)).tolist()
    if not math.isfinite(train_loss + reconstructed):
        raise InvalidInput(f"training diverged in epoch {number}: the loss is not finite; lower learning_rate or beta")
    clock = torch.tensor(time.perf_counter() - started, dtype=torch.float64, device=run.step.images.device)
    seconds = float(group.agreed(clock))  # the same for all, because it may decide when training ends
    return EpochMetrics(
        number,
        train_loss,
        reconstruction,
        divergence,
        reconstructed,
        diverged,
        len(run.supply) / (trained - started),
        seconds,
        mse,
        _epochs_in_all(run.history, seconds, options),
    )


def _train(run: _Run, options: TrainingOptions, epoch: int) -> list[float]:
    """One pass over the images. Order and noise depend on seed and epoch alone, so that resuming is exact."""
    order_seed, noise_seed = np.random.SeedSequence([options.seed, epoch]).generate_state(2, np.uint64).tolist()
    device, shuffle = run.supply.images.device, torch.Generator().manual_seed(order_seed)
    generator = torch.Generator(device).manual_seed(noise_seed)
    run.step.sums.zero_()
    run.vae.train()
    for window in run.supply.epoch(order_seed):
        run.step.images = window.images
        order = torch.randperm(window.length, generator=shuffle).to(device)
        _train_on(run, options, order, generator)
    means: list[float] = (run.step.group.total(run.step.sums) / len(run.supply)).tolist()
    return means


def _train_on(run: _Run, options: TrainingOptions, order: Tensor, generator: torch.Generator) -> None:
    """Train on the step's images in this order."""
    size, latent_dim = options.batch_size or len(order), run.vae.architecture.latent_dim
    for start in range(0, len(order), size):
        batch = order[start : start + size]  # [batch]
        noise = torch.randn(len(batch), latent_dim, generator=generator, device=order.device)  # [batch, latent_dim]
        chances = None
        if run.step.average is not None:
            chances = torch.rand(len(batch), CHANCES, generator=generator, device=order.device)  # [batch, CHANCES]
        run.step.take(batch, noise, chances)


@torch.inference_mode()
def _validate(vae: Network, images: Tensor | Selection) -> Tensor:
    """Reconstruction from the mean latents, divergence and mean squared error, means over the images, float64 [3]."""
    vae.eval()
    device = next(vae.parameters()).device
    sums = torch.zeros(3, dtype=torch.float64, device=device)
    size = together(math.prod(images.shape[1:]), _VALIDATION_BATCH)
    for start in range(0, len(images), size):
        x = pixels(torch.as_tensor(images[start : start + size], device=device))  # [batch, c, h, w]
        no_noise = torch.zeros(len(x), vae.architecture.latent_dim, device=x.device)  # [batch, latent_dim]
        output, mean, log_variance = vae(x, no_noise)
        parts = loss(x, output, mean, log_variance, 1, vae.likelihood)
        mse = (vae.image(output) - x).square().mean()
        sums += torch.stack([parts.reconstruction, parts.divergence, mse]) * len(x)
    return sums / len(images)


def _start(
    vae: Network,
    options: TrainingOptions,
    images: Supply,
    group: Group,
    averaged: tuple[dict[str, Tensor], Tensor] | None = None,
) -> _Run:
    """Make ready to train.

    Args:
        vae: its weights are those to start from.
        options: how to train.
        images: the training images.
        group: the processes that train together.
        averaged: averaged weights, and over how many steps; None at the start.
    """
    first, device = images.images, images.images.device
    vae = vae.to(device)
    average, beta = None, 1.0 if options.beta is None else options.beta
    if isinstance(vae, ResidualVAE):
        vae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        average = Average(vae, None if averaged is None else averaged[1])
        if averaged is not None:
            average.network.load_state_dict(averaged[0])
    # Capturable means that nothing in a step waits for the GPU, so that the step can be recorded.
    rate = options.learning_rate if average is None else torch.tensor(options.learning_rate, device=device)
    optimizer = torch.optim.Adam(vae.parameters(), lr=rate, fused=True, capturable=first.is_cuda)
    step = step_kind(first, group)(
        vae,
        group.wrap(vae),
        optimizer,
        group,
        first,
        beta,
        options.precision == "bfloat16",
        average,
        options.learning_rate,
    )
    return _Run(vae, step, images)


def _checkpoint(run: _Run, identity: str) -> bytes:
    """Weights, best weights and Adam's moments by name; the header says what they belong to and holds the history."""
    tensors = {f"weights.{name}": tensor for name, tensor in run.vae.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.items()}
    for name, parameter in run.vae.named_parameters():
        tensors |= {f"{moment}.{name}": run.step.optimizer.state[parameter][moment] for moment in _MOMENTS}
    if run.step.average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in run.step.average.network.state_dict().items()}
        tensors["averaged.steps"] = run.step.average.steps
    header = {"identity": identity, "best_epoch": run.best_epoch, "history": [asdict(m) for m in run.history]}
    return save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, {"training": json.dumps(header)})


def _resume(checkpoint: bytes, identity: str, options: TrainingOptions, images: Supply, group: Group) -> _Run:
    """Go on from what `_checkpoint` wrote."""
    architecture, *_ = json.loads(identity)
    try:
        tensors = load(checkpoint)
        header_size = int.from_bytes(checkpoint[:8], "little")
        header = json.loads(json.loads(checkpoint[8 : 8 + header_size])["__metadata__"]["training"])
        history = [EpochMetrics(**metrics) for metrics in header["history"]]
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise MalformedInput(f"the checkpoint cannot be read ({error!r}); train from the start") from error
    if header.get("identity") != identity:
        raise MalformedInput("the checkpoint belongs to another training; give the arguments that it was made with")
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in ("weights", "best", "average", "averaged", *_MOMENTS)}
    for name, tensor in tensors.items():
        part, _, weight = name.partition(".")
        parts[part][weight] = tensor.to(images.images.device)
    vae = from_weights(Architecture(**architecture), parts["weights"])
    averaged = (parts["average"], parts["averaged"]["steps"]) if parts["average"] else None
    run = _start(vae, options, images, group, averaged)
    for name, parameter in run.vae.named_parameters():
        run.step.optimizer.state[parameter] = {moment: _laid_out(parts[moment][name], parameter) for moment in _MOMENTS}
    run.best, run.best_epoch, run.history = parts["best"], header["best_epoch"], history
    return run


def _laid_out(moment: Tensor, parameter: Tensor) -> Tensor:
    """A moment in memory as its parameter is, for the fused step goes through both in the order of their bytes."""
    return torch.empty_like(parameter).copy_(moment) if moment.shape == parameter.shape else moment
