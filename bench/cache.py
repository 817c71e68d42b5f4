"""Fifty models of mixed shape on a model server that may hold ten: are answers right, memory bounded, hits many?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import aiohttp
import numpy as np
import torch

from bench import memory, plain, workload
from bench.plain import PlainModel
from examples.running import running_service
from latentaug.storage.objects import ArtefactStore
from latentaug.vae.architectures import VAE, Architecture
from latentaug.vae.networks import to_bytes

MODELS = 50
CAPACITY = 10
CLIENTS = 4
ROWS = 8
"""Latents decoded in one request."""
SKEW = 1.0
"""Requests for the i-th most wanted model are in proportion to i^-SKEW (Zipf's law)."""
BYTES_PER_MODEL = 2
"""How many times the bytes of its weights the memory bound allows for each model that is held."""
SLACK = 48 * 2**20
"""Bytes that the memory bound allows besides the models."""
SIDES = ((28, 28), (56, 56), (64, 48), (48, 64), (60, 52))
"""Height and width of the models, each in grey and in colour. Most take about 13 MB, so that holding all would show."""


@dataclass(frozen=True)
class CacheResult:
    """What was measured.

    Attributes:
        models: models in the store.
        capacity: models that the model server may hold.
        requests: requests that were sent.
        wrong: answers that differed from the plain network's by more than one grey level.
        hit_rate: fraction of the requests whose model the server said it held, just before they were sent.
        expected_hit_rate: the same for a least-recently-used cache of that capacity that gets the requests one by one.
        before: bytes that the model server had in memory before its first model.
        peak: the most bytes that were seen.
        bound: the most bytes that it may have.
        all_models: bytes of the weights of all models, the least that holding them all would take.
    """

    models: int
    capacity: int
    requests: int
    wrong: int
    hit_rate: float
    expected_hit_rate: float
    before: int
    peak: int
    bound: int
    all_models: int


def measure(
    home: Path, requests: int, *, models: int = MODELS, capacity: int = CAPACITY, device: str = "cpu"
) -> CacheResult:
    """Start a service in `home`, fill its store, and measure it; its models compute on `device`."""
    store = ArtefactStore((home.absolute() / "store").as_uri())
    sizes = [_save(store, i) for i in range(models)]
    order = _order(requests, models)
    bound = (capacity + CLIENTS) * max(sizes) * BYTES_PER_MODEL + SLACK
    with running_service(home, threads="1", model_cache_size=str(capacity), device=device) as service:
        before = memory.resident()["model server"]
        socket = str(home.absolute() / "model-server.sock")
        wrong, hits, peak = asyncio.run(_ask(service.url, socket, store, order))
    return CacheResult(
        models=models,
        capacity=capacity,
        requests=requests,
        wrong=wrong,
        hit_rate=hits / requests,
        expected_hit_rate=lru_hits(order, capacity) / requests,
        before=before,
        peak=peak,
        bound=before + bound,
        all_models=sum(sizes),
    )


def table(result: CacheResult) -> list[str]:
    """Return the result as Markdown."""
    sizes = (result.before, result.peak, result.bound, result.all_models)
    return [
        "| models | held at most | requests | wrong answers | hit rate | of an LRU cache | memory before | peak "
        "| bound | weights of all | within the bound |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        f"| {result.models} | {result.capacity} | {result.requests} | {result.wrong} | {result.hit_rate:.1%} "
        f"| {result.expected_hit_rate:.1%} | "
        + " | ".join(f"{size / 2**20:.0f} MiB" for size in sizes)
        + f" | {'yes' if result.peak <= result.bound else 'no'} |",
    ]


def lru_hits(order: Sequence[int], capacity: int) -> int:
    """Count the hits of a least-recently-used cache that gets the requests one by one."""
    held, hits = list[int](), 0
    for wanted in order:
        if wanted in held:
            held.remove(wanted)
            hits += 1
        held.append(wanted)
        del held[:-capacity]
    return hits


def same_images(found: plain.Images, expected: plain.Images) -> bool:
    """Return whether no pixel is off by more than one grey level, the most that rounding can change."""
    return found.shape == expected.shape and bool((np.abs(found.astype(int) - expected) <= 1).all())


def _save(store: ArtefactStore, number: int) -> int:
    """Keep a model of random weights, of one of ten shapes; return its weights' bytes."""
    shapes = list(product(SIDES, (1, 3)))
    (height, width), channels = shapes[number % len(shapes)]
    architecture = Architecture(height, width, channels, latent_dim=5 + number % 7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(number)
        vae = VAE(architecture)
    images = np.random.default_rng(number).integers(0, 256, (32, height, width, channels), np.uint8)
    workload.save(store, _name(number), vae.eval(), images)
    return len(to_bytes(vae))


def _name(number: int) -> str:
    return f"model-{number}"


def _order(requests: int, models: int) -> list[int]:
    """Which model each request is for."""
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, models + 1) ** SKEW
    wanted: list[int] = rng.permutation(models)[rng.choice(models, requests, p=weights / weights.sum())].tolist()
    return wanted


async def _ask(url: str, socket: str, store: ArtefactStore, order: Sequence[int]) -> tuple[int, int, int]:
    """Send all requests from a few clients; return wrong answers, hits and the most memory seen."""
    expected = {number: _expected(workload.plain_model(store, _name(number)), number) for number in set(order)}
    pending = iter(order)
    wrong = hits = peak = 0
    connector = aiohttp.UnixConnector(socket)
    async with aiohttp.ClientSession() as api, aiohttp.ClientSession(connector=connector) as model_server:

        async def client() -> None:
            nonlocal wrong, hits, peak
            for number in pending:
                latents, images = expected[number]
                async with model_server.get(f"http://model-server/v2/models/{_name(number)}.decode/ready") as ready:
                    hits += ready.status == 200
                path = f"{url}/v1/models/{_name(number)}/decode"
                headers = {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}
                async with api.post(path, data=workload.to_npy(latents), headers=headers) as answer:
                    body = await answer.read()
                    wrong += answer.status != 200 or not same_images(workload.from_npy(body), images)
                peak = max(peak, memory.resident()["model server"])

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return wrong, hits, peak


def _expected(model: PlainModel, number: int) -> tuple[plain.Floats, plain.Images]:
    """A model's own latents, and what the plain network makes of them."""
    rng = np.random.default_rng(1000 + number)
    latents = 3 * rng.standard_normal((ROWS, model.reference.shape[1]), np.float32)
    return latents, plain.decode(model, latents)
