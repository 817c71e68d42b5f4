"""`python -m bench.pythae_trainer <folder> <epochs> <device> <seed>`: pythae's own trainer on the plain network.

It reads `images.npz` in the folder and writes `run.json`, a `bench.training.Run`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor

from bench import training
from bench.plain import PlainVAE
from bench.training import Data, Run


class Encoder(BaseEncoder):
    """The plain network's encoder in pythae's form."""

    def __init__(self, network: PlainVAE) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> ModelOutput:
        """Float32 [n, c, h, w] to mean and log-variance."""
        mean, log_variance = self.network.encode(x)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """The plain network's decoder in pythae's form."""

    def __init__(self, network: PlainVAE) -> None:
        super().__init__()
        self.network = network

    def forward(self, z: Tensor) -> ModelOutput:
        """[n, latent_dim] to float32 [n, c, h, w] in 0..1."""
        return ModelOutput(reconstruction=self.network.decode(z))


class Clock(TrainingCallback):
    """Seconds of each epoch from its first training step to its validation."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._started = 0.0

    def on_train_step_begin(self, training_config: BaseTrainerConfig, **_: Any) -> None:
        """An epoch's training begins."""
        self._started = time.perf_counter()

    def on_eval_step_begin(self, training_config: BaseTrainerConfig, **_: Any) -> None:
        """An epoch's training has ended."""
        self.seconds.append(time.perf_counter() - self._started)


def train(data: Data, folder: Path) -> Run:
    """Train the plain network with pythae's trainer, which keeps its files in `folder`."""
    network, clock = training.first_network(data), Clock()
    height, width, channels = data.train.shape[1:]
    about = VAEConfig(input_dim=(channels, height, width), latent_dim=training.LATENT_DIM, reconstruction_loss="bce")
    # Two halves of one network: each is given a copy, and only its own half is ever used or trained.
    model = VAE(about, Encoder(network), Decoder(training.first_network(data)))
    trainer = BaseTrainer(
        model=model,
        train_dataset=_dataset(data.train),
        eval_dataset=_dataset(data.validation),
        training_config=BaseTrainerConfig(
            output_dir=str(folder / "pythae"),
            per_device_train_batch_size=training.BATCH,
            per_device_eval_batch_size=training.BATCH,
            num_epochs=data.epochs,
            learning_rate=training.LEARNING_RATE,
            seed=data.seed,
            no_cuda=data.device == "cpu",
        ),
        callbacks=[clock],
    )
    trainer.train()
    network.decoder = model.decoder.network.decoder
    return Run(len(data.train) / median(clock.seconds), training.validation_loss(network, data.validation))


def _dataset(images: training.Images) -> BaseDataset:
    return BaseDataset(training.floats(images), torch.zeros(len(images)))


def main() -> None:
    """Train on what the folder holds."""
    folder, epochs, device, seed = sys.argv[1:]
    torch.set_num_threads(1)
    images = np.load(Path(folder) / "images.npz")
    run = train(Data(images["train"], images["validation"], int(epochs), device, int(seed)), Path(folder))
    (Path(folder) / "run.json").write_text(json.dumps(vars(run)))


if __name__ == "__main__":
    main()
