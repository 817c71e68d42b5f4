"""What 400 colour photos of 256x256 take on the whole service: training for a minute, augment requests, an augment job.

The service is started as `python -m service.stack` starts it, and called over HTTP.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import machine, memory
from bench.photo_sets import PHOTOGRAPHS, crops
from examples.running import running_service
from latentaug.imaging.archives import write_npz

NPY, NPZ = "application/x-npy", "application/x-npz"
SIDE, IMAGES = 256, 400
SECONDS = 60.0
"""Of training."""
REQUESTED, CHILDREN = 16, 3
"""Images of the augment request, and children of each."""
AT_REST = "at rest"
GIB = 2**30
BOUNDS = {"API": 1.0, "model server": 1.25, "worker": 0.5, "fork server": 0.6, "job": 1.5}
"""GiB of each part that docs/operations.md allows for this work."""


@dataclass(frozen=True)
class Stage:
    """A part of the work.

    Attributes:
        name: what was done.
        seconds: that passed.
        peaks: the most bytes in memory, by part of the service.
    """

    name: str
    seconds: float
    peaks: dict[str, int]


def measure(home: Path, side: int = SIDE, images: int = IMAGES, seconds: float = SECONDS) -> dict[str, Any]:
    """Start a service in `home`, which is emptied before, and measure each stage; plain JSON."""
    shutil.rmtree(home, ignore_errors=True)
    photos = crops(size=(side, side), each=images // len(PHOTOGRAPHS))
    assert photos.labels is not None
    upload = write_npz({"images": photos.images, "labels": photos.labels})
    few = write_npz({"images": photos.images[photos.train[:REQUESTED]]})
    augment = f"/v1/models/photos/augment?k={CHILDREN}"
    train = {"dataset": "photos", "name": "photos", "max_seconds": seconds}
    whole = {"dataset": "photos", "model": "photos", "k": CHILDREN}
    stages, load = list[Stage](), machine.load()
    with running_service(home) as service:
        call = service.call
        work: dict[str, Callable[[], object]] = {
            AT_REST: partial(time.sleep, 1),
            f"upload of {len(photos.images)} images": partial(call, "POST", "/v1/datasets?name=photos", upload, NPZ),
            f"train job, max_seconds {seconds:g}": partial(service.job, "train", train),
            f"first augment request, {REQUESTED} images": partial(call, "POST", augment, few, NPZ, NPY),
            f"second augment request, {REQUESTED} images": partial(call, "POST", augment, few, NPZ, NPY),
            f"augment job, {len(photos.train)} images": partial(service.job, "augment", whole, 3600),
        }
        stages = [_stage(name, each) for name, each in work.items()]
        epochs = service.json("GET", "/v1/models/photos")["best_epoch"]
    return {"side": side, "epochs": epochs, "load": round(load, 2), "stages": [asdict(stage) for stage in stages]}


def _stage(name: str, call: Callable[[], object]) -> Stage:
    """Do a part of the work, and watch."""
    started = time.perf_counter()
    with memory.peaks() as peaks:
        call()
    stage = Stage(name, time.perf_counter() - started, peaks)
    print(stage, flush=True)
    return stage


def page(found: Mapping[str, Any] | None) -> list[str]:
    """What is said of large photos."""
    lines = ["## Large photos: what they take", ""]
    if found is None:
        return [*lines, "They have not been measured here yet."]
    stages = [Stage(**stage) for stage in found["stages"]]
    highest = {part: max(stage.peaks.get(part, 0) for stage in stages) / GIB for part in BOUNDS}
    over = [part for part, peak in highest.items() if peak > BOUNDS[part]]
    kept = f"more than they may have: {', '.join(over)}." if over else "all parts stay within their bounds."
    lines += [
        f"**Colour photos of {found['side']}x{found['side']} on the whole service on one machine: {kept}**",
        "",
        "| stage | seconds | " + " | ".join(f"{part}, GiB" for part in BOUNDS) + " |",
        f"|---|---|{'---|' * len(BOUNDS)}",
    ]
    for stage in stages:
        peaks = [f"{stage.peaks[part] / GIB:.2f}" if part in stage.peaks else "" for part in BOUNDS]
        lines.append(f"| {stage.name} | {stage.seconds:.1f} | {' | '.join(peaks)} |")
    bounds = [f"**{bound:.2f}**" for bound in BOUNDS.values()]
    return [
        *lines,
        f"| **bound** ([operations](../operations.md#memory)) | | {' | '.join(bounds)} |",
        "",
        "- Each figure is the most memory that the processes of a part had, added up; pages that they share count more "
        "than once. The worker has a process for each queue, and the job one of its own.",
        f"- {CHILDREN} new images are made of each.",
        f"- Measured with `--large`, at a load of {found['load']} when it began; seconds are those that passed.",
        "- The first request loads the model and warms it up.",
    ]
