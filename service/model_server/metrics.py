"""What the model server counts: metrics for Prometheus, and the Open Inference Protocol's statistics of each model."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import torch
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from service.model_server.engine import Key
from service.model_server.loaded import LoadedModel

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


@dataclass
class Tally:
    """A number of events, and the nanoseconds that they took together."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float, count: int = 1) -> None:
        """Add events that took `seconds` together."""
        self.count += count
        self.ns += int(seconds * 1e9)


@dataclass
class Statistics:
    """Statistics of one version of `<model>.<operation>`, as the Open Inference Protocol's extension defines them."""

    last_inference: int = 0
    inference_count: int = 0
    execution_count: int = 0
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    batches: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))
    """Computations, by the number of requests in them."""

    def to_json(self, name: str, version: str) -> dict[str, Any]:
        """Return the statistics in the form in which they are answered."""
        kinds = ("success", "fail", "queue", "compute_infer")
        return {
            "name": name,
            "version": version,
            "last_inference": self.last_inference,
            "inference_count": self.inference_count,
            "execution_count": self.execution_count,
            "inference_stats": {kind: vars(self.tallies[kind]) for kind in kinds},
            "batch_stats": [
                {"batch_size": size, "compute_infer": vars(tally)} for size, tally in sorted(self.batches.items())
            ],
        }


class Metrics:
    """Everything that one server counts.

    Args:
        device: the device whose memory is shown.
    """

    def __init__(self, device: torch.device) -> None:
        self.registry = registry = CollectorRegistry()
        labels = ("model", "op")
        self.requests = Counter(
            "inference_requests", "Requests that were answered, by status.", (*labels, "code"), registry=registry
        )
        self.samples = Counter("inference_samples", "Images and latents that were computed.", labels, registry=registry)
        self.batches = Counter("inference_batches", "Batches that were computed.", labels, registry=registry)
        self.batch_size = Histogram(
            "batch_size_samples", "Images and latents in a batch.", labels, registry=registry, buckets=SAMPLES
        )
        self.queue = Histogram("queue_seconds", "Seconds a request waited.", labels, registry=registry, buckets=SECONDS)
        self.compute = Histogram("compute_seconds", "Seconds a batch took.", labels, registry=registry, buckets=SECONDS)
        self.queued = Gauge("queue_samples", "Images and latents that wait.", registry=registry)
        self.in_flight = Gauge("inflight_requests", "Requests accepted and not yet answered.", registry=registry)
        memory = Gauge("gpu_memory_bytes", "Bytes of the GPU's memory that this process holds.", registry=registry)
        if device.type == "cuda":
            memory.set_function(lambda: float(torch.cuda.memory_reserved(device)))
        self.statistics: dict[tuple[str, str], Statistics] = defaultdict(Statistics)
        """By name `<model>.<operation>` and version."""
        self._by_model = (self.requests, self.samples, self.batches, self.batch_size, self.queue, self.compute)
        self._unloaded = WeakSet[LoadedModel]()

    def batch(self, key: Key, sizes: Sequence[int], waited: Sequence[float], seconds: float) -> None:
        """Count a batch of one operation; called in the engine's thread.

        Args:
            key: what was computed.
            sizes: images and latents of each request in it.
            waited: seconds that each request waited.
            seconds: what the computation took.
        """
        description = key.model.description
        if key.operation == "warm-up" or key.model in self._unloaded:
            return
        self.samples.labels(description.name, key.operation).inc(sum(sizes))
        self.batches.labels(description.name, key.operation).inc()
        self.batch_size.labels(description.name, key.operation).observe(sum(sizes))
        self.compute.labels(description.name, key.operation).observe(seconds)
        queue = self.queue.labels(description.name, key.operation)
        for wait in waited:
            queue.observe(wait)
        statistics = self.statistics[f"{description.name}.{key.operation}", description.version]
        statistics.inference_count += len(sizes)
        statistics.execution_count += 1
        statistics.tallies["queue"].add(sum(waited), len(sizes))
        statistics.tallies["compute_infer"].add(seconds)
        statistics.batches[len(sizes)].add(seconds)

    def answered(self, model: LoadedModel, operation: str, status: int, seconds: float) -> None:
        """Count the answer to a request. The model must exist, so that callers cannot make up labels."""
        if model in self._unloaded:
            return
        description = model.description
        self.requests.labels(description.name, operation, str(status)).inc()
        statistics = self.statistics[f"{description.name}.{operation}", description.version]
        statistics.last_inference = int(time.time() * 1000)
        statistics.tallies["success" if status == 200 else "fail"].add(seconds)

    def forget(self, name: str, model: LoadedModel | None) -> None:
        """Drop all that was counted under a name. What is still in flight for the model is not counted any more.

        Args:
            name: the name of the model that is being unloaded.
            model: the model in memory under that name, if there is one.
        """
        if model is not None:
            self._unloaded.add(model)
        for metric in self._by_model:
            metric.remove_by_labels({"model": name})
        for key in [key for key in list(self.statistics) if key[0].rpartition(".")[0] == name]:
            del self.statistics[key]
