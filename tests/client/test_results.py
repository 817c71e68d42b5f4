"""What a job makes can be fetched later, by its id: its command may have been ended, or the disk full."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from latentaug_client import Client
from PIL import Image

from service.cli.names import dataset_name
from tests.client.commands import DIGITS, manifest, run, write_digits
from tests.client.conftest import MODEL


def test_what_a_job_makes_is_fetched_by_its_id(
    url: str, client: Client, images: np.ndarray, labels: np.ndarray, tmp_path: Path
) -> None:
    client.upload("fetched", images, np.where(np.arange(40) < 20, labels, -1))
    job = client.label_dataset("fetched", MODEL, keep=1.0)
    done = run("--url", url, "jobs", job.id, "--out", tmp_path / "new")
    client.delete_dataset("fetched")
    assert done.returncode == 0, done.stderr
    assert f"What the label job {job.id} made is in {tmp_path / 'new'}" in done.stdout
    rows = manifest(tmp_path / "new")
    assert rows
    assert all((tmp_path / "new" / row["file"]).is_file() for row in rows)


def test_a_job_that_is_fetched_later_names_its_files_and_shows_some(url: str, client: Client, tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "digits", range(60, 100), ["even", "odd"])
    name = dataset_name(folder)
    client.upload(name, folder)
    job = client.augment_dataset(name, MODEL, method="noise", k=1)
    to = ("jobs", job.id, "--out", tmp_path / "new", "--source")

    other = run("--url", url, *to, write_digits(tmp_path / "others", range(5), ["even", "odd"]))
    done = run("--url", url, *to, folder)
    client.delete_dataset(name)

    assert other.returncode == 1
    assert "does not hold the images that the data set" in " ".join(other.stderr.split())
    assert done.returncode == 0, done.stderr
    rows = manifest(tmp_path / "new")
    assert rows
    assert all(Path(row["original"]).parent == folder / row["label"] for row in rows)
    with Image.open(tmp_path / "new-contact-sheet.png") as sheet:
        assert sheet.width > DIGITS.images.shape[2]


def test_a_model_is_no_file_and_a_list_is_no_result(url: str, client: Client, tmp_path: Path) -> None:
    (training,) = [job for job in client.jobs("train") if job.record["params"]["name"] == MODEL]
    for arguments, said in [
        ([training.id], f"what a train job makes is a model, {MODEL}"),
        ([], "name the job"),
    ]:
        refused = run("--url", url, "jobs", *arguments, "--out", tmp_path / "new")
        assert refused.returncode == 1
        assert said in refused.stderr
    assert not list(tmp_path.iterdir())
