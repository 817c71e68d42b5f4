"""The networks are compared on colour images, and the sheets and pages are written."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import photo_speed, photos
from latentaug.datasets import Dataset
from latentaug.datasets.splitting import split

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
