"""Logs as JSON: every process, every line, with the ids of request and job, and never a key."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.api import services

KEY = "a-very-secret-key-0123456789"
MODULES = {"api": "service.api", "model-server": "service.model_server", "worker": "worker"}


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def train_with(at: services.Home, folder: Path, **settings: object) -> str:
    """Run every process with these settings, its log in a file of this folder, until a model is trained."""
    running: list[subprocess.Popen[bytes]] = []
    port = services.free_port()
    environment = at.environment(port=port, api_keys=f"{KEY}:infer+train+admin", queues='["train"]', **settings)
    try:
        for name, module in MODULES.items():
            with (folder / name).open("w") as log:
                running.append(subprocess.Popen([sys.executable, "-m", module], env=environment, stderr=log))
        headers = {"Authorization": f"Bearer {KEY}"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client:
            services.wait_until(lambda: services.answers(client) and client.get("/readyz").status_code == 200)
            params = {"dataset": "digits", "name": "logged", "latent_dim": 2, "epochs": 1}
            job = str(client.post("/v1/jobs/train", json=params, headers={"X-Request-ID": "asked-1"}).json()["id"])
            services.wait_until(lambda: client.get(f"/v1/jobs/{job}").json()["status"] == "succeeded")
            client.get("/v1/models", headers={"Authorization": "Bearer wrong-" + KEY})
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
    return job


def test_each_line_is_json_with_the_ids_and_no_key(tmp_path: Path) -> None:
    with services.home() as at:
        job = train_with(at, tmp_path, log_format="json", log_level="debug")

    told = {name: lines(tmp_path / name) for name in MODULES}
    assert all({"time", "level", "logger", "message"} <= set(line) for log in told.values() for line in log)
    assert not any(KEY in (tmp_path / name).read_text() for name in MODULES)
    (queued,) = [line for line in told["api"] if line["message"] == "train job queued"]
    assert (queued["request_id"], queued["job_id"]) == ("asked-1", job)
    done = [line for line in told["worker"] if line["message"] == "train succeeded"]
    assert [(line["request_id"], line["job_id"]) for line in done] == [("asked-1", job)]
    assert told["model-server"]


def test_the_level_holds_for_the_libraries_in_every_process_too(tmp_path: Path) -> None:
    with services.home() as at:
        train_with(at, tmp_path, log_level="error")

    assert {name: (tmp_path / name).read_text() for name in MODULES} == dict.fromkeys(MODULES, "")
