"""`make demo`: does what the service is for, over HTTP, on the digits that ship with the project.

It starts the whole service on a free port with its embedded Redis-compatible server and trains a VAE as a job. It makes
new images from ten digits and saves them as a contact sheet. Then it runs an evaluation job with 100 labelled images,
prints the report with the verdict for each classifier, and stops everything again.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from examples.running import Service, running_service
from latentaug.datasets import digits
from latentaug.imaging.archives import read_npy, write_npz
from latentaug.imaging.pixels import Limits, Pixels, contact_sheet, encode_png

OUT = Path("build/demo")
NPY, NPZ = "application/x-npy", "application/x-npz"
TRAIN = {"dataset": "digits", "name": "demo", "beta": 0.25, "seed": 0}
EVALUATE = {
    "dataset": "digits",
    "model": "demo",
    "labelled": 100,
    "draws": 5,
    "spaces": ["image"],
    "comparators": ["affine"],
    "combine": False,
    "seed": 0,
}
METHODS = ("noise", "interpolation", "extrapolation")


def main() -> None:
    """Run the demonstration; any failure ends it with a message and a non-zero status."""
    shutil.rmtree(OUT, ignore_errors=True)
    with running_service(OUT / "home") as service:
        print(f"service ready at {service.url}")
        train = service.job("train", TRAIN)
        sheet = _contact_sheet(service, "demo")
        evaluate = service.job("evaluate", EVALUATE)
        result = f"/v1/jobs/{evaluate['id']}/result"
        report = service.call("GET", result, accept="text/markdown").decode()
        (OUT / "report.md").write_text(report)
        (OUT / "report.png").write_bytes(service.call("GET", result, accept="image/png"))
        print(f"\n{report}")
        print(f"contact sheet    {sheet}\nreport           {OUT / 'report.md'}, {OUT / 'report.png'}")
        print(f"train job        {train['id']}\nevaluate job     {evaluate['id']}")


def _contact_sheet(service: Service, model: str) -> Path:
    """Ten digits from left to right; from top to bottom real, reconstruction, noise, interpolation, extrapolation."""
    data = digits.load()
    assert data.labels is not None
    rows = [int(np.flatnonzero(data.labels[data.test] == digit)[0]) for digit in range(10)]
    real = data.images[data.test[rows]]
    batch = write_npz({"images": real, "labels": data.labels[data.test[rows]]})
    latents = service.call("POST", f"/v1/models/{model}/encode", batch, NPZ, NPY)
    columns = [real, _images(service.call("POST", f"/v1/models/{model}/decode", latents, NPY, NPY))]
    for method in METHODS:
        options = f"method={method}&k=1&neighbours=dataset&seed=0"
        columns.append(_images(service.call("POST", f"/v1/models/{model}/augment?{options}", batch, NPZ, NPY)))
    path = OUT / "contact-sheet.png"
    path.write_bytes(encode_png(contact_sheet([list(column) for column in columns], scale=6)))
    return path


def _images(data: bytes) -> Pixels:
    array: NDArray[np.generic] = read_npy(data, Limits())
    return np.asarray(array, np.uint8)[..., None]


if __name__ == "__main__":
    main()
