"""The benchmarks' harness: it measures what it says, on work that is the same for all, and it can find fault.

How fast anything is, no test asserts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import cache, contenders, kernels, load, precision, quality, serving, throughput, training, workload
from bench.clients import Answer
from bench.contenders import InProcess
from bench.training import Data
from latentaug.options import TrainingOptions
from latentaug.vae.architectures import Architecture
from latentaug.vae.training import fit

pytestmark = pytest.mark.slow

OURS = ["eager PyTorch", "our engine", kernels.NAME, "ours, npy", "ours, PNG in JSON", "ours, multipart"]


@pytest.mark.usefixtures("one_thread")
def test_serving_is_measured_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    arguments = ["--rounds", "1", "--turn", "0.2", "--seconds", "0.2", "--requests", "80"]
    arguments += ["--parts", "throughput", "load", "soak"]
    serving.main([*arguments, "--contenders", *OURS, "--results", str(tmp_path / "results")], tmp_path / "home")

    document = json.loads((tmp_path / "results" / "serving.json").read_text())
    shapes = document["results"]["throughput"]
    assert set(shapes) == {
        "64 images x 4 clients",
        "256 images x 4 clients",
        "16 images x 8 clients",
        "1 image x 16 clients",
        "1 image x 1 client",
    }
    for rounds in shapes.values():
        assert list(rounds) == OURS
        assert all(len(rates) == 1 and rates[0] > 0 for rates in rounds.values())
    assert [point["fraction"] for point in document["results"]["load"]["points"]] == list(load.FRACTIONS)
    assert all(point["without_retry_after"] == 0 for point in document["results"]["load"]["points"])
    assert all(document["results"]["soak"]["after"][part] > 2**20 for part in ("API", "model server"))
    assert document["environment"]["versions"]["torch"] == torch.__version__
    assert document["environment"]["beside a busy core"] > 0
    page = (tmp_path / "results" / "serving.md").read_text()
    assert "our engine / eager PyTorch" in page
    assert document["command"] in page
    assert (tmp_path / "results" / "serving.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("one_thread")
def test_the_quality_report_is_timed_and_says_what_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LATENTAUG_DATA_DIR", raising=False)
    quality.main(["--new", "300", "--real", "900", "--threads", "1", "--results", str(tmp_path)])

    found = json.loads((tmp_path / "quality.json").read_text())["results"]
    assert (found["images"], found["new"], found["real"], found["held_out"]) == ("random blobs", 300, 900, 300)
    assert len(found["seconds"]) == 7
    assert all(each["passed"] > 0 and each["busy"] > 0 for each in found["seconds"].values())
    reports = found["reports"]
    assert reports["the training images themselves"]["near_copies"] == 1
    assert reports["unseen images"]["near_copies"] < 0.2
    assert reports["unseen images"]["density"] > reports["their pixels shuffled"]["density"]
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")
    assert "takes" in (tmp_path / "quality.md").read_text()


def test_contenders_are_compared_round_by_round() -> None:
    rounds = {"our engine": [2.0, 8.0, 3.0], "eager PyTorch": [1.0, 2.0, 3.0]}
    result = throughput.Throughput(workload.SHAPES[0], rounds)
    assert result.ratio("our engine", "eager PyTorch") == 2  # of 2, 4 and 1; the medians' ratio is 1.5
    assert throughput.table([result])[-1] == "| **our engine / eager PyTorch** | **2.00** |"


def test_a_contender_that_does_other_work_is_refused() -> None:
    images = workload.request_images(4)
    with (
        closing(InProcess(echo, [0], images, together=1)) as honest,
        closing(InProcess(echo, [255], images, together=1)) as cheat,
    ):
        contenders.check({"one": honest, "other": honest})
        with pytest.raises(SystemExit, match="other answers with other images than one"):
            contenders.check({"one": honest, "other": cheat})


def echo(mask: int) -> Callable[[Sequence[workload.Images]], list[workload.Images]]:
    """A contender's function that answers with its requests, some bits turned round."""
    return lambda requests: [request ^ np.uint8(mask) for request in requests]


def test_the_kernels_alone_are_those_of_the_network() -> None:
    encoder, decoder = kernels.layers(Architecture(28, 28, 1, 20), 4, "cpu")
    assert len(kernels.augmentation(Architecture(28, 28, 1, 20), 4, 3, "cpu")) == len(encoder) + 3 * len(decoder)
    for layer in encoder + decoder:
        output = layer.module(layer.x)
        torch.testing.assert_close(output, layer.y)
        by_input, by_weight = torch.autograd.grad(
            layer.module(layer.x.requires_grad_()), [layer.x, layer.module.weight], layer.y
        )
        torch.testing.assert_close(kernels.by_weight(layer)(), by_weight)
        # An enlarging one's numbers stand in other places, of which some are cut off.
        calls = ((kernels.forward(layer), output), (kernels.frozen(layer), output), (kernels.by_input(layer), by_input))
        for call, expected in calls:
            found = call()
            assert found.numel() >= expected.numel()
            if found.shape == expected.shape:
                torch.testing.assert_close(found, expected)


def test_a_step_of_the_kernels_alone_takes_time_and_has_no_loss() -> None:
    images = workload.training_images()[:300]
    run = training.kernels_alone(Data(images, images, 1, "cpu", 0))
    assert run.images_per_second > 0
    row = training.Run(4.0, run.validation_loss)
    rows = training.table({"ours": [training.Run(2.0, 1.5)], kernels.NAME: [row]})
    assert rows[-1] == f"| {kernels.NAME} | 4 | none | 0.50 | none |"


def test_every_model_answers_for_itself_while_the_cache_turns_over(tmp_path: Path) -> None:
    found = cache.measure(tmp_path, requests=40, models=5, capacity=2)
    assert found.wrong == 0
    assert 0 < found.hit_rate < 1
    assert found.before < found.peak


def test_an_answer_of_another_model_would_be_noticed() -> None:
    expected = np.full((2, 4, 4, 1), 100, np.uint8)
    assert cache.same_images(expected + np.uint8(1), expected)
    assert not cache.same_images(expected + np.uint8(2), expected)
    assert not cache.same_images(expected[:1], expected)


@pytest.mark.parametrize(
    ("order", "capacity", "hits"),
    [([1, 1, 1], 1, 2), ([1, 2, 1, 2], 1, 0), ([1, 2, 1, 3, 1, 2], 2, 2), ([1, 2, 3, 1, 2, 3], 3, 3)],
)
def test_hits_of_a_least_recently_used_cache(order: list[int], capacity: int, hits: int) -> None:
    assert cache.lru_hits(order, capacity) == hits


def test_a_point_of_the_load_curve() -> None:
    answers = [
        Answer(status=200, seconds=0.5, late=0.0, ended=10.5, retry_after=None),
        Answer(status=200, seconds=3.0, late=0.0, ended=13.0, retry_after=None),  # too late to be of use
        Answer(status=429, seconds=0.1, late=0.0, ended=11.1, retry_after="1"),
        Answer(status=429, seconds=0.1, late=0.5, ended=12.1, retry_after=None),  # does not say when to come again
    ]
    point = load.summarise(2.0, answers, deadline=2.0)
    assert point.throughput == pytest.approx(2 / 3)
    assert point.goodput == pytest.approx(1 / 3)
    assert point.p50 == pytest.approx(1.75)
    assert point.refused == 0.5
    assert point.without_retry_after == 1
    assert point.statuses == {200: 2, 429: 2}
    assert point.offered == pytest.approx(4 / 2)


def test_rounds_of_the_load_curve_are_one_point() -> None:
    def after(goodput: float, statuses: dict[int, int], without: int) -> load.Point:
        return load.Point(2.0, 9.0, goodput + 1, goodput, 0.1, goodput / 10, 0.0, without, statuses, 0.0)

    point = load.middle([after(4, {200: 5}, 0), after(9, {200: 1, 429: 1}, 1), after(5, {429: 3}, 2)])
    assert (point.fraction, point.goodput, point.throughput, point.p99) == (2.0, 5, 6, 0.5)
    assert (point.statuses, point.refused, point.without_retry_after) == ({200: 6, 429: 4}, 0.4, 3)


@pytest.mark.usefixtures("one_thread")
def test_trainers_train_the_same_network() -> None:
    images = workload.training_images()
    parts = (images[:700], images[700:])
    runs = training.measure(parts, rounds=1, epochs=10, device="cpu", names=["plain loop", "ours"])
    plain, ours = runs["plain loop"][0], runs["ours"][0]
    assert plain.images_per_second > 0
    assert ours.images_per_second > 0
    untrained = training.validation_loss(training.first_network(Data(*parts, 1, "cpu", 0)), parts[1])
    assert max(plain.validation_loss, ours.validation_loss) < 0.9 * untrained
    assert ours.validation_loss == pytest.approx(plain.validation_loss, rel=0.1)


@pytest.mark.usefixtures("one_thread")
def test_validation_is_by_one_formula() -> None:
    images = workload.training_images()
    trained = fit(images[:300], images[700:], training.LATENT_DIM, TrainingOptions(epochs=1, batch_size=64))
    last = trained.history[-1]
    expected = last.validation_reconstruction + last.validation_divergence
    assert training.validation_loss(trained.vae, images[700:]) == pytest.approx(expected, rel=1e-5)


def test_bfloat16_is_told_to_move_something_but_little(tmp_path: Path) -> None:
    precision.main(["--results", str(tmp_path / "results")], tmp_path / "home")

    found = json.loads((tmp_path / "results" / "precision.json").read_text())["results"]
    assert list(found) == ["bfloat16"]
    moved = found["bfloat16"]
    assert moved["latents"] == 0
    assert all(1 <= largest < 16 and share < 0.05 for largest, share in (moved["decoding"], moved["both"]))
