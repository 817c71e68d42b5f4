"""How fast the residual network trains and renders, by the size of the images: `python -m bench.photo_speed --help`.

The plain loop takes the same steps without recording them as a CUDA graph; on a CPU both are one.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench import results
from latentaug.options import TrainingOptions
from latentaug.vae import training
from latentaug.vae.codec import Codec
from latentaug.vae.train_step import Step, step_kind

SIDES = (64, 128, 256)
IMAGES, EPOCHS = 1024, 4
"""Images of each size, and passes over them of which the first is not timed."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write docs/results/photo-speed*."""
    parser = argparse.ArgumentParser(description="Measure how fast the residual network trains and renders.")
    parser.add_argument("--device", default="cpu", help="cuda:0, or cpu")
    parser.add_argument("--images", type=int, default=IMAGES, help="images of each size")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="the folder for the page")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment(asked.device)
    found = {side: measure(side, asked.images, asked.device) for side in SIDES}
    command = f"python -m bench.photo_speed {' '.join(arguments)}".rstrip()
    results.write(
        asked.results,
        results.named("photo-speed", asked.device.partition(":")[0]),
        command,
        environment,
        found,
        page(found),
    )


def measure(side: int, count: int, device: str) -> dict[str, float]:
    """Images a second, in training with the fastest kind of step and with a plain one, encoding and rendering."""
    images = np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)
    options = TrainingOptions(epochs=EPOCHS, patience=EPOCHS, architecture="residual")
    found = dict[str, float]()
    try:
        for name, kind in (("training", step_kind), ("plain loop", lambda *_: Step)):
            training.step_kind = kind  # type: ignore[attr-defined]
            trained = training.fit(images, images[:64], None, options, device=device)
            found[name] = max(epoch.images_per_second for epoch in trained.history[1:])
    finally:
        training.step_kind = step_kind  # type: ignore[attr-defined]
    codec = Codec(trained.vae, device)
    latents = codec.encode(images[:64])
    found["encoding"] = len(images) / seconds(lambda: codec.encode(images))
    found["rendering"] = len(latents) / seconds(lambda: codec.decode(latents))
    return found


def seconds(call: Callable[[], object]) -> float:
    """What the second of two calls takes, whose result is in the processor's memory."""
    call()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def page(found: dict[int, dict[str, float]]) -> list[str]:
    """The table."""
    lines = [
        "# The residual network by the size of the images",
        "",
        "Images a second, 3 channels, batches of 32, Z = 128. Rendering is decoding to floats, copies to the processor "
        "included.",
        "",
        "| side, pixels | training | as a plain loop | times the plain loop | encoding | rendering |",
        "|---|---|---|---|---|---|",
    ]
    for side, one in found.items():
        ratio = one["training"] / one["plain loop"]
        numbers = [one["training"], one["plain loop"], None, one["encoding"], one["rendering"]]
        lines.append(f"| {side} | " + " | ".join(f"{ratio:.2f}" if n is None else f"{n:,.0f}" for n in numbers) + " |")
    return lines


if __name__ == "__main__":
    main()
