"""Images per second of every contender in a closed loop, all on the same work with one compute thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import clients, contenders, kernels, runtimes, workload
from bench.contenders import Contender, InProcess, OverHttp
from bench.workload import Request, Shape

NAMES = (
    "eager PyTorch",
    "OpenVINO",
    "ONNX Runtime",
    "our engine",
    "our engine, bfloat16",
    kernels.NAME,
    "ours, npy",
    "ours, PNG in JSON",
    "ours, multipart",
    "LitServe",
    "ours, npy, asked by aiohttp",
    "LitServe, asked by aiohttp",
)
RUNTIMES = ("OpenVINO", "ONNX Runtime")
"""Those that compute on a processor alone."""

RATIOS = (
    ("our engine", "eager PyTorch"),
    ("our engine, bfloat16", "eager PyTorch"),
    ("our engine", "OpenVINO"),
    ("our engine", "ONNX Runtime"),
    (kernels.NAME, "eager PyTorch"),
    ("ours, npy", "our engine"),
    ("ours, npy", "LitServe"),
    ("ours, npy, asked by aiohttp", "LitServe, asked by aiohttp"),
)


@dataclass(frozen=True)
class Throughput:
    """What was measured for one shape: images per second in each round, by contender."""

    shape: Shape
    rounds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Median over the rounds."""
        return median(self.rounds[name])

    def ratio(self, over: str, under: str) -> float:
        """Median over the rounds of how many times one contender does what another does."""
        return median(a / b for a, b in zip(self.rounds[over], self.rounds[under], strict=True))


def measure(
    shape: Shape,
    store_url: str,
    url: str,
    home: Path,
    *,
    rounds: int,
    seconds: float,
    names: Sequence[str] = NAMES,
    device: str = "cpu",
) -> Throughput:
    """Measure the contenders in turn, round after round, so that what slows the machine slows them all.

    Args:
        shape: the shape of the work.
        store_url: where the model is.
        url: our service's URL.
        home: folder for logs.
        rounds: rounds that count; one more comes first and is dropped.
        seconds: how long each contender takes in each round.
        names: who takes part.
        device: where those that are not asked over HTTP compute: cpu or cuda.
    """
    with _contenders(shape, store_url, url, home, names, device) as taking_part:
        contenders.check(taking_part)
        found: dict[str, list[float]] = {name: [] for name in taking_part}
        for number in range(rounds + 1):
            for name, contender in taking_part.items():
                rate = contender.rate(seconds) * shape.images
                if number:
                    found[name].append(rate)
            print(f"  {shape.name}: round {number} of {rounds}", flush=True)
    return Throughput(shape, found)


def table(results: Sequence[Throughput]) -> list[str]:
    """Return the medians, and the medians of the ratios that matter, as Markdown."""
    names = list(results[0].rounds)
    lines = ["| images/s | " + " | ".join(result.shape.name for result in results) + " |"]
    lines.append("|---|" + "---|" * len(results))
    lines += [f"| {name} | " + " | ".join(f"{result.median(name):,.0f}" for result in results) + " |" for name in names]
    for over, under in RATIOS:
        if over in names and under in names:
            ratios = [result.ratio(over, under) for result in results]
            lines.append(f"| **{over} / {under}** | " + " | ".join(f"**{ratio:.2f}**" for ratio in ratios) + " |")
    return lines


@contextmanager
def _contenders(
    shape: Shape, store_url: str, url: str, home: Path, names: Sequence[str], device: str
) -> Iterator[dict[str, Contender]]:
    images = workload.request_images(shape.images)
    together = shape.clients if shape.images == 1 else 1
    with ExitStack() as stack:

        def in_process(make: Callable[..., contenders.Augment], *arguments: Any) -> InProcess:
            return stack.enter_context(closing(InProcess(make, [store_url, device, *arguments], images, together)))

        def over_http(request: Request, loop: contenders.Loop = clients.closed_loop) -> OverHttp:
            return OverHttp(url, request, shape.clients, loop)

        def litserve(loop: contenders.Loop) -> Contender:
            return stack.enter_context(contenders.litserve(store_url, device, images, shape, home, loop))

        made: dict[str, Callable[[], Contender]] = {
            "eager PyTorch": lambda: in_process(contenders.eager),
            "OpenVINO": lambda: in_process(contenders.runtime, runtimes.by_openvino),
            "ONNX Runtime": lambda: in_process(contenders.runtime, runtimes.by_onnx_runtime),
            "our engine": lambda: in_process(contenders.engine, shape.options),
            "our engine, bfloat16": lambda: in_process(contenders.engine, shape.options, "bfloat16"),
            kernels.NAME: lambda: in_process(contenders.kernels_alone),
            "ours, npy": lambda: over_http(workload.npy_request(images, shape)),
            "ours, PNG in JSON": lambda: over_http(workload.json_request(images, shape)),
            "ours, multipart": lambda: over_http(workload.multipart_request(images, shape)),
            "LitServe": lambda: litserve(clients.closed_loop),
            "ours, npy, asked by aiohttp": lambda: over_http(workload.npy_request(images, shape), clients.outside_loop),
            "LitServe, asked by aiohttp": lambda: litserve(clients.outside_loop),
        }
        yield {name: made[name]() for name in names if device == "cpu" or name not in RUNTIMES}
