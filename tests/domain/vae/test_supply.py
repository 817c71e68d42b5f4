"""Images that are not in memory: all of them are trained on, in windows, and in one window as if they were."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from latentaug.datasets import digits
from latentaug.datasets.selection import Selection
from latentaug.options import TrainingOptions
from latentaug.vae import supply
from latentaug.vae.networks import to_bytes
from latentaug.vae.supply import Windows
from latentaug.vae.training import fit

DIGITS = digits.load()
TRAIN, VALIDATION = DIGITS.train[:200], DIGITS.validation[:50]
SHORT = TrainingOptions(epochs=3, batch_size=16)
CPU = torch.device("cpu")
ROW = DIGITS.images[0].nbytes


@pytest.fixture
def mapped(tmp_path: Path) -> NDArray[np.uint8]:
    """The digits in a file."""
    np.save(tmp_path / "images.npy", DIGITS.images)
    return np.asarray(np.load(tmp_path / "images.npy", mmap_mode="r"))


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 16 images, and windows of 64."""
    monkeypatch.setattr(supply, "BLOCK_BYTES", 16 * ROW)
    monkeypatch.setattr(supply, "WINDOW_BYTES", 64 * ROW)


@pytest.mark.parametrize("architecture", ["paper", "residual"])
def test_one_window_trains_to_the_bytes_of_images_in_memory(mapped: NDArray[np.uint8], architecture: str) -> None:
    options = TrainingOptions.model_validate({"architecture": architecture, "batch_size": 32, "epochs": 2})
    train, validation = TRAIN[:90], VALIDATION[:20]
    whole = fit(DIGITS.images[train], DIGITS.images[validation], 4, options)
    windowed = fit(Selection(mapped, train), Selection(mapped, validation), 4, options)
    assert to_bytes(windowed.vae) == to_bytes(whole.vae)
    assert [each.validation_mse for each in windowed.history] == [each.validation_mse for each in whole.history]


@pytest.mark.usefixtures("small_windows")
def test_windows_train_as_well_and_resume_exactly(mapped: NDArray[np.uint8]) -> None:
    images, checkpoints = (Selection(mapped, TRAIN), Selection(mapped, VALIDATION)), list[bytes]()
    options = SHORT.model_copy(update={"epochs": 4, "beta": 0.1})
    whole = fit(DIGITS.images[TRAIN], DIGITS.images[VALIDATION], 4, options)
    windowed = fit(*images, 4, options, on_checkpoint=lambda make: checkpoints.append(make()))
    assert to_bytes(windowed.vae) != to_bytes(whole.vae)
    assert windowed.validation_mse == pytest.approx(whole.validation_mse, rel=0.1)
    assert to_bytes(fit(*images, 4, options, checkpoint=checkpoints[2]).vae) == to_bytes(windowed.vae)


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("n", [2, 64, 65, 200])
def test_an_epoch_has_every_image_once_in_whole_batches_but_one(mapped: NDArray[np.uint8], n: int) -> None:
    windows = Windows(Selection(mapped, TRAIN[:n]), CPU, batch=8)
    seen, short, orders = list[bytes](), 0, set[tuple[bytes, ...]]()
    for seed in (1, 2, 3):
        seen.clear()
        for window in windows.epoch(seed):
            assert window.length <= 64
            short += window.length % 8 != 0
            seen += [image.tobytes() for image in window.images[: window.length].numpy()]
        assert sorted(seen) == sorted(image.tobytes() for image in DIGITS.images[TRAIN[:n]])
        orders.add(tuple(seen))
    assert short == 3 * (n % 8 != 0)
    assert len(orders) == (3 if n == 200 else len(orders))


@pytest.mark.usefixtures("small_windows")
def test_what_goes_wrong_in_the_midst_of_an_epoch_ends_it(mapped: NDArray[np.uint8]) -> None:
    def stop(_: object) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(Selection(mapped, TRAIN), Selection(mapped, VALIDATION), 4, SHORT, on_epoch=stop)
