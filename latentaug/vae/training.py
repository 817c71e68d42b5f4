"""Train a VAE without labels (section 4), with early stopping and checkpoints from which training resumes exactly.

Images are uint8 [n, h, w, c], and stay uint8 on the device until their batch's turn.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from latentaug.errors import InvalidInput, MalformedInput, TooFewImages
from latentaug.options import TrainingOptions
from latentaug.vae.architectures import VAE, Architecture, from_weights, loss, pixels
from latentaug.vae.distributed import Alone, Group
from latentaug.vae.memory import keep_freed
from latentaug.vae.train_step import Step, side_stream, step_kind

Pixels = NDArray[np.uint8]

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_VALIDATION_BATCH = 1024


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
    """

    epoch: int
    train_loss: float
    train_reconstruction: float
    train_divergence: float
    validation_reconstruction: float
    validation_divergence: float
    images_per_second: float
    seconds: float


@dataclass(frozen=True)
class Trained:
    """A trained VAE with the weights of its best epoch, on the CPU, and how it was trained.

    Attributes:
        vae: the network.
        options: the options, with the batch size that was taken.
        history: the results of every epoch.
        best_epoch: number of the epoch with the lowest validation reconstruction, from 1.
    """

    vae: VAE
    options: TrainingOptions
    history: list[EpochMetrics]
    best_epoch: int


@dataclass
class _Run:
    """Everything that changes during a training."""

    vae: VAE
    step: Step
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[EpochMetrics] = field(default_factory=list)


def fit(
    train: Pixels,
    validation: Pixels,
    latent_dim: int,
    options: TrainingOptions,
    *,
    device: str = "cpu",
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    checkpoint: bytes | None = None,
    on_checkpoint: Callable[[Callable[[], bytes]], None] | None = None,
    group: Group | None = None,
) -> Trained:
    """Train a VAE. The same arguments give the same weights, in one go or resumed; on the CPU to the last bit.

    From the first call on, the process keeps the memory that its tensors free (`memory.keep_freed`).

    Args:
        train: uint8 [n, h, w, c] with n at least 2.
        validation: uint8 [m, h, w, c] with m at least 1, never trained on.
        latent_dim: dimensions of the latent space.
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
    architecture = _architecture(train, validation, latent_dim)
    options = options.model_copy(update={"batch_size": options.batch_size or _default_batch_size(len(train))})
    identity = json.dumps([asdict(architecture), options.model_dump(), len(train), len(validation)])
    with side_stream(torch.device(device)):
        images = torch.tensor(train, device=device)
        if checkpoint is None:
            run = _start(untrained(architecture, train, options.seed), options, images, group or Alone())
        else:
            run = _resume(checkpoint, identity, images, group or Alone())
        _epochs(run, torch.tensor(validation, device=device), options, identity, on_epoch, on_checkpoint)
    weights = {name: tensor.cpu() for name, tensor in run.best.items()}
    return Trained(from_weights(architecture, weights), options, run.history, run.best_epoch)


def _epochs(
    run: _Run,
    validation: Tensor,
    options: TrainingOptions,
    identity: str,
    on_epoch: Callable[[EpochMetrics], None] | None,
    on_checkpoint: Callable[[Callable[[], bytes]], None] | None,
) -> None:
    """Train until `patience` epochs in a row have brought no improvement, or `epochs` are done."""
    while len(run.history) < options.epochs and len(run.history) - run.best_epoch < options.patience:
        metrics = _epoch(run, validation, options)
        run.history.append(metrics)
        best = min(run.history, key=lambda epoch: epoch.validation_reconstruction)  # the earliest of equals
        if best is metrics:
            run.best_epoch = metrics.epoch
            run.best = {name: tensor.clone() for name, tensor in run.vae.state_dict().items()}
        if on_checkpoint is not None:
            on_checkpoint(lambda: _checkpoint(run, identity))
        if on_epoch is not None:
            on_epoch(metrics)


def _architecture(train: Pixels, validation: Pixels, latent_dim: int) -> Architecture:
    if train.ndim != 4 or train.dtype != np.uint8 or validation.dtype != np.uint8:
        raise InvalidInput(f"training images are {train.dtype} {list(train.shape)}; give uint8 [n, h, w, c]")
    if len(train) < 2 or len(validation) < 1:
        raise TooFewImages(
            f"{len(train)} training and {len(validation)} validation images; training takes at least 2 and 1"
        )
    if train.shape[1:] != validation.shape[1:]:
        raise InvalidInput(f"training images are {train.shape[1:]}, validation images {validation.shape[1:]}")
    height, width, channels = train.shape[1:]
    return Architecture(height, width, channels, latent_dim)


def _default_batch_size(n: int) -> int:
    """A power of two: 256 for 8,192 training images or more, and fewer for fewer, down to 16 for 512 or less."""
    return max(16, min(256, 2 ** ((n // 32).bit_length() - 1) if n >= 32 else 0))


def _epoch(run: _Run, validation: Tensor, options: TrainingOptions) -> EpochMetrics:
    """Train on all images once, in a new order, then validate."""
    number, started = len(run.history) + 1, time.perf_counter()
    train_loss, reconstruction, divergence = _train(run, options, number)
    trained = time.perf_counter()
    validation_reconstruction, validation_divergence = run.step.group.agreed(_validate(run.vae, validation)).tolist()
    if not math.isfinite(train_loss + validation_reconstruction):
        raise InvalidInput(f"training diverged in epoch {number}: the loss is not finite; lower learning_rate or beta")
    return EpochMetrics(
        number,
        train_loss,
        reconstruction,
        divergence,
        validation_reconstruction,
        validation_divergence,
        len(run.step.images) / (trained - started),
        time.perf_counter() - started,
    )


def _train(run: _Run, options: TrainingOptions, epoch: int) -> list[float]:
    """One pass over the images. Order and noise depend on seed and epoch alone, so that resuming is exact."""
    images = run.step.images
    order_seed, noise_seed = np.random.SeedSequence([options.seed, epoch]).generate_state(2, np.uint64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(int(order_seed))).to(images.device)
    generator = torch.Generator(images.device).manual_seed(int(noise_seed))
    run.step.sums.zero_()
    run.vae.train()
    size, latent_dim = options.batch_size or len(order), run.vae.architecture.latent_dim
    for start in range(0, len(order), size):
        batch = order[start : start + size]  # [batch]
        noise = torch.randn(len(batch), latent_dim, generator=generator, device=images.device)  # [batch, latent_dim]
        run.step.take(batch, noise)
    means: list[float] = (run.step.group.total(run.step.sums) / len(order)).tolist()
    return means


@torch.inference_mode()
def _validate(vae: VAE, images: Tensor) -> Tensor:
    """Reconstruction from the mean latents, and divergence, as means over the images, float64 [2]."""
    vae.eval()
    sums = torch.zeros(2, dtype=torch.float64, device=images.device)
    for start in range(0, len(images), _VALIDATION_BATCH):
        x = pixels(images[start : start + _VALIDATION_BATCH])  # [batch, c, h, w]
        mean, log_variance = vae.encode(x)
        parts = loss(x, vae.decode_logits(mean), mean, log_variance, beta=1)
        sums += torch.stack([parts.reconstruction, parts.divergence]) * len(x)
    return sums / len(images)


def untrained(architecture: Architecture, train: Pixels, seed: int) -> VAE:
    """Return the network that `fit` begins with, on the CPU."""
    with torch.random.fork_rng(devices=[]):  # leaves the caller's random numbers as they were
        torch.manual_seed(seed)
        vae = VAE(architecture)
        vae.initialise(torch.tensor(train.mean(axis=(0, 1, 2)) / 255))
    return vae


def _start(vae: VAE, options: TrainingOptions, images: Tensor, group: Group) -> _Run:
    vae = vae.to(images.device)
    # Capturable means that nothing in a step waits for the GPU, so that the step can be recorded.
    optimizer = torch.optim.Adam(vae.parameters(), lr=options.learning_rate, fused=True, capturable=images.is_cuda)
    step = step_kind(images, group)(
        group.wrap(vae), optimizer, group, images, options.beta, options.precision == "bfloat16"
    )
    return _Run(vae, step)


def _checkpoint(run: _Run, identity: str) -> bytes:
    """Weights, best weights and Adam's moments by name; the header says what they belong to and holds the history."""
    tensors = {f"weights.{name}": tensor for name, tensor in run.vae.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in run.best.items()}
    for name, parameter in run.vae.named_parameters():
        tensors |= {f"{moment}.{name}": run.step.optimizer.state[parameter][moment] for moment in _MOMENTS}
    header = {"identity": identity, "best_epoch": run.best_epoch, "history": [asdict(m) for m in run.history]}
    return save({name: tensor.cpu() for name, tensor in tensors.items()}, {"training": json.dumps(header)})


def _resume(checkpoint: bytes, identity: str, images: Tensor, group: Group) -> _Run:
    """Go on from what `_checkpoint` wrote."""
    architecture, options, _, _ = json.loads(identity)
    try:
        tensors = load(checkpoint)
        header_size = int.from_bytes(checkpoint[:8], "little")
        header = json.loads(json.loads(checkpoint[8 : 8 + header_size])["__metadata__"]["training"])
        history = [EpochMetrics(**metrics) for metrics in header["history"]]
    except (SafetensorError, ValueError, LookupError, TypeError) as error:
        raise MalformedInput(f"the checkpoint cannot be read ({error!r}); train from the start") from error
    if header.get("identity") != identity:
        raise MalformedInput("the checkpoint belongs to another training; give the arguments that it was made with")
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in ("weights", "best", *_MOMENTS)}
    for name, tensor in tensors.items():
        part, _, weight = name.partition(".")
        parts[part][weight] = tensor.to(images.device)
    vae = from_weights(Architecture(**architecture), parts["weights"])
    run = _start(vae, TrainingOptions(**options), images, group)
    for name, parameter in run.vae.named_parameters():
        run.step.optimizer.state[parameter] = {moment: parts[moment][name] for moment in _MOMENTS}
    run.best, run.best_epoch, run.history = parts["best"], header["best_epoch"], history
    return run
