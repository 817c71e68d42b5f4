"""`python -m bench.precision`: what bfloat16 moves, in latents and in grey levels, against float32."""

from __future__ import annotations

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


@torch.inference_mode()
def main(arguments: Sequence[str]) -> None:
    """Measure the trained model of the serving benchmark on digits that it was not trained on, and write it."""
    environment = results.environment()
    shutil.rmtree(HOME, ignore_errors=True)
    store = ArtefactStore((HOME.absolute() / "store").as_uri())
    workload.save_trained(store)
    vae = read_vae(store, models.describe(store, workload.MODEL))
    exact, half = FrozenVAE(vae), FrozenVAE(vae, torch.bfloat16)
    images = torch.from_numpy(workload.request_images(IMAGES))
    mean, near = exact.encode(images)[0], half.encode(images)[0]
    reference = grey_levels(exact.decode(mean)).int()
    moved = float((near - mean).abs().max() / mean.std())
    levels = {
        "decoding": _levels(reference, half.decode(mean)),
        "encoding and decoding": _levels(reference, half.decode(near)),
    }
    page = [
        "# bfloat16",
        "",
        f"{IMAGES} digits, Z = 20. Latents move by at most {moved:.1%} of their standard deviation.",
        "",
        "| what is computed in bfloat16 | most grey levels off | pixels off by more than one |",
        "|---|---|---|",
        *(f"| {name} | {largest} | {share:.2%} |" for name, (largest, share) in levels.items()),
    ]
    results.write(
        results.RESULTS, "precision", "python -m bench.precision", environment, {"latents": moved, **levels}, page
    )


def _levels(reference: Tensor, images: Tensor) -> tuple[int, float]:
    """The largest difference in grey levels, and the share of pixels that differ by more than one."""
    off = (grey_levels(images).int() - reference).abs()
    return int(off.max()), float((off > 1).float().mean())


if __name__ == "__main__":
    main(sys.argv[1:])
