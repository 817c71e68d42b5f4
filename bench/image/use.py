"""Has a service do one of everything, so that its processes have loaded whatever they load."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, get_args

import httpx

from bench.chaos import asks, work
from bench.chaos.asks import NPZ
from latentaug.options import Classifier, Comparator, Layout

SECONDS = 300.0
"""For one job, which may wait for others."""
_SMALL = {"dataset": work.BASE, "model": work.PAPER}
_EVALUATED = {
    **_SMALL, "labelled": 30, "pool_images": 30, "draws": 1, "k": 1, "methods": ["noise"], "spaces": ["image"],
    "combine": False, "tune": False,
}  # fmt: skip


def everything(client: httpx.Client) -> list[dict[str, Any]]:
    """Train both networks, send requests of every form, and have jobs of every kind done; return their records."""
    put = client.post(
        "/v1/datasets", params={"name": work.BASE}, content=work.base_images(), headers={"Content-Type": NPZ}
    )
    put.raise_for_status()
    trained = [_done(client, "train", work.training(name, 2) | {"name": name}) for name in (work.PAPER, work.RESIDUAL)]
    for model in (work.PAPER, work.RESIDUAL):
        asks.expected(client, asks.of_model(model))
    done = [_done(client, kind, params) for kind, params in _jobs()]
    augmented = next(record["id"] for record in done if record["kind"] == "augment")
    for layout in get_args(Layout):
        client.get(f"/v1/jobs/{augmented}/result", params={"layout": layout}).raise_for_status()
    return trained + done


def _jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Kinds and parameters of jobs that use a trained model."""
    yield "augment", {**_SMALL, "k": 1}
    yield "label", _SMALL
    yield "recommend", {**_SMALL, "budget_seconds": 10, "classifiers": ["knn"]}
    yield "evaluate", {**_EVALUATED, "classifiers": get_args(Classifier), "comparators": ["duplication"]}
    yield "evaluate", {**_EVALUATED, "classifiers": ["knn", "cnn"], "comparators": get_args(Comparator)}


def _done(client: httpx.Client, kind: str, params: dict[str, Any]) -> dict[str, Any]:
    """Submit a job and wait for its end.

    Raises:
        SystemExit: it does not succeed.
    """
    answer = client.post(f"/v1/jobs/{kind}", json=params)
    if answer.status_code != 202:
        raise SystemExit(f"a job of the kind {kind} was refused: {answer.text}")
    record = answer.json()
    deadline = time.monotonic() + SECONDS
    while record["status"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(0.2)
        record = client.get(f"/v1/jobs/{record['id']}").json()
    if record["status"] != "succeeded":
        raise SystemExit(f"a job did not succeed: {json.dumps(record)}")
    return dict(record)
