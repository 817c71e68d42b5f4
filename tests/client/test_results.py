"""What a job makes can be fetched later, by its id: its command may have been ended, or the disk full."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from latentaug_client import Client

from tests.client.commands import manifest, run
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
