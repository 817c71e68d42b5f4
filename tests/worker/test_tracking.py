"""Jobs as runs on a real MLflow server, and what happens where there is none."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from latentaug.options import EvaluateParams
from latentaug.runtime.settings import Settings
from tests.api.services import free_port
from tests.worker.desk import Desk

pytest.importorskip("mlflow.server", reason="needs the whole of MLflow: pip install -e '.[slow]'")
from worker import tracking  # which imports MLflow

TRAIN = {"dataset": "digits", "name": "seen", "latent_dim": 4, "epochs": 3}


@pytest.fixture(scope="module")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server with a database and a folder of its own."""
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home}/runs.db", "--artifacts-destination", str(home / "files")]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(f"{url}/health", process)
            yield url
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        assert process.poll() is None, "the server has ended"
        try:
            if httpx.get(url).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise TimeoutError(url)


def _tracked(desk: Desk, url: str) -> Desk:
    """A desk whose jobs are tracked."""
    settings = Settings(**{**desk.settings.model_dump(exclude_unset=True), "mlflow_uri": url})
    return Desk(desk.redis, desk.jobs, desk.artefacts, settings)


@pytest.mark.slow
def test_a_training_becomes_a_run_with_its_curve_and_its_picture(
    desk: Desk, mlflow_server: str, tmp_path: Path
) -> None:
    desk = _tracked(desk, mlflow_server)
    work = desk.start("train", TRAIN)
    desk.finish(work)

    client = tracking.MlflowClient(mlflow_server)
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`latentaug.job_id` = '{work.record.id}'")
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "train seen"
    assert run.data.params["latent_dim"] == "4"
    assert run.data.tags[tracking.NOTE] == desk.jobs.get(work.record.id).result["advice"]
    losses = client.get_metric_history(run.info.run_id, "validation_reconstruction")
    assert [point.step for point in losses] == [1, 2, 3]
    assert run.data.metrics["result/best_epoch"] in (1, 2, 3)
    files = {entry.path for entry in client.list_artifacts(run.info.run_id)}
    assert files == {"curve.png", "result.json"}
    local = client.download_artifacts(run.info.run_id, "curve.png", str(tmp_path))
    assert Path(local).read_bytes() == desk.file(work, "curve.png")


@pytest.mark.slow
def test_an_evaluation_becomes_a_run_whose_description_is_its_verdict(desk: Desk, mlflow_server: str) -> None:
    desk = _tracked(desk, mlflow_server)
    asked = EvaluateParams(
        dataset="digits",
        latent_dims=[4],
        labelled=50,
        draws=2,
        classifiers=["knn"],
        spaces=["image"],
        methods=["noise"],
    )
    record = desk.evaluate(asked)

    client = tracking.MlflowClient(mlflow_server)
    experiment = client.get_experiment_by_name(tracking.EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id], f"tags.`latentaug.job_id` = '{record.id}'")
    rows = desk.result(record)["rows"]
    assert run.data.tags[tracking.NOTE].startswith("#")
    for row in rows:
        name = f"knn {row['name']}"
        found = {key: value for key, value in run.data.metrics.items() if key.startswith("accuracy/")}
        assert any(value == pytest.approx(row["accuracy"]) for value in found.values()), name
    shown = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"report.md", "report.png", "report.csv", "reconstructions.png", "generation.png"} <= shown


@pytest.mark.slow
def test_a_server_that_is_away_costs_a_job_nothing_but_a_line_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = _tracked(desk, f"http://127.0.0.1:{free_port()}")
    work = desk.start("train", TRAIN)
    began = time.monotonic()
    desk.finish(work)

    assert desk.jobs.get(work.record.id).status == "succeeded"
    assert "has no run in MLflow" in caplog.text
    assert time.monotonic() - began < 60
