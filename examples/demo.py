"""`make demo`: the main job for real, over HTTP, on the digits that ship with the project.

You have 30 labelled digits and a thousand without a label. The demonstration starts the whole service on a free port
with its embedded Redis-compatible server, trains a VAE as a job, spreads the 30 labels over the other images, looks for
the best training set, prints the verdict on it, makes that set, and stops everything again. It also saves a contact
sheet of new images made from ten digits.
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
LABELS_EACH = 3
FEW = "few-labels"
RECOMMEND = {"dataset": "digits", "model": "demo", "labelled": 10 * LABELS_EACH, "budget_seconds": 60, "seed": 0}
METHODS = ("noise", "interpolation", "extrapolation")


def main() -> None:
    """Run the demonstration; any failure ends it with a message and a non-zero status."""
    shutil.rmtree(OUT, ignore_errors=True)
    with running_service(OUT / "home") as service:
        print(f"service ready at {service.url}")
        service.job("train", TRAIN)
        sheet = _contact_sheet(service, "demo")
        service.call("POST", f"/v1/datasets?name={FEW}", _few_labels(), NPZ)
        label = service.job("label", {"dataset": FEW, "model": "demo", "seed": 0})
        expected = service.json("GET", f"/v1/jobs/{label['id']}/result")["expected_accuracy"]
        recommend = service.job("recommend", RECOMMEND)
        result = f"/v1/jobs/{recommend['id']}/result"
        report = service.call("GET", result, accept="text/markdown").decode()
        (OUT / "report.md").write_text(report)
        (OUT / "report.png").write_bytes(service.call("GET", result, accept="image/png"))
        made = service.job("augment", {"dataset": FEW, "recipe": recommend["id"]})
        (OUT / "training-set.zip").write_bytes(
            service.call("GET", f"/v1/jobs/{made['id']}/result", accept="application/zip")
        )
        print(f"\n{report}")
        print(f"labels           {expected['mean']:.1%} of the new labels are likely right", end=" ")
        print(f"(95 % interval {expected['low']:.1%} to {expected['high']:.1%})")
        print(f"training set     {OUT / 'training-set.zip'}\ncontact sheet    {sheet}")
        print(f"report           {OUT / 'report.md'}, {OUT / 'report.png'}")


def _few_labels() -> bytes:
    """The digits' training images, of which the first few of each digit have a label, as an npz."""
    data = digits.load()
    assert data.labels is not None
    labels = data.labels[data.train].copy()
    for digit in range(10):
        labels[np.flatnonzero(labels == digit)[LABELS_EACH * 2 :]] = -1
    return write_npz({"images": data.images[data.train], "labels": labels})


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
