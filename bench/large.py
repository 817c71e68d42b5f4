"""A data set that is larger than memory: `python -m bench.large`.

Trains one epoch on a data set of 4 GiB in memory, and one on the same data set in its file with 2 GiB of memory; each
in a process of its own, in turns. Then looks for the neighbours of very many latents in cells, and how many of them are
right. Writes docs/results/large.md and .json. For a quick look:
`python -m bench.large --bytes 30000000 --memory 600000000 --points 20000 --results build/large`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench import many_digits, results
from bench.confined import Limit, limit
from bench.large_epoch import VALIDATION
from latentaug.augment.cells import nearest_in_cells
from latentaug.latent_map.pca import sample
from latentaug.options import TrainingOptions
from latentaug.vae.codec import Codec
from latentaug.vae.training import fit

GOAL = 0.8
"""Share of the speed in memory that training from a file should have."""
IMAGE = many_digits.SIDE**2
POOL = 50_000
"""Different images; the data set repeats them."""
K = 20
LOOKED_UP = 1000
_MIB = 2**20


@dataclass(frozen=True)
class Run:
    """One epoch.

    Attributes:
        images_per_second: without validation.
        own: most bytes of the process's own memory.
        resident: most bytes of it in memory, pages of files included.
        group: most bytes of its control group, or None where there is none.
    """

    images_per_second: float
    own: int
    resident: int
    group: int | None


@dataclass(frozen=True)
class Search:
    """The search for neighbours of so many points.

    Attributes:
        points: how many there are.
        seconds: in cells.
        exact_seconds: exactly, for as many of them as were looked up, times all of them.
        found: the share of the nearest 20 that was found.
    """

    points: int
    seconds: float
    exact_seconds: float
    found: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write docs/results/large.*."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bytes", type=int, default=2**32, help="of the data set's images (4 GiB)")
    parser.add_argument("--memory", type=int, default=2**31, help="of the process that reads its file (2 GiB)")
    parser.add_argument("--rounds", type=int, default=1, help="epochs of each (1)")
    parser.add_argument("--points", type=int, default=1_000_000, help="whose neighbours are looked for (1,000,000)")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder to write to (docs/results)")
    arguments = sys.argv[1:] if arguments is None else arguments
    asked = parser.parse_args(arguments)
    environment = results.environment()
    with TemporaryDirectory(dir=".", prefix="large-") as name, limit(asked.memory) as confined:
        file = Path(name) / "images.npy"
        images = _write(file, asked.bytes // IMAGE)
        runs: dict[str, list[Run]] = {"memory": [], "file": []}
        for _ in range(asked.rounds):
            runs["memory"].append(_epoch(file, None))
            _forget(file)  # or the file's pages would count as another group's
            runs["file"].append(_epoch(file, confined))
        told = confined.told
    search = _search(asked.points)
    results.write(
        asked.results,
        "large",
        " ".join(["python -m bench.large", *arguments]),
        environment,
        {name: [asdict(run) for run in each] for name, each in runs.items()} | {"search": asdict(search)},
        page(images, asked.memory, told, runs, search),
    )


def _write(path: Path, count: int) -> int:
    """Write so many images, a pool of different ones over and over."""
    pool, _ = many_digits.draw(min(POOL, count), seed=0)
    file = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *pool.shape[1:]))
    for start in range(0, count, len(pool)):
        file[start : start + len(pool)] = pool[: count - start]
    file.flush()
    del file  # pages of what is mapped are not forgotten
    _forget(path)
    return count


def _forget(path: Path) -> None:
    """Have no page of a file in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _epoch(file: Path, confined: Limit | None) -> Run:
    """Train in a process of its own: in memory, or from the file within a limit."""
    command = [sys.executable, "-m", "bench.large_epoch", str(file), "memory" if confined is None else "file"]
    take = None if confined is None else confined.take
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=take).stdout
    print(told, end="", flush=True)
    return Run(**json.loads(told), group=None if confined is None else confined.highest)


def _search(points: int) -> Search:
    """Look for the neighbours of so many latents."""
    images, _ = many_digits.draw(min(POOL, points), seed=1)
    codec = Codec(fit(images[VALIDATION:], images[:VALIDATION], 20, TrainingOptions(epochs=3)).vae, "cpu")
    pools = [codec.encode(many_digits.draw(min(POOL, points - start), start)[0]) for start in range(0, points, POOL)]
    latents = np.concatenate(pools)
    began = time.perf_counter()
    rows, _ = nearest_in_cells(latents, K)
    seconds = time.perf_counter() - began
    looked_up = sample(points, LOOKED_UP)
    began = time.perf_counter()
    exact = _exact(torch.from_numpy(latents), torch.from_numpy(looked_up))
    exact_seconds = (time.perf_counter() - began) * points / len(looked_up)
    shared = [len(np.intersect1d(*pair)) for pair in zip(rows[looked_up], exact, strict=True)]
    return Search(points, seconds, exact_seconds, float(np.mean(shared)) / K)


def _exact(x: Tensor, rows: Tensor) -> NDArray[np.int64]:
    """The nearest others of some rows, a few rows at a time."""
    lengths, found = (x * x).sum(dim=1), list[Tensor]()
    for start in range(0, len(rows), 16):
        some = rows[start : start + 16]
        squared = torch.addmm(lengths, x[some], x.T, alpha=-2)
        squared[torch.arange(len(some)), some] = torch.inf
        found.append(squared.topk(K, dim=1, largest=False).indices)
    exact: NDArray[np.int64] = torch.cat(found).numpy()
    return exact


def page(images: int, memory: int, told: str, runs: dict[str, list[Run]], search: Search) -> list[str]:
    """The page: the ratio and the memory of each, and the search."""
    speed = {name: median(run.images_per_second for run in each) for name, each in runs.items()}
    ratio = speed["file"] / speed["memory"]
    reached = "reached" if ratio >= GOAL else "missed"
    groups = [run.group for run in runs["file"] if run.group is not None]
    highest = f" It had {max(groups) / _MIB:,.0f} MiB at most." if groups else ""
    return [
        "# A data set that is larger than memory",
        "",
        f"- **Goal**, at least {GOAL:g} of the speed in memory: {ratio:.2f}, so {reached}.",
        f"- **Limit**: {memory / _MIB:,.0f} MiB for the process that reads the file, {told}.{highest}",
        "",
        f"One epoch on {images:,} images of 28x28 ({images * IMAGE / _MIB:,.0f} MiB), the paper's network, each in a "
        f"process of its own; medians of {len(runs['file'])}. Own memory is without pages of files.",
        "",
        "| images | images per second | own memory, MiB | with pages of files, MiB |",
        "|---|---|---|---|",
        *(
            f"| {'in memory' if name == 'memory' else 'in their file'} | {speed[name]:,.0f} "
            f"| {max(run.own for run in each) / _MIB:,.0f} | {max(run.resident for run in each) / _MIB:,.0f} |"
            for name, each in runs.items()
        ),
        "",
        f"The nearest {K} of each of {search.points:,} latents of digits, in cells: {search.found:.1%} of them found "
        f"in {search.seconds:.0f} s. An exact search of all would take {search.exact_seconds:,.0f} s, going by "
        f"{min(LOOKED_UP, search.points):,} of them.",
    ]


if __name__ == "__main__":
    main()
