"""One epoch on a file of images, in this process: `python -m bench.large_epoch FILE memory|file`; for `bench.large`."""

from __future__ import annotations

import json
import sys

import numpy as np

from bench.memory import own
from latentaug.datasets.selection import Images, Selection
from latentaug.options import TrainingOptions
from latentaug.vae.training import fit

VALIDATION = 1000


def main(file: str, where: str) -> None:
    """Train, and print images per second and the most bytes of memory."""
    with own() as peak:
        images = np.asarray(np.load(file, mmap_mode="r" if where == "file" else None))
        rows = np.arange(len(images))
        train: Images = Selection(images, rows[VALIDATION:]) if where == "file" else images[VALIDATION:]
        (epoch,) = fit(train, images[:VALIDATION], 20, TrainingOptions(epochs=1)).history
    print(json.dumps({"images_per_second": epoch.images_per_second, **peak}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
