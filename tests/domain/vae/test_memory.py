"""How many images are computed together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from latentaug.vae import memory, residual
from latentaug.vae.architectures import Architecture
from latentaug.vae.memory import together
from latentaug.vae.networks import untrained


@pytest.mark.parametrize(
    ("values", "most", "expected"),
    [(28 * 28, 1024, 1024), (128 * 128 * 3, 256, 170), (256 * 256 * 3, 1024, 42), (2**24, 1024, 1), (1, 1, 1)],
)
def test_large_images_are_computed_a_few_together(values: int, most: int, expected: int) -> None:
    assert together(values, most) == expected


def test_the_linear_model_is_the_same_however_many_images_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
    architecture = Architecture(8, 8, 3, 6, name="residual")
    one = untrained(architecture, images, seed=0).state_dict()
    monkeypatch.setattr(memory, "_VALUES_TOGETHER", 7 * images[0].size)
    assert residual.together(images[0].size, residual.CHUNK) == 7
    other = untrained(architecture, images, seed=0).state_dict()
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight, msg=name)
