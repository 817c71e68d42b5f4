from pathlib import Path

import numpy as np
import pytest
import torch

from latentaug.options import TrainingOptions
from latentaug.vae.architectures import Architecture
from latentaug.vae.networks import to_bytes
from latentaug.vae.precision import fastest
from latentaug.vae.training import fit

CPU = torch.device("cpu")
DIGITS, PHOTOS = Architecture(8, 8, 1, 4), Architecture(64, 64, 3, 4, name="residual")
OPTIONS = TrainingOptions(epochs=2, batch_size=16)
RNG = np.random.default_rng(0)
TRAIN, VALIDATION = (RNG.integers(0, 256, (n, 28, 28, 1), np.uint8) for n in (64, 16))


def flags() -> set[str]:
    """What the system says that this processor has."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        pytest.skip("this system has no /proc/cpuinfo to compare with")
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}


def test_bfloat16_is_for_larger_images_on_a_processor_that_computes_in_it() -> None:
    has = bool({"avx512_bf16", "amx_bf16"} & flags()) and hasattr(torch.cpu, "get_capabilities")
    assert fastest(PHOTOS, CPU) == fastest(Architecture(28, 28, 1, 4), CPU) == ("bfloat16" if has else "float32")
    assert fastest(DIGITS, CPU) == "float32"
    assert fastest(PHOTOS, torch.device("cuda")) == "float32"


def test_a_training_takes_the_fastest_and_says_which_that_was() -> None:
    left_open = fit(TRAIN, VALIDATION, 4, OPTIONS)
    named = fit(TRAIN, VALIDATION, 4, OPTIONS.model_copy(update={"precision": left_open.options.precision}))
    assert left_open.options.precision == fastest(left_open.vae.architecture, CPU)
    assert to_bytes(left_open.vae) == to_bytes(named.vae)


def test_a_training_resumed_where_the_processor_is_another_goes_on_in_its_fastest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoints: list[bytes] = []
    fit(TRAIN, VALIDATION, 4, OPTIONS, on_checkpoint=lambda make: checkpoints.append(make()))
    monkeypatch.setattr("latentaug.vae.training.fastest", lambda architecture, device: "float32")
    resumed = fit(TRAIN, VALIDATION, 4, OPTIONS, checkpoint=checkpoints[0])
    assert (resumed.options.precision, len(resumed.history)) == ("float32", 2)
