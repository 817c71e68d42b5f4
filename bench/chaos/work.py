"""Jobs that take seconds, each with the result that a quiet service gives: the same must come whatever is killed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from bench.chaos.asks import LATENTS, NPZ, Answer, exchange
from latentaug.datasets import digits
from latentaug.imaging.archives import write_npz

BASE = "base"
"""The data set that jobs work at: digits, most of them without a label."""
PAPER, RESIDUAL = "paper", "residual"
"""The models of both architectures that requests are sent to and that jobs use."""
_IMAGES, _LABELLED = 240, 120
_OF_A_MODEL = ("weights_sha256", "latents_sha256", "best_epoch", "sigma")


@dataclass(frozen=True)
class Work:
    """What a job is asked to do.

    Attributes:
        name: in words.
        kind: the kind of job.
        params: its parameters; a training's name is added to them.
        accept: the media type in which its result is compared; "" where that is the model that it makes.
    """

    name: str
    kind: str
    params: Mapping[str, Any] = field(hash=False)
    accept: str = ""


def base_images() -> bytes:
    """The data set `BASE` as an npz."""
    data = digits.load()
    assert data.labels is not None
    rows = data.train[:_IMAGES]
    labels = np.where(np.arange(_IMAGES) < _LABELLED, data.labels[rows], -1)
    return write_npz({"images": data.images[rows], "labels": labels})


def training(architecture: str, epochs: int, dataset: str = BASE) -> dict[str, Any]:
    """Parameters of a training that goes on for so many epochs."""
    return {
        "dataset": dataset,
        "architecture": architecture,
        "latent_dim": LATENTS,
        "epochs": epochs,
        "patience": epochs,
        "seed": 7,
    }


WORK: Sequence[Work] = (
    Work("train, paper", "train", training(PAPER, 4)),
    Work("train, residual", "train", training(RESIDUAL, 2)),
    Work("train, longer", "train", training(PAPER, 60, "digits")),
    Work("augment", "augment", {"dataset": BASE, "model": PAPER, "method": "noise", "k": 2, "seed": 3}, NPZ),
    Work("augment, residual", "augment", {"dataset": BASE, "model": RESIDUAL, "per_class": 30, "k": 1}, NPZ),
    Work("label", "label", {"dataset": BASE, "model": PAPER, "seed": 5}, "text/csv"),
    Work(
        "evaluate",
        "evaluate",
        {
            "dataset": BASE,
            "model": PAPER,
            "labelled": 30,
            "draws": 2,
            "methods": ["noise", "interpolation"],
            "classifiers": ["knn"],
            "spaces": ["latent"],
            "comparators": [],
            "combine": False,
            "tune": False,
            "k": 1,
        },
        "text/csv",
    ),
)


def made_by(client: httpx.Client, work: Work, record: Mapping[str, Any]) -> Answer:
    """What a job that has succeeded has made, to be compared byte for byte."""
    if work.accept:
        return exchange(client, "GET", f"/v1/jobs/{record['id']}/result", headers={"Accept": work.accept})
    answer = exchange(client, "GET", f"/v1/models/{record['params']['name']}")
    if answer.status != 200:
        return answer
    described = json.loads(answer.body)
    return Answer(200, json.dumps([described[name] for name in _OF_A_MODEL]).encode())
