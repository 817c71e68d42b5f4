"""`python -m bench.precision`: what bfloat16 moves, in latents and in grey levels, against float32."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from bench import results, workload
from latentaug import models
from latentaug.artefacts import ArtefactStore
from latentaug.codec import read_vae
from latentaug.frozen import FrozenVAE, grey_levels

HOME = Path("build/bench-precision")
IMAGES = 256


def main(arguments: Sequence[str], home: Path = HOME) -> None:
    """Measure the trained model of the serving benchmark on digits that it was not trained on, and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    given = parser.parse_args(arguments)
    environment = results.environment()
    shutil.rmtree(home, ignore_errors=True)
    store = ArtefactStore((home.absolute() / "store").as_uri())
    workload.save_trained(store)
    moved, levels = measure(store)
    page = [
        "# bfloat16",
        "",
        f"{IMAGES} digits, Z = 20. Latents move by at most {moved:.1%} of their standard deviation.",
        "",
        "| what is computed in bfloat16 | most grey levels off | pixels off by more than one |",
        "|---|---|---|",
        *(f"| {name} | {largest} | {share:.2%} |" for name, (largest, share) in levels.items()),
    ]
    command = " ".join(["python -m bench.precision", *arguments])
    results.write(given.results, "precision", command, environment, {"latents": moved, **levels}, page)


@torch.inference_mode()
def measure(store: ArtefactStore) -> tuple[float, dict[str, tuple[int, float]]]:
    """How far latents move at most, in standard deviations, and how many levels pixels are off (`_levels`)."""
    vae = read_vae(store, models.describe(store, workload.MODEL))
    exact, half = FrozenVAE(vae), FrozenVAE(vae, torch.bfloat16)
    images = torch.from_numpy(workload.request_images(IMAGES))
    mean, near = exact.encode(images)[0], half.encode(images)[0]
    reference = grey_levels(exact.decode(mean)).int()
    return float((near - mean).abs().max() / mean.std()), {
        "decoding": _levels(reference, half.decode(mean)),
        "encoding and decoding": _levels(reference, half.decode(near)),
    }


def _levels(reference: Tensor, images: Tensor) -> tuple[int, float]:
    """The largest difference in grey levels, and the share of pixels that differ by more than one."""
    off = (grey_levels(images).int() - reference).abs()
    return int(off.max()), float((off > 1).float().mean())


if __name__ == "__main__":
    main(sys.argv[1:])
