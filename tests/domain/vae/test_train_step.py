"""A step recorded on a GPU does what the plain step does. Needs a GPU; the plain step is training's, tested with it."""

from __future__ import annotations

import pytest
import torch

from latentaug.datasets import digits
from latentaug.options import TrainingOptions
from latentaug.vae import training
from latentaug.vae.train_step import RecordedStep, Step
from latentaug.vae.training import fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")

DIGITS = digits.load()
TRAIN, VALIDATION = DIGITS.images[DIGITS.train[:400]], DIGITS.images[DIGITS.validation[:100]]
OPTIONS = TrainingOptions(epochs=5, batch_size=64)  # six batches of 64 and one of 16


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_recorded_steps_learn_what_plain_ones_do(monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    options = OPTIONS.model_copy(update={"precision": precision})
    taken: list[type[Step]] = []

    def kind(wanted: type[Step]) -> None:
        monkeypatch.setattr(training, "step_kind", lambda images, group: taken.append(wanted) or wanted)

    kind(Step)
    plain = fit(TRAIN, VALIDATION, 8, options, device="cuda")
    kind(RecordedStep)
    recorded = fit(TRAIN, VALIDATION, 8, options, device="cuda")
    assert taken == [Step, RecordedStep]
    for one, other in zip(plain.history, recorded.history, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3 if precision == "float32" else 1e-2)
        assert one.validation_reconstruction == pytest.approx(other.validation_reconstruction, rel=1e-2)


def test_a_gpu_learns_what_the_processor_does() -> None:
    here, there = (fit(TRAIN, VALIDATION, 8, OPTIONS, device=device) for device in ("cpu", "cuda"))
    # The draws differ, so the curves do a little.
    assert there.history[-1].validation_reconstruction == pytest.approx(
        here.history[-1].validation_reconstruction, rel=0.03
    )


def test_training_goes_on_from_a_checkpoint() -> None:
    checkpoints: list[bytes] = []
    whole = fit(TRAIN, VALIDATION, 8, OPTIONS, device="cuda", on_checkpoint=lambda make: checkpoints.append(make()))
    resumed = fit(TRAIN, VALIDATION, 8, OPTIONS, device="cuda", checkpoint=checkpoints[1])
    for one, other in zip(whole.history, resumed.history, strict=True):
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-3)
