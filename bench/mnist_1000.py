"""`make results`: MNIST with 1,000 labels, trained and evaluated by two jobs over HTTP, into docs/results/.

A VAE with Z = 20 is trained without labels on 55,000 images (5,000 for validation); then SVM, kNN and MLP are
evaluated with 1,000 labels in 3 paired draws, all three methods, by reconstruction and by residual decoding.
Needs MNIST: from LATENTAUG_DATA_DIR (a folder with mnist/*.gz), else it is downloaded.
"""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

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
    "seed": 0,
}


def main() -> None:
    """Run both jobs and write their table, plot and JSON."""
    shutil.rmtree(HOME, ignore_errors=True)
    settings = {"threads": str(available_cores())}  # one job at a time, so a job may have all cores
    if "LATENTAUG_DATA_DIR" in os.environ:
        settings["data_dir"] = os.environ["LATENTAUG_DATA_DIR"]
    with running_service(HOME, **settings) as service:
        started = time.monotonic()
        service.job("train", TRAIN, JOB_TIMEOUT)
        trained = time.monotonic()
        record = service.job("evaluate", EVALUATE, JOB_TIMEOUT)
        ended = time.monotonic()
        model = service.json("GET", "/v1/models/mnist-z20")
        result = f"/v1/jobs/{record['id']}/result"
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "mnist-1000.json").write_bytes(service.call("GET", result, accept="application/json"))
        (RESULTS / "mnist-1000.csv").write_bytes(service.call("GET", result, accept="text/csv"))
        (RESULTS / "mnist-1000.png").write_bytes(service.call("GET", result, accept="image/png"))
        report = service.call("GET", result, accept="text/markdown").decode()
    speed = sorted(epoch["images_per_second"] for epoch in model["curve"])[len(model["curve"]) // 2]
    header = f"""<!-- written by `make results`; do not edit -->
Measured {datetime.now(UTC):%Y-%m-%d} by `LATENTAUG_DATA_DIR=... make results` on {machine.describe()}.
Training job: {trained - started:.0f} s, {len(model["curve"])} epochs, best epoch {model["best_epoch"]},
{speed:,.0f} images/s (median epoch). Evaluation job: {ended - trained:.0f} s.
Train parameters `{TRAIN}`; evaluate parameters `{EVALUATE}`.

![Gain with interval per arm](mnist-1000.png)

"""
    (RESULTS / "mnist-1000.md").write_text(header + report)
    print(f"\n{report}\nwritten to {RESULTS}/mnist-1000.*")


if __name__ == "__main__":
    main()
