"""`make bench-training`: images per second and validation loss of a plain PyTorch loop, pythae's trainer and ours.

All have the same network, first weights, data, batch, learning rate, loss and epochs; only the order of the images and
the random numbers differ. Every contender's network is validated by the same formula. This needs MNIST, which is taken
from LATENTAUG_DATA_DIR (a folder with mnist/*.gz) or else downloaded. For a quick look:
`make bench-training BENCH="--rounds 1 --epochs 1 --images 5000"`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from bench import kernels, machine, results
from bench.plain import PlainVAE
from latentaug.datasets import mnist
from latentaug.errors import Unavailable
from latentaug.options import TrainingOptions
from latentaug.runtime import settings
from latentaug.vae.architectures import VAE, Architecture, pixels
from latentaug.vae.likelihoods import loss
from latentaug.vae.networks import untrained
from latentaug.vae.training import fit

LATENT_DIM = 20
BATCH = 256
LEARNING_RATE = 1e-3
KERNELS_SECONDS, KERNELS_STEPS = 5.0, 10
NAMES = ("plain loop", "pythae", "ours", "ours, bfloat16", kernels.NAME)

Images: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Data:
    """Images uint8 [n, h, w, c], and how long to train on them."""

    train: Images
    validation: Images
    epochs: int
    device: str
    seed: int


@dataclass(frozen=True)
class Run:
    """One training: images per second of the median epoch, without validation, and the last epoch's loss in nats.

    The loss is NaN where nothing is learnt.
    """

    images_per_second: float
    validation_loss: float

    def to_json(self) -> dict[str, float | None]:
        """As JSON has it, which knows no NaN."""
        loss = None if math.isnan(self.validation_loss) else self.validation_loss
        return {"images_per_second": self.images_per_second, "validation_loss": loss}


def main(arguments: Sequence[str]) -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds of each contender (5)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of each training (3)")
    parser.add_argument("--images", type=int, default=mnist.TRAIN, help=f"images to train on ({mnist.TRAIN})")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where everyone trains (cpu)")
    parser.add_argument("--contenders", nargs="+", choices=NAMES, default=NAMES, help="who takes part (all)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    given = parser.parse_args(arguments)
    if min(given.rounds, given.epochs) < 1:
        parser.error("--rounds and --epochs must be at least 1")
    environment = results.environment(given.device)
    runs = measure(
        _mnist(given.images), rounds=given.rounds, epochs=given.epochs, device=given.device, names=given.contenders
    )
    data = {name: [run.to_json() for run in found] for name, found in runs.items()}
    page = [
        "# Training",
        "",
        results.FAIR,
        "",
        f"{given.epochs} epochs on {given.images:,} images of MNIST, {given.device}, batch {BATCH}, "
        f"Adam {LEARNING_RATE}, Z = {LATENT_DIM}; medians of {given.rounds} rounds. "
        "Validation loss: reconstruction from the means plus "
        f"divergence over {mnist.VALIDATION:,} images. The {kernels.NAME} are a floor: no trainer that calls "
        "the same kernels is faster.",
        "",
        *table(runs),
    ]
    results.write(
        given.results,
        results.named("training", given.device),
        results.command("bench-training", arguments),
        environment,
        data,
        page,
    )


def measure(
    parts: tuple[Images, Images], *, rounds: int, epochs: int, device: str, names: Sequence[str] = NAMES
) -> dict[str, list[Run]]:
    """Have each contender train in turn, round after round, each round from other first weights.

    One short training of each comes first and is dropped. Each has a process of its own: our training makes the C
    library keep the memory that it frees, which would help the others too.
    """
    train, validation = parts
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with ExitStack() as stack:
        processes = {name: stack.enter_context(_process()) for name in names}
        for name in names:
            processes[name].submit(CONTENDERS[name], Data(train[: 10 * BATCH], validation, 1, device, 0)).result()
        for number in range(rounds):
            for name in names:
                data = Data(train, validation, epochs, device, number)
                runs[name].append(processes[name].submit(CONTENDERS[name], data).result())
                print(f"  round {number + 1} of {rounds}: {name} {runs[name][-1]}", flush=True)
    return runs


def _process() -> ProcessPoolExecutor:
    """One process that computes in one thread."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, context, initializer=torch.set_num_threads, initargs=(1,))


def table(runs: dict[str, list[Run]]) -> list[str]:
    """Medians, and how each of our runs compares with the others', as Markdown."""
    speeds = {name: median(run.images_per_second for run in found) for name, found in runs.items()}
    losses = {name: median(run.validation_loss for run in found) for name, found in runs.items()}
    mine = [name for name in runs if name.startswith("ours")]
    heads = [f"{name} / it | its loss beside it" for name in mine]
    lines = [
        f"| trainer | images/s | validation loss, nats | {' | '.join(heads)} |",
        "|---" * (3 + 2 * len(mine)) + "|",
    ]
    for name in runs:
        beside = [f"{speeds[our] / speeds[name]:.2f} | {_loss(losses[our] / losses[name] - 1, '+.2%')}" for our in mine]
        lines.append(f"| {name} | {speeds[name]:,.0f} | {_loss(losses[name], '.2f')} | {' | '.join(beside)} |")
    return lines


def _loss(value: float, form: str) -> str:
    return "none" if math.isnan(value) else format(value, form)


def plain_loop(data: Data) -> Run:
    """Train with the loop of any tutorial: tensors of floats, a DataLoader, Adam."""
    network = first_network(data).to(data.device)
    loader = DataLoader(TensorDataset(floats(data.train)), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    torch.manual_seed(data.seed)
    seconds = list[float]()
    for _ in range(data.epochs):
        started, epoch_loss = time.perf_counter(), 0.0
        for (batch,) in loader:
            x = batch.to(data.device)
            mean, log_variance = network.encode(x)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            reconstruction = functional.binary_cross_entropy(network.decode(z), x, reduction="sum")
            divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
            batch_loss = (reconstruction + divergence) / len(x)
            optimizer.zero_grad()
            batch_loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            epoch_loss += batch_loss.item()
        seconds.append(time.perf_counter() - started)
    return Run(len(data.train) / median(seconds), validation_loss(network, data.validation))


def pythae(data: Data) -> Run:
    """Train with pythae's trainer, in a process of its own: it sets global seeds and loggers."""
    with TemporaryDirectory() as folder:
        path = Path(folder)
        np.savez(path / "images.npz", train=data.train, validation=data.validation)
        command = [sys.executable, "-m", "bench.pythae_trainer", folder, str(data.epochs), data.device, str(data.seed)]
        with (path / "log").open("wb") as log:
            failed = subprocess.run(command, stdout=log, stderr=log, check=False).returncode
        if failed:
            raise SystemExit(f"pythae failed:\n{(path / 'log').read_text()[-2000:]}")
        return Run(**json.loads((path / "run.json").read_text()))


def ours(data: Data) -> Run:
    """Train with `latentaug.vae.training.fit`, whose own validation is that of `validation_loss`."""
    return _fit(data, "float32")


def ours_bfloat16(data: Data) -> Run:
    """Train as `ours` does, with the network's products in bfloat16."""
    return _fit(data, "bfloat16")


def kernels_alone(data: Data) -> Run:
    """Run the kernels of some steps, again and again."""
    calls = kernels.training_step(_architecture(data), BATCH, data.device) * KERNELS_STEPS
    steps = kernels.together(calls, data.device)
    return Run(BATCH * KERNELS_STEPS * machine.rate(steps, KERNELS_SECONDS), math.nan)


def _fit(data: Data, precision: Literal["float32", "bfloat16"]) -> Run:
    options = TrainingOptions(
        epochs=data.epochs,
        patience=data.epochs,
        batch_size=BATCH,
        learning_rate=LEARNING_RATE,
        seed=data.seed,
        precision=precision,
    )
    history = fit(data.train, data.validation, LATENT_DIM, options, device=data.device).history
    last = history[-1]
    return Run(
        median(epoch.images_per_second for epoch in history),
        last.validation_reconstruction + last.validation_divergence,
    )


CONTENDERS: dict[str, Callable[[Data], Run]] = {
    "plain loop": plain_loop,
    "pythae": pythae,
    "ours": ours,
    "ours, bfloat16": ours_bfloat16,
    kernels.NAME: kernels_alone,
}


def first_network(data: Data) -> PlainVAE:
    """Return the plain network with the weights that ours begins with at this seed."""
    architecture = _architecture(data)
    network = PlainVAE(architecture)
    network.load_state_dict(untrained(architecture, data.train, data.seed).state_dict())
    return network


def _architecture(data: Data) -> Architecture:
    height, width, channels = data.train.shape[1:]
    return Architecture(height, width, channels, LATENT_DIM)


def floats(images: Images) -> Tensor:
    """Convert uint8 [n, h, w, c] to float32 [n, c, h, w] in 0..1, all at once, as tutorials do."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 255


@torch.inference_mode()
def validation_loss(network: PlainVAE | VAE, images: Images) -> float:
    """Return the reconstruction from the means plus the divergence, in nats per image."""
    network = network.cpu().eval()
    total = 0.0
    for start in range(0, len(images), 1000):
        x = pixels(torch.from_numpy(images[start : start + 1000]))
        mean, log_variance = network.encode(x)
        total += float(loss(x, network.output(mean), mean, log_variance, beta=1).total) * len(x)
    return total / len(images)


def _mnist(images: int) -> tuple[Images, Images]:
    """The first `images` of MNIST's training part, and its validation part."""
    try:
        found = mnist.load(settings.load().dataset_folders)
    except Unavailable as error:
        raise SystemExit(f"this benchmark needs MNIST: {error.detail}") from error
    return found.images[found.train[:images]], found.images[found.validation]


if __name__ == "__main__":
    main(sys.argv[1:])
