"""The networks are compared on equal terms, what is measured is kept, and large photos are watched at work."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest

from bench import architectures, large_photos, memory
from bench.latents import Found, mean_squared_error
from latentaug.datasets import Dataset
from latentaug.datasets.splitting import split
from latentaug.vae import training
from latentaug.vae.architectures import Architecture
from latentaug.vae.codec import Codec
from latentaug.vae.networks import untrained

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


def test_the_networks_are_compared_kept_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--dataset", "digits", "--images", "400", "--seconds", "1", "--labelled", "120"]
    arguments += ["--results", str(tmp_path)]
    architectures.main(arguments, tmp_path / "home")

    found = json.loads((tmp_path / "architectures.json").read_text())["results"]
    networks = found["networks"]
    assert list(networks) == list(architectures.CONTENDERS)
    assert {name: one["latent_dim"] for name, one in networks.items()} == {
        "paper": 20,
        "residual": 128,
        "paper-50": 50,
        "residual-50": 50,
    }
    for one in networks.values():
        assert 0 < one["in_use"] <= one["latent_dim"]
        assert one["epochs"] >= 1
        assert 0 < one["mse"] < 0.15
        assert all(len(draws) == 3 and min(draws) > 25 for draws in (*one["accuracy"].values(), one["right"]))
    page = (tmp_path / "architectures.md").read_text()
    assert "**By the residual network's latents an SVM names " in page
    assert "`auto` takes the paper's network" in page
    assert "400 images of the training part" in page
    assert "have not been measured here yet" in page
    capsys.readouterr()

    architectures.main(arguments, tmp_path / "home")
    assert "epoch 1:" not in capsys.readouterr().out, "nothing is trained again"


def test_what_the_better_network_gains_is_said() -> None:
    one = Found(20, 20, 3, 9.0, 100.0, 0.02, {"svm": [90.0, 92.0], "knn": [80.0, 80.0]}, [70.0, 70.0])
    other = Found(50, 50, 3, 9.0, 100.0, 0.01, {"svm": [92.0, 93.0], "knn": [79.0, 80.0]}, [70.0, 71.0])
    page = architectures.page({"paper": one, "residual": other}, architectures.Terms("mnist", None, 9, 1000))
    assert page[4] == (
        "**By the residual network's latents an SVM names 92.50 % (1.50 points more) of the test images rightly, "
        "kNN 79.50 % (0.50 points less), and label spreading 70.50 % (0.50 points more) of the pool, each beside the "
        "paper's network. Its mean squared error is 0.50 of the paper's. Of either network the better Z counts.**"
    )


def test_time_of_the_processor_is_what_counts() -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)

    def wait(_: training.EpochMetrics) -> None:
        time.sleep(0.3)

    with architectures.by_the_processor():
        options = architectures.CONTENDERS["paper"].options.model_copy(update={"max_seconds": 100.0, "epochs": 2})
        trained = training.fit(images[:40], images[40:], 4, options, on_epoch=wait)
    assert vars(training)["time"] is time
    assert sum(epoch.seconds for epoch in trained.history) > 0


def test_an_error_is_that_of_the_decoded_images() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    codec = Codec(untrained(Architecture(8, 8, 1, 3), images, seed=0).eval(), "cpu")
    latents = codec.encode(images)
    errors = [np.square(codec.decode(latents[[row]])[0] - images[row] / 255).mean() for row in range(len(images))]
    assert mean_squared_error(codec, latents, images) == pytest.approx(np.mean(errors), rel=1e-4)


def test_the_operations_page_allows_as_much_memory_as_is_checked() -> None:
    page = Path("docs/operations.md").read_text()
    for part, bound in large_photos.BOUNDS.items():
        assert re.search(rf"\n\| {part}[^|]*\|[^|]*\| {bound:g} \|", page), part


def squares(size: tuple[int, int], each: int) -> Dataset:
    """Random pictures, where scikit-image's photographs would be."""
    count = each * len(large_photos.PHOTOGRAPHS)
    images = np.random.default_rng(0).integers(0, 256, (count, *size, 3), np.uint8)
    labels = np.arange(count, dtype=np.int64) % len(large_photos.PHOTOGRAPHS)
    return Dataset("crops", images, labels, tuple("abcde"), *split(count, labels), "random")


@pytest.mark.skipif(not memory.AVAILABLE, reason="it is read from /proc, which only Linux has")
def test_large_photos_are_watched_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_photos, "crops", squares)
    found = large_photos.measure(tmp_path / "service", side=32, images=60, seconds=1)

    stages = {stage["name"]: stage for stage in found["stages"]}
    assert len(stages) == 6
    assert all(stage["seconds"] > 0 for stage in stages.values())
    for name, stage in stages.items():
        assert all(stage["peaks"][part] > 2**20 for part in ("API", "model server", "worker")), name
        assert ("job" in stage["peaks"]) == (" job, " in name), name
    assert found["epochs"] >= 1
    page = "\n".join(large_photos.page(found))
    assert "32x32 on the whole service on one machine: all parts stay within their bounds" in page
    stages["at rest"]["peaks"]["API"] = 2**34
    assert "more than they may have: API." in "\n".join(large_photos.page(found))
