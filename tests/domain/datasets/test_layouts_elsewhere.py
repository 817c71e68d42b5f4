"""What a job made, in the layouts of other tools, and opened by the libraries that read them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from latentaug.datasets.dataset import Dataset
from tests.domain.datasets.conftest import CLASSES, COUNT, converted

WHY = "needs the libraries that read layouts: pip install -e '.[slow]'"
huggingface = pytest.importorskip("datasets", reason=WHY)
webdataset = pytest.importorskip("webdataset", reason=WHY)
pytestmark = pytest.mark.slow


def test_datasets_reads_the_parquet_file_with_images_and_classes(
    made: bytes, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface.config, "HF_DATASETS_OFFLINE", True)
    (tmp_path / "train.parquet").write_bytes(converted("huggingface", made, dataset))

    read = huggingface.load_dataset(
        "parquet", data_files=str(tmp_path / "train.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )

    assert isinstance(read.features["image"], huggingface.Image)
    assert read.features["label"].names == list(CLASSES)
    assert read["label"][:] == [*(i % 3 for i in range(COUNT - 1)), None]
    assert read["neighbour"][:3] == [-1, 2, 3]
    assert read["alpha"][0] == 0.5
    assert read["method"][0] == "noise"
    assert (np.asarray(read[4]["image"]) == dataset.images[4, ..., 0]).all()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # webdataset leaves its file open
def test_webdataset_reads_the_tar(made: bytes, dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "made.tar").write_bytes(converted("webdataset", made, dataset))

    read = list(webdataset.WebDataset(str(tmp_path / "made.tar"), shardshuffle=False).decode("l8"))

    assert [one["__key__"] for one in read] == [f"{i:06d}" for i in range(COUNT)]
    assert [one["cls"] for one in read[:-1]] == [i % 3 for i in range(COUNT - 1)]
    assert "cls" not in read[-1]
    assert read[1]["json"]["label"] == CLASSES[1]
    assert read[1]["json"]["neighbour"] == 2
    assert (read[4]["png"] == dataset.images[4, ..., 0]).all()
