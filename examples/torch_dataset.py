"""A PyTorch `Dataset` of images and new images made from them.

Copy the class; it needs only latentaug_client and torch. To try it with the service at URL and one of its models, run
`python -m examples.torch_dataset URL MODEL`.
"""

from __future__ import annotations

import sys
from typing import Any, Unpack

import numpy as np
import torch
from latentaug_client import AugmentOptions, Client
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from latentaug.datasets import digits


class AugmentedDataset(Dataset[tuple[Tensor, int]]):
    """Images, followed by the new images that a model makes from them. They are made once, with the data set.

    Give it training images only. New images made from a test image would make the test worthless.

    Args:
        client: a client of the service.
        images: uint8 [n, h, w] or [n, h, w, c].
        labels: int64 [n]; neighbours have the same label.
        model: name of the model.
        options: options of `Client.augment`, such as `method` and `k`.
    """

    def __init__(
        self,
        client: Client,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        model: str,
        **options: Unpack[AugmentOptions],
    ) -> None:
        new = client.augment(images, labels, model=model, **options)
        pixels = np.concatenate([images, new.images])
        channels_last = pixels if pixels.ndim == 4 else pixels[..., None]
        self.images = torch.from_numpy(channels_last).permute(0, 3, 1, 2).float() / 255  # [n + m, c, h, w]
        self.labels: NDArray[np.int64] = np.concatenate([labels, labels[new.source]])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], int(self.labels[index])


def main() -> None:
    """Train a linear classifier on fifty digits and new images made from them; print its accuracy on the test part."""
    url, model = sys.argv[1:]
    data = digits.load()
    assert data.labels is not None
    few = data.train[:50]
    with Client(url) as client:
        dataset = AugmentedDataset(client, data.images[few][..., 0], data.labels[few], model, method="noise", k=3)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(dataset.images[0].numel(), len(data.classes)))
    _fit(network, DataLoader(dataset, batch_size=32, shuffle=True))
    test = torch.from_numpy(data.images[data.test]).permute(0, 3, 1, 2).float() / 255
    right = network(test).argmax(1).numpy() == data.labels[data.test]
    print(f"{len(dataset)} images to train on, {right.mean():.1%} of {len(test)} test images right")


def _fit(network: nn.Module, batches: DataLoader[Any], epochs: int = 20) -> None:
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(epochs):
        for images, labels in batches:
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(images), labels).backward()  # type: ignore[no-untyped-call]
            optimiser.step()


if __name__ == "__main__":
    main()
