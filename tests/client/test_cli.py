"""The command line, as a person runs it: real commands, real folders, a real service."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from latentaug_client import Client
from PIL import Image

from service.stack import ports
from tests.client.conftest import DIGITS, MODEL

LATENTAUG = [sys.executable, "-m", "service.cli.app"]


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
    command = [*LATENTAUG, *map(str, arguments)]
    return subprocess.run(
        command, env={**kept, "COLUMNS": "200", **environment}, capture_output=True, text=True, timeout=200, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty digits in two class folders."""
    assert DIGITS.labels is not None
    for i in range(40):
        path = tmp_path / "digits" / ("odd" if DIGITS.labels[i] % 2 else "even") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.images[i, ..., 0]).save(path)
    return tmp_path / "digits"


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_in_gives_a_folder_and_its_manifest_out(url: str, folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = run("--url", url, "augment", folder, "--out", new, "--model", MODEL, "--k", "2", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "80 new images" in done.stdout
    rows = manifest(new)
    assert sorted(row["file"] for row in rows) == sorted(p.relative_to(new).as_posix() for p in new.rglob("*.png"))
    assert len(rows) == 80
    for row in rows:
        assert Path(row["source"]).parent.name == Path(row["neighbour"]).parent.name == row["label"]
        assert (row["method"], row["k"], row["seed"], row["model"]) == ("interpolation", "2", "7", MODEL)
        assert np.asarray(Image.open(new / row["file"])).shape == (8, 8)


def test_what_is_there_is_never_written_over(url: str, folder: Path, tmp_path: Path) -> None:
    done = run("--url", url, "augment", folder, "--out", folder, "--model", MODEL)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    failed = run("--url", url, "augment", folder, "--out", tmp_path / "new", "--model", MODEL, "--k", "40")
    assert failed.returncode == 1
    assert "use k up to 18" in " ".join(failed.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits"]


def test_a_flat_folder_has_no_classes_and_a_mixed_one_is_refused(url: str, folder: Path, tmp_path: Path) -> None:
    done = run(
        "--url", url, "augment", folder / "odd", "--out", tmp_path / "new", "--model", MODEL, "--method", "noise"
    )
    assert done.returncode == 0, done.stderr
    assert {(row["label"], row["neighbour"]) for row in manifest(tmp_path / "new")} == {("", "")}
    (folder / "odd" / "0.png").write_bytes((folder / "even" / "0.png").read_bytes())
    (folder / "loose.png").write_bytes((folder / "even" / "0.png").read_bytes())
    mixed = run("--url", url, "augment", folder, "--out", tmp_path / "other", "--model", MODEL)
    assert mixed.returncode == 1
    assert "beside class folders" in " ".join(mixed.stderr.split())


def test_train_evaluate_and_jobs(url: str, folder: Path, tmp_path: Path) -> None:
    trained = run("--url", url, "train", folder, "--name", "mine", "--epochs", "2")
    assert trained.returncode == 0, trained.stderr
    assert "model mine" in trained.stdout
    report = tmp_path / "report"
    judged = run(
        *("--url", url, "evaluate", "digits", "--model", MODEL, "--labelled", "50", "--draws", "2", "--out", report),
        *("--classifier", "knn", "--space", "image"),
    )
    assert judged.returncode == 0, judged.stderr
    assert "cannot tell" in judged.stdout or "elps" in judged.stdout
    assert sorted(path.name for path in report.iterdir()) == ["report.csv", "report.json", "report.md", "report.png"]
    listed = run("--url", url, "jobs", "--kind", "evaluate", "--status", "succeeded")
    assert listed.returncode == 0, listed.stderr
    assert "100%" in listed.stdout


def test_all_in_one_needs_no_server_and_no_model(folder: Path, tmp_path: Path) -> None:
    own = {"LATENTAUG_HOME": str(tmp_path / "home"), "LATENTAUG_PORT": str(ports.free("127.0.0.1"))}
    for target in ("first", "second"):  # the second time its model is there
        done = run("augment", folder, "--out", tmp_path / target, **own)
        assert done.returncode == 0, done.stderr
        assert "120 new images" in done.stdout
    assert (tmp_path / "first" / "odd" / "1-1.png").read_bytes() == (
        tmp_path / "second" / "odd" / "1-1.png"
    ).read_bytes()


def test_new_images_never_lie_among_the_real_ones(folder: Path) -> None:
    done = run("augment", folder, "--out", folder / "new")
    assert done.returncode == 1
    assert "name a folder elsewhere" in " ".join(done.stderr.split()), done.stderr


def test_a_job_is_followed_to_its_end(url: str) -> None:
    with Client(url) as client:
        ended = client.augment_dataset("digits", MODEL, k=1)
        endless = client.train("digits", epochs=10_000, patience=10_000)
        assert run("jobs", ended.id, LATENTAUG_URL=url).returncode == 0
        assert run("jobs", "--cancel", endless.id, LATENTAUG_URL=url).returncode == 0
    followed = run("jobs", endless.id, LATENTAUG_URL=url)
    assert followed.returncode == 1
    assert "cancelled" in followed.stderr


def test_the_doctor_calls_on_a_service(url: str) -> None:
    there = run("--url", url, "doctor")
    assert there.returncode == 0, there.stdout
    assert "Redis, store and model server answer" in there.stdout
    gone = run("--url", f"http://127.0.0.1:{ports.free('127.0.0.1')}", "doctor")
    assert gone.returncode == 1
    assert "no answer from" in gone.stdout


def test_a_service_that_is_not_there_is_said(folder: Path) -> None:
    done = run("--url", "http://127.0.0.1:9", "jobs")
    assert done.returncode == 1
    assert "Unreachable" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_says_what_to_mend(tmp_path: Path) -> None:
    own = {"LATENTAUG_HOME": str(tmp_path / "home"), "LATENTAUG_PORT": str(ports.free("127.0.0.1"))}
    well = run("doctor", **own)
    assert well.returncode == 0, well.stdout
    assert "latentaug up" in well.stdout
    ill = run("doctor", **own, LATENTAUG_REDIS_URL="redis://127.0.0.1:9", LATENTAUG_DEVICE="cuda:7")
    assert ill.returncode == 1
    assert "LATENTAUG_REDIS_URL" in ill.stdout
    unknown = run("doctor", LATENTAUG_HOMER="x")
    assert unknown.returncode == 1
    assert "did you mean LATENTAUG_HOME" in " ".join(unknown.stdout.split())


def test_up_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    environment = {**os.environ, "LATENTAUG_HOME": str(tmp_path)}
    with subprocess.Popen([*LATENTAUG, "up", "--port", "0"], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"ready at http://127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 0
