"""Training: it learns, stops, resumes and repeats."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from latentaug.datasets import digits
from latentaug.errors import InvalidInput, MalformedInput, TooFewImages
from latentaug.options import TrainingOptions
from latentaug.vae.architectures import pixels
from latentaug.vae.networks import to_bytes
from latentaug.vae.training import EpochMetrics, fit

DIGITS = digits.load()
TRAIN, VALIDATION = DIGITS.images[DIGITS.train[:400]], DIGITS.images[DIGITS.validation[:100]]
SHORT = TrainingOptions(epochs=3, batch_size=64)


def test_it_learns_to_reconstruct() -> None:
    trained = fit(TRAIN, VALIDATION, 10, TrainingOptions(epochs=20, batch_size=16, beta=0.1))
    x = pixels(torch.tensor(VALIDATION))
    with torch.no_grad():
        error = (trained.vae.decode(trained.vae.encode(x)[0]) - x).square().mean()
    blind = (x.mean(0) - x).square().mean()
    assert error < 0.8 * blind
    assert trained.history[-1].train_reconstruction < 0.8 * trained.history[0].train_reconstruction


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    first, second, third = (
        fit(TRAIN, VALIDATION, 4, SHORT.model_copy(update={"seed": seed})).vae for seed in (1, 1, 2)
    )
    assert to_bytes(first) == to_bytes(second)
    assert to_bytes(first) != to_bytes(third)


def test_bfloat16_learns_as_much_and_keeps_its_weights_in_float32() -> None:
    full = fit(TRAIN, VALIDATION, 10, SHORT)
    half = fit(TRAIN, VALIDATION, 10, SHORT.model_copy(update={"precision": "bfloat16"}))
    assert {tensor.dtype for tensor in half.vae.state_dict().values()} == {torch.float32}
    assert to_bytes(half.vae) != to_bytes(full.vae)
    for ours, reference in zip(half.history, full.history, strict=True):
        assert ours.validation_reconstruction == pytest.approx(reference.validation_reconstruction, rel=0.01)


def test_resuming_gives_the_bytes_of_an_uninterrupted_run() -> None:
    checkpoints: list[bytes] = []
    whole = fit(TRAIN, VALIDATION, 4, SHORT, on_checkpoint=lambda make: checkpoints.append(make()))
    for checkpoint in checkpoints:
        resumed = fit(TRAIN, VALIDATION, 4, SHORT, checkpoint=checkpoint)
        assert to_bytes(resumed.vae) == to_bytes(whole.vae)
        assert [epoch.train_loss for epoch in resumed.history] == [epoch.train_loss for epoch in whole.history]


def test_the_callers_random_numbers_change_nothing_and_stay_as_they_were() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = fit(TRAIN, VALIDATION, 4, SHORT.model_copy(update={"epochs": 1}))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    assert to_bytes(fit(TRAIN, VALIDATION, 4, SHORT.model_copy(update={"epochs": 1})).vae) == to_bytes(first.vae)


def test_it_stops_when_validation_no_longer_improves_and_keeps_the_best() -> None:
    checkpoints: list[bytes] = []
    options = TrainingOptions(epochs=60, patience=2, batch_size=8, learning_rate=0.02)
    trained = fit(TRAIN[:40], VALIDATION, 4, options, on_checkpoint=lambda make: checkpoints.append(make()))
    curve = [epoch.validation_reconstruction for epoch in trained.history]
    assert len(curve) < 60
    assert trained.best_epoch == len(curve) - 2 == int(np.argmin(curve)) + 1
    until_best = fit(TRAIN[:40], VALIDATION, 4, options.model_copy(update={"epochs": trained.best_epoch}))
    assert to_bytes(trained.vae) == to_bytes(until_best.vae)


def test_a_batch_larger_than_the_data_still_trains() -> None:
    epochs: list[EpochMetrics] = []
    trained = fit(TRAIN[:2], VALIDATION[:1], 2, TrainingOptions(epochs=5, batch_size=256), on_epoch=epochs.append)
    assert trained.history == epochs
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3, 4, 5]
    assert epochs[-1].train_loss < epochs[0].train_loss


@pytest.mark.parametrize("shape", [(9, 12, 3), (70, 70, 1)])
def test_colour_and_other_sizes_train(shape: tuple[int, int, int]) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    trained = fit(images[:4], images[4:], 2, TrainingOptions(epochs=1))
    assert trained.vae.architecture.channels == shape[2]


def test_read_only_images_are_taken() -> None:
    images = np.frombuffer(TRAIN.tobytes(), np.uint8).reshape(TRAIN.shape)
    assert fit(images, VALIDATION, 2, SHORT.model_copy(update={"epochs": 1})).best_epoch == 1


@pytest.mark.parametrize(("n", "m"), [(0, 5), (1, 5), (5, 0)])
def test_too_few_images_are_refused(n: int, m: int) -> None:
    with pytest.raises(TooFewImages, match="at least 2 and 1"):
        fit(TRAIN[:n], VALIDATION[:m], 2, SHORT)


def test_images_of_another_kind_are_refused() -> None:
    with pytest.raises(InvalidInput):
        fit(TRAIN[..., 0], VALIDATION[..., 0], 2, SHORT)
    with pytest.raises(InvalidInput):
        fit(TRAIN, VALIDATION[:, 1:], 2, SHORT)


def test_a_loss_that_is_no_longer_finite_says_what_to_change() -> None:
    with pytest.raises(InvalidInput, match="learning_rate"):
        fit(TRAIN, VALIDATION, 2, TrainingOptions(epochs=20, learning_rate=1.0, batch_size=16, beta=1000.0))


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": 0},
        {"precision": "float16"},
        {"patience": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"beta": -1.0},
        {"beta": float("inf")},
        {"seed": -1},
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        TrainingOptions(**options)


def test_a_checkpoint_of_something_else_is_refused() -> None:
    checkpoints: list[bytes] = []
    fit(TRAIN, VALIDATION, 2, SHORT, on_checkpoint=lambda make: checkpoints.append(make()))
    attempts: list[Callable[[], object]] = [
        lambda: fit(TRAIN, VALIDATION, 2, SHORT, checkpoint=b"\x80\x04"),
        lambda: fit(TRAIN, VALIDATION, 3, SHORT, checkpoint=checkpoints[0]),
        lambda: fit(TRAIN, VALIDATION, 2, SHORT.model_copy(update={"seed": 9}), checkpoint=checkpoints[0]),
        lambda: fit(TRAIN[1:], VALIDATION, 2, SHORT, checkpoint=checkpoints[0]),
        lambda: fit(TRAIN, VALIDATION, 2, SHORT, checkpoint=to_bytes(fit(TRAIN, VALIDATION, 2, SHORT).vae)),
    ]
    for attempt in attempts:
        with pytest.raises(MalformedInput):
            attempt()


def test_an_epoch_callback_can_stop_training() -> None:
    def stop(metrics: EpochMetrics) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(TRAIN, VALIDATION, 2, SHORT, on_epoch=stop)
