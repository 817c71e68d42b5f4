"""`make results`: MNIST with 1,000 labels, trained and evaluated by two jobs over HTTP, into docs/results/.

A VAE with Z = 20 is trained without labels on 55,000 images (5,000 for validation); then SVM, kNN and MLP are
evaluated with 1,000 labels in 3 paired draws, all three methods, by reconstruction and by residual decoding.
Needs MNIST: from LATENTAUG_DATA_DIR (a folder with mnist/*.gz), else it is downloaded. A model that an earlier run has
trained (in build/mnist-1000) is used again.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from bench import machine
from examples.running import running_service
from latentaug.settings import available_cores

HOME = Path("build/mnist-1000")
RESULTS = Path("docs/results")
JOB_TIMEOUT = 4 * 3600.0  # seconds
TRAIN = {"dataset": "mnist", "name": "mnist-z20", "latent_dim": 20, "seed": 0}
EVALUATE = {
    "dataset": "mnist",
    "model": "mnist-z20",
    "labelled": 1000,
    "draws": 3,
    "decode": ["reconstruction", "residual"],
    "comparators": ["duplication", "affine"],
    "combine": False,
    "seed": 0,
}


def main() -> None:
    """Run both jobs and write their table, plot and JSON."""
    # One core for each of the processes that share the evaluation's cells; training has them all.
    cores = str(available_cores())
    settings = {"threads": cores, "evaluate_processes": cores}
    if "LATENTAUG_DATA_DIR" in os.environ:
        settings["data_dir"] = os.environ["LATENTAUG_DATA_DIR"]
    with running_service(HOME, **settings) as service:
        models = [model["name"] for model in service.json("GET", "/v1/models")["models"]]
        if TRAIN["name"] not in models:
            service.job("train", TRAIN, JOB_TIMEOUT)
        evaluated = service.job("evaluate", EVALUATE, JOB_TIMEOUT)
        model = service.json("GET", f"/v1/models/{TRAIN['name']}")
        trained = service.json("GET", f"/v1/jobs/{model['job_id']}")
        result = f"/v1/jobs/{evaluated['id']}/result"
        RESULTS.mkdir(parents=True, exist_ok=True)
        for suffix, form in {"json": "application/json", "csv": "text/csv", "png": "image/png"}.items():
            (RESULTS / f"mnist-1000.{suffix}").write_bytes(service.call("GET", result, accept=form))
        report = service.call("GET", result, accept="text/markdown").decode()
    speed = median(epoch["images_per_second"] for epoch in model["curve"])
    header = f"""<!-- written by `make results`; do not edit -->
Measured {datetime.now(UTC):%Y-%m-%d} by `LATENTAUG_DATA_DIR=... make results` on {machine.describe()}.

- Training job: {_seconds(trained):.0f} s, {len(model["curve"])} epochs, best epoch {model["best_epoch"]},
  {speed:,.0f} images/s (median epoch), parameters `{TRAIN}`.
- Evaluation job: {_seconds(evaluated):.0f} s in {cores} processes, parameters `{EVALUATE}`.

![Gain with interval per arm](mnist-1000.png)

"""
    (RESULTS / "mnist-1000.md").write_text(header + report)
    print(f"\n{report}\nwritten to {RESULTS}/mnist-1000.*")


def _seconds(job: dict[str, Any]) -> float:
    """From a job's start to its end."""
    started, ended = (datetime.fromisoformat(job[name]) for name in ("started_at", "ended_at"))
    return (ended - started).total_seconds()


if __name__ == "__main__":
    main()
