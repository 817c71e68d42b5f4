"""`python -m bench.precision`: how far bfloat16 and TF32 are from float32, in latents and in grey levels."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from bench import results, workload
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import read_vae
from latentaug.vae.compiled import CompiledVAE, prepared
from latentaug.vae.inference import Frozen
from service.model_server.serving import allow_tf32

HOME = Path("build/bench-precision")
IMAGES = 256
PRECISIONS = {"cpu": ("bfloat16",), "cuda": ("tf32", "bfloat16")}
"""What each device is measured in besides float32."""


def main(arguments: Sequence[str], home: Path = HOME) -> None:
    """Measure the trained model of the serving benchmark on digits that it was not trained on, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (cpu)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    given = parser.parse_args(arguments)
    environment = results.environment(given.device)
    shutil.rmtree(home, ignore_errors=True)
    store = ArtefactStore((home.absolute() / "store").as_uri())
    workload.save_trained(store)
    found = {name: measure(store, name, given.device) for name in PRECISIONS[given.device]}
    page = [
        "# Precision",
        "",
        f"{IMAGES} digits, Z = 20, against float32. Latents: the furthest that one moves, in standard deviations.",
        "",
        "| precision | latents | most grey levels off, decoding | pixels off by more than one | "
        "encoding and decoding | pixels |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {moved.latents:.2%} | {moved.decoding[0]} | {moved.decoding[1]:.2%} | "
            f"{moved.both[0]} | {moved.both[1]:.2%} |"
            for name, moved in found.items()
        ),
    ]
    command = " ".join(["python -m bench.precision", *arguments])
    data = {name: moved._asdict() for name, moved in found.items()}
    results.write(given.results, results.named("precision", given.device), command, environment, data, page)


class Moved(NamedTuple):
    """How far a precision's results are from float32's.

    Attributes:
        latents: the most that a latent is off, in standard deviations.
        decoding: the most grey levels that a pixel is off, and the fraction of pixels off by more than one.
        both: the same where encoding is in that precision too.
    """

    latents: float
    decoding: tuple[int, float]
    both: tuple[int, float]


@torch.inference_mode()
def measure(store: ArtefactStore, precision: str, device: str) -> Moved:
    """Measure how far a precision is from float32 on a device, with what the service computes by there."""
    vae, on = read_vae(store, models.describe(store, workload.MODEL)), torch.device(device)
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    exact, other = (prepared(vae, each, on) for each in (torch.float32, dtype))
    images = workload.request_images(IMAGES)
    allow_tf32(False)
    mean = _computed(exact, "encode", images, on)
    reference = _computed(exact, "decode", mean, on)
    allow_tf32(precision == "tf32")
    near = _computed(other, "encode", images, on)
    return Moved(
        float(np.abs(near - mean).max() / mean.std()),
        _levels(reference, _computed(other, "decode", mean, on)),
        _levels(reference, _computed(other, "decode", near, on)),
    )


def _computed(
    vae: Frozen | CompiledVAE, name: Literal["encode", "decode"], rows: NDArray[Any], device: torch.device
) -> NDArray[np.float32]:
    """Means of images, or images of latents."""
    if isinstance(vae, CompiledVAE):
        tile = vae.tile(name, len(rows))
        tile.rows[...] = rows
        return tile.compute()[0].astype(np.float32)
    vae.to(device)
    given = torch.from_numpy(rows).to(device)
    found: NDArray[np.float32] = (vae.encode(given)[0] if name == "encode" else vae.decode(given)).cpu().numpy()
    return found


def _levels(reference: NDArray[np.float32], images: NDArray[np.float32]) -> tuple[int, float]:
    """The largest difference in grey levels, and the fraction of pixels that differ by more than one."""
    off = np.abs(np.rint(255 * images) - np.rint(255 * reference))
    return int(off.max()), float((off > 1).mean())


if __name__ == "__main__":
    main(sys.argv[1:])
