"""The PyTorch example: a real run, and what its data set holds."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import torch
from latentaug_client import Client

from examples.torch_dataset import AugmentedDataset
from tests.client.conftest import MODEL


def test_it_holds_the_images_and_their_children(client: Client, images: np.ndarray, labels: np.ndarray) -> None:
    dataset = AugmentedDataset(client, images, labels, MODEL, k=2)
    assert len(dataset) == 40 + 80
    first, label = dataset[0]
    assert first.shape == (1, 8, 8)
    assert torch.equal(first[0], torch.from_numpy(images[0]) / 255)
    assert label == labels[0]
    assert dataset[40][1] == dataset[41][1] == labels[0]


def test_it_runs(url: str) -> None:
    command = [sys.executable, "-m", "examples.torch_dataset", url, MODEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(r"200 images to train on, ([0-9.]+)% of [0-9]+ test images right\n", done.stdout)
    assert found, done.stdout
    assert float(found[1]) > 50, "five times what guessing gives"
