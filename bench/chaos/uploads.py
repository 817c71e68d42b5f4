"""Data sets that are uploaded and deleted all the time."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Sequence

import httpx
import numpy as np

from bench.chaos.asks import NPZ, Answer, exchange, some_digits
from bench.chaos.callers import BEING_DELETED, insist
from bench.chaos.ledger import Ledger
from latentaug.imaging.archives import write_npz

KEPT = 5
"""Data sets that stay, before the oldest is deleted."""
PAUSE = (0.1, 0.8)
"""Fewest and most seconds between two uploads."""
SIZES = (12, 60, 300)
"""Images in an upload."""


class Uploads:
    """Uploads data sets, looks whether they are there, and deletes them.

    Attributes:
        kept: names and checksums of the data sets that must be there.
        gone: names of those that must not.
        uploaded: how many were accepted.
    """

    def __init__(self, url: str, ledger: Ledger, seed: int) -> None:
        self.kept: dict[str, str] = {}
        self.gone: list[str] = []
        self.uploaded = 0
        self._client = httpx.Client(base_url=url)
        self._ledger = ledger
        self._rng = random.Random(seed)  # noqa: S311 (no secret depends on it)
        self._bodies = _bodies()
        self._sums: list[str] = []
        self._number = 0

    def learn(self) -> None:
        """Upload each body once to a quiet service, for the checksums that it gives.

        Raises:
            SystemExit: one is not taken.
        """
        for number, body in enumerate(self._bodies):
            answer = self._put(f"learn-{number}", body)
            if answer.status != 201:
                raise SystemExit(f"a quiet service did not take an upload: {answer.status} {answer.said}")
            self._sums.append(json.loads(answer.body)["sha256"])
            self.kept[f"learn-{number}"] = self._sums[-1]

    def until(self, over: threading.Event) -> None:
        """Upload and delete until told to stop."""
        while not over.wait(self._rng.uniform(*PAUSE)):
            self._number += 1
            self._upload(f"upload-{self._number}", self._rng.randrange(len(self._bodies)), over)
            while len(self.kept) > KEPT:
                self._delete(next(iter(self.kept)))

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _upload(self, name: str, which: int, over: threading.Event) -> None:
        answer = insist("upload", self._ledger, lambda: self._put(name, self._bodies[which]), over)
        if answer.status == 409:  # an earlier try was accepted and its answer was lost
            answer = Answer(201)
        if answer.status != 201:
            return
        self.uploaded += 1
        self.kept[name] = self._sums[which]
        told = insist("describe a data set", self._ledger, lambda: self._get(name))
        if told.status == 404:
            self._ledger.lose(f"the data set {name} was accepted and is unknown")
            del self.kept[name]
        elif told.status == 200 and json.loads(told.body)["sha256"] != self._sums[which]:
            self._ledger.accuse(f"the data set {name} has another checksum than on a quiet service")

    def _delete(self, name: str) -> None:
        del self.kept[name]
        answer = insist(
            "delete a data set",
            self._ledger,
            lambda: exchange(self._client, "DELETE", f"/v1/datasets/{name}"),
            later=BEING_DELETED,
        )
        if answer.status not in (204, 404):
            self._ledger.accuse(f"the data set {name} could not be deleted: {answer.status} {answer.said}")
            return
        self.gone.append(name)
        told = insist("describe a data set", self._ledger, lambda: self._get(name))
        if told.status == 200:
            self._ledger.accuse(f"the data set {name} is there after it was deleted")

    def _put(self, name: str, body: bytes) -> Answer:
        return exchange(self._client, "POST", f"/v1/datasets?name={name}", body, {"Content-Type": NPZ})

    def _get(self, name: str) -> Answer:
        return exchange(self._client, "GET", f"/v1/datasets/{name}")


def _bodies() -> Sequence[bytes]:
    """Uploads of several sizes: digits, each shifted in its grey levels, so that no two are the same picture."""
    images, labels = some_digits(24)
    bodies = []
    for size in SIZES:
        rows = np.arange(size) % len(images)
        noise = np.random.default_rng(size).integers(0, 256, (size, *images.shape[1:]), dtype=np.uint8)
        bodies.append(write_npz({"images": images[rows] // 2 + noise // 2, "labels": labels[rows]}))
    return bodies
