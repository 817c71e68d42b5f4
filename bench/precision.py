"""`python -m bench.precision`: how far bfloat16 and TF32 are from float32, in latents and in grey levels."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from bench import results, workload
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.codec import read_vae
from latentaug.vae.inference import frozen, grey_levels
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
    """Measure how far a precision is from float32 on a device."""
    vae = read_vae(store, models.describe(store, workload.MODEL))
    exact, other = frozen(vae), frozen(vae, torch.bfloat16 if precision == "bfloat16" else torch.float32)
    exact.to(torch.device(device))
    other.to(torch.device(device))
    images = torch.from_numpy(workload.request_images(IMAGES)).to(device)
    allow_tf32(False)
    mean = exact.encode(images)[0]
    reference = grey_levels(exact.decode(mean)).int()
    allow_tf32(precision == "tf32")
    near = other.encode(images)[0]
    return Moved(
        float((near - mean).abs().max() / mean.std()),
        _levels(reference, other.decode(mean)),
        _levels(reference, other.decode(near)),
    )


def _levels(reference: Tensor, images: Tensor) -> tuple[int, float]:
    """The largest difference in grey levels, and the fraction of pixels that differ by more than one."""
    off = (grey_levels(images).int() - reference).abs()
    return int(off.max()), float((off > 1).float().mean())


if __name__ == "__main__":
    main(sys.argv[1:])
