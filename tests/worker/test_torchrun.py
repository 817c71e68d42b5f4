"""Training shared by two processes (gloo, on the CPU): the same curve, and no hang whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latentaug.datasets import digits
from latentaug.errors import Cancelled, InvalidInput, MalformedInput, Unavailable
from latentaug.options import TrainingOptions
from latentaug.vae.training import EpochMetrics, Trained, fit
from worker.torchrun import fit_on_several

pytestmark = pytest.mark.slow

DIGITS = digits.load()
TRAIN, VALIDATION = DIGITS.images[DIGITS.train[:401]], DIGITS.images[DIGITS.validation[:100]]
OPTIONS = TrainingOptions(epochs=3, batch_size=50)  # the last batch has one image, fewer than there are processes
MARK = "TRAININGS_OF"
LOSSES = ("train_loss", "train_reconstruction", "validation_reconstruction", "validation_divergence")


def together(
    options: TrainingOptions = OPTIONS,
    checkpoint: bytes | None = None,
    on_epoch: Callable[[EpochMetrics], None] = lambda _: None,
    on_checkpoint: Callable[[Callable[[], bytes]], None] = lambda _: None,
) -> Trained:
    return fit_on_several(
        2,
        1,
        TRAIN,
        VALIDATION,
        5,
        options,
        device="cpu",
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        on_checkpoint=on_checkpoint,
    )


def assert_same_curve(one: Trained, other: Trained) -> None:
    assert len(one.history) == len(other.history)
    for a, b in zip(one.history, other.history, strict=True):
        for name in LOSSES:
            assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-4), name
    assert one.best_epoch == other.best_epoch


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that a test begins, and theirs, can be told from those of others on this machine."""
    monkeypatch.setenv(MARK, str(os.getpid()))


def ours() -> list[int]:
    """Processes of trainings that this test process began."""
    found = subprocess.run(["pgrep", "-f", "worker.torchrun"], capture_output=True, text=True, check=False).stdout
    return [int(pid) for pid in found.split() if f"{MARK}={os.getpid()}".encode() in _read(pid, "environ").split(b"\0")]


def _read(pid: int | str, file: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{file}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def test_two_processes_have_the_curve_of_one_and_tell_of_each_epoch() -> None:
    told: list[EpochMetrics] = []
    alone = fit(TRAIN, VALIDATION, 5, OPTIONS)
    shared = together(on_epoch=told.append)
    assert_same_curve(alone, shared)
    assert told == shared.history
    assert shared.options == alone.options
    for name, weights in alone.vae.state_dict().items():
        torch.testing.assert_close(shared.vae.state_dict()[name], weights, rtol=1e-2, atol=1e-4)


def test_it_goes_on_from_a_checkpoint_of_one_process_and_one_goes_on_from_its() -> None:
    whole = fit(TRAIN, VALIDATION, 5, OPTIONS)
    by_one: list[bytes] = []
    fit(TRAIN, VALIDATION, 5, OPTIONS, on_checkpoint=lambda make: by_one.append(make()))
    by_two: list[bytes] = []
    assert_same_curve(whole, together(checkpoint=by_one[0], on_checkpoint=lambda make: by_two.append(make())))
    assert_same_curve(whole, fit(TRAIN, VALIDATION, 5, OPTIONS, checkpoint=by_two[0]))
    with pytest.raises(MalformedInput):
        together(checkpoint=b"nonsense")


def test_all_stop_early_together() -> None:
    options = TrainingOptions(epochs=60, patience=2, batch_size=8, learning_rate=0.02)
    alone = fit(TRAIN[:40], VALIDATION, 4, options)
    shared = fit_on_several(
        2, 1, TRAIN[:40], VALIDATION, 4, options, device="cpu", on_epoch=lambda _: None, on_checkpoint=lambda _: None
    )
    assert len(shared.history) - shared.best_epoch == 2
    assert abs(len(shared.history) - len(alone.history)) <= 3  # sums in another order drift apart at this rate


def test_what_training_raises_is_raised_here() -> None:
    with pytest.raises(InvalidInput, match="learning_rate"):
        together(OPTIONS.model_copy(update={"epochs": 20, "learning_rate": 1.0, "batch_size": 16, "beta": 1000.0}))


def test_who_stops_it_stops_all() -> None:
    def cancel(_: EpochMetrics) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        together(OPTIONS.model_copy(update={"epochs": 10_000, "patience": 10_000}), on_epoch=cancel)
    assert ours() == []


def test_the_death_of_one_is_an_error_and_the_end_of_the_other() -> None:
    def kill_one(metrics: EpochMetrics) -> None:
        if metrics.epoch == 1:
            ranks = [pid for pid in ours() if b"--standalone" not in _read(pid, "cmdline")]
            os.kill(ranks[-1], signal.SIGKILL)

    with pytest.raises(Unavailable, match="died"):
        together(OPTIONS.model_copy(update={"epochs": 10_000, "patience": 10_000}), on_epoch=kill_one)
    deadline = time.monotonic() + 20
    while ours() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert ours() == []


def test_bfloat16_is_shared_too() -> None:
    options: Any = OPTIONS.model_copy(update={"precision": "bfloat16"})
    shared, alone = together(options), fit(TRAIN, VALIDATION, 5, options)
    for a, b in zip(shared.history, alone.history, strict=True):
        assert np.isclose(a.validation_reconstruction, b.validation_reconstruction, rtol=0.02)
