"""The networks are compared on colour images, what helps with few labels is measured, and the pages are written."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import photo_speed, photo_verdict, photos
from latentaug.datasets import Dataset
from latentaug.datasets.splitting import split
from latentaug.evaluation import cnn
from latentaug.evaluation.phrases import TITLES
from latentaug.options import TrainingOptions

pytestmark = pytest.mark.slow


def little() -> Dataset:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 6, 8, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    labels = np.arange(60, dtype=np.int64) % 2
    return Dataset("little", images, labels, ("a", "b"), *split(60, labels), "random squares")


def test_both_networks_are_trained_for_as_long_and_shown_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(photos.SETS, "crops", little)
    photos.main(["--seconds", "2", "--results", str(tmp_path)])
    page = (tmp_path / "photos-little.md").read_text()
    assert "| paper | 20 |" in page
    assert "| residual | 128 |" in page
    for sheet, rows in (("reconstructions", 3), ("children", photos.SOURCES)):
        picture = Image.open(io.BytesIO((tmp_path / f"photos-little-{sheet}.png").read_bytes()))
        assert picture.height >= 24 * rows
        assert f"photos-little-{sheet}.png" in page
    assert "After 2 seconds" in capsys.readouterr().out


def test_the_speed_is_measured_for_each_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(photo_speed, "SIDES", (16, 32))
    monkeypatch.setattr(photo_speed, "EPOCHS", 2)
    photo_speed.main(["--images", "64", "--results", str(tmp_path)])
    page = (tmp_path / "photo-speed.md").read_text()
    assert "| 16 |" in page
    assert "| 32 |" in page
    assert "python -m bench.photo_speed" in capsys.readouterr().out


def test_the_verdicts_on_few_labels_are_measured_kept_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(photo_verdict.SETS, "crops", little)
    monkeypatch.setattr(photo_verdict, "TRAINING", TrainingOptions(epochs=2, max_seconds=60))
    monkeypatch.setattr(photo_verdict, "PER_CLASS", 4)
    monkeypatch.setattr(cnn, "STEPS", 12)
    for number in (1, 2):
        capsys.readouterr()
        draws = [f"svm={number}", "knn=1", f"cnn={number}"]
        photo_verdict.main(["--draws", *draws, "--results", str(tmp_path)], tmp_path / "home")
    measured = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "-image-" in line]
    assert set(measured) == {"1-image-svm", "1-image-cnn"}, "the first draw was kept"

    found = json.loads((tmp_path / "photo-verdict-little.json").read_text())["results"]
    of = ("svm", "knn", "cnn")
    arms = {name: {(row["arm"], row["decode"]) for row in found["rows"] if row["classifier"] == name} for name in of}
    shared = {(name, None) for name in ("none", "affine", "trivial", "spread", "spread+affine")}
    shared |= {(name, "residual") for name in ("noise", "interpolation", "extrapolation")}
    shared |= {(name, "warp") for name in ("interpolation", "extrapolation")}
    assert arms == {"svm": shared, "knn": shared, "cnn": shared | {("mixup", None), ("cutmix", None)}}
    page = (tmp_path / "photo-verdict-little.md").read_text()
    assert "# little: 8 labelled colour images of 24x32 in 2 classes" in page
    for name in of:
        assert f"- **{TITLES[name]}**: {found['verdicts'][name]}" in page
    assert page.index("**SVM**") < page.index("measured in: SVM 2, kNN 1, CNN 2;") < page.index("| training set |")
    assert "| CutMix in training (pixels) | mixes the CNN's batches alone |" in page
