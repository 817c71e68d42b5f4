"""A million images through the service: `python -m bench.million`.

Starts the service, sends a million digits of 28x28 in shards of which 1,000 have labels, joins them, trains a VAE, has
the labels spread over all others and takes the labelled images, file by file. Writes docs/results/million.md and .json:
the time of each step, and the most memory of each process in it. For a quick look:
`python -m bench.million --images 20000 --results build/million`.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from bench import many_digits, results
from bench.memory import OFTEN, peaks
from examples.running import Service, running_service
from latentaug.imaging.archives import write_npz

HOME = Path("build/million-home")
IMAGES, LABELS, SHARD, EPOCHS = 1_000_000, 1000, 50_000, 3
NAME = "million"
NPZ = "application/x-npz"
LONG = 6 * 3600.0
"""Seconds that a request or job is waited for."""
_MIB = 2**20


@dataclass(frozen=True)
class Step:
    """What a step took.

    Attributes:
        name: of the step.
        seconds: from its first request to its last answer.
        memory: most bytes of their own memory, by part of the service.
    """

    name: str
    seconds: float
    memory: dict[str, int]


@dataclass(frozen=True)
class Labelled:
    """What came of the labels.

    Attributes:
        kept: how many images were given a label that they are kept with.
        right: the share of these labels that is right.
        expected: the share that the service expected.
        files: how many files of images there were.
    """

    kept: int
    right: float
    expected: float
    files: int


def main(arguments: Sequence[str] | None = None, home: Path = HOME) -> None:
    """Measure and write docs/results/million.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES, help=f"in all ({IMAGES:,})")
    parser.add_argument("--shard", type=int, default=SHARD, help=f"images of a shard ({SHARD:,})")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"of the training ({EPOCHS})")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    shutil.rmtree(home, ignore_errors=True)
    steps, truth = list[Step](), list[NDArray[np.int64]]()
    with running_service(home) as service, httpx.Client(base_url=service.url, timeout=LONG) as client:
        with _step("send the shards", steps):
            waited = _send(client, asked.images, asked.shard, truth)
        steps[-1] = Step(steps[-1].name, waited, steps[-1].memory)
        with _step("join them", steps):
            _ok(client.post(f"/v1/datasets/{NAME}/shards/join", params={"count": len(truth)}))
        with _step(f"train for {asked.epochs} epochs", steps):
            service.job("train", {"dataset": NAME, "name": NAME, "epochs": asked.epochs}, LONG)
        with _step("spread the labels", steps):
            job = service.job("label", {"dataset": NAME, "model": NAME, "whole": True}, LONG)
        with _step("take the labelled images", steps):
            labelled = _take(client, service, job["id"], np.concatenate(truth))
    shutil.rmtree(home, ignore_errors=True)
    results.write(
        asked.results,
        "million",
        " ".join(["python -m bench.million", *arguments]),
        environment,
        {"steps": [asdict(step) for step in steps], "labelled": asdict(labelled)},
        page(asked.images, asked.shard, steps, labelled),
    )


@contextmanager
def _step(name: str, steps: list[Step]) -> Iterator[None]:
    """Measure what is done in the `with` block."""
    with peaks(apart=True) as memory:
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
    steps.append(Step(name, seconds, dict(memory)))
    print(f"{name}: {seconds:.1f} s", flush=True)


def _send(client: httpx.Client, images: int, shard: int, truth: list[NDArray[np.int64]]) -> float:
    """Send the shards, and note the true labels of all; return the seconds that were spent with waiting for answers."""
    every, waited = max(1, images // LABELS), 0.0
    for number, start in enumerate(range(0, images, shard)):
        drawn, labels = many_digits.draw(min(shard, images - start), seed=number)
        truth.append(labels)
        given = np.where(np.arange(start, start + len(labels)) % every == 0, labels, -1)
        body = write_npz({"images": drawn[..., 0], "labels": given})
        began = time.perf_counter()
        _ok(client.put(f"/v1/datasets/{NAME}/shards/{number}", content=body, headers={"Content-Type": NPZ}))
        waited += time.perf_counter() - began
    return waited


def _take(client: httpx.Client, service: Service, job: str, truth: NDArray[np.int64]) -> Labelled:
    """Take the images with their new labels, one file after the other, and see whether the labels are right."""
    summary = service.json("GET", f"/v1/jobs/{job}")["result"]
    shards, kept, right = int(summary.get("shards", 1)), 0, 0
    for number in range(shards):
        answer = _ok(client.get(f"/v1/jobs/{job}/result", params={"shard": number}, headers={"Accept": NPZ}))
        with np.load(io.BytesIO(answer.content), allow_pickle=False) as arrays:
            kept += len(arrays["images"])
            right += int((arrays["labels"].astype(np.int64) == truth[arrays["row"]]).sum())
    return Labelled(kept, right / max(1, kept), summary["expected_accuracy"]["mean"], shards)


def _ok(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise SystemExit(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}")
    return answer


def page(images: int, shard: int, steps: Sequence[Step], labelled: Labelled) -> list[str]:
    """The page: each step's time and memory, and what came of the labels."""
    parts = list(dict.fromkeys(part for step in steps for part in step.memory))
    files = "1 file" if labelled.files == 1 else f"{labelled.files} files"
    return [
        f"# {images:,} images through the service",
        "",
        f"{images:,} digits of 28x28 ({images * many_digits.SIDE**2 / _MIB:,.0f} MiB) in shards of {shard:,}, of which "
        f"{LABELS:,} images have labels; one caller, the service on this machine with its default settings.",
        "",
        f"- **Time**: {sum(step.seconds for step in steps) / 60:.1f} minutes in all.",
        f"- **Labels**: {labelled.kept:,} images were given one and are kept, {labelled.right:.1%} of them rightly; "
        f"the service expected {labelled.expected:.1%}. They come in {files}.",
        "",
        "Memory is the most of each process's own, without pages of mapped files, which the system takes away where it "
        f"needs the room; looked at every {OFTEN:g} s.",
        "",
        f"| step | s | {' | '.join(f'{part}, MiB' for part in parts)} |",
        f"|---|---|{'---|' * len(parts)}",
        *(
            f"| {step.name} | {step.seconds:,.1f} | {' | '.join(_mib(step.memory.get(part)) for part in parts)} |"
            for step in steps
        ),
    ]


def _mib(size: int | None) -> str:
    return "" if size is None else f"{size / _MIB:,.0f}"


if __name__ == "__main__":
    main()
