"""Requests of every form, each with the answer that a quiet service gives: the same bytes must come for ever after."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx
import numpy as np
from numpy.typing import NDArray

from bench.chaos.ledger import BROKEN
from latentaug.datasets import digits
from latentaug.imaging.archives import write_npy, write_npz, write_zip
from latentaug.imaging.pixels import encode_png

NPY, NPZ, ZIP = "application/x-npy", "application/x-npz", "application/zip"
JSON, PNG = "application/json", "image/png"
LATENTS = 4
"""Dimensions of the models' latent space."""
SECONDS = 40.0
"""Longest wait for an answer; the service's own deadline is 30 s."""


@dataclass(frozen=True)
class Ask:
    """One request.

    Attributes:
        name: the kind of request, in words.
        path: path and query.
        body: what is sent.
        form: its media type.
        accept: the media type of the answer.
    """

    name: str
    path: str
    body: bytes
    form: str
    accept: str


@dataclass(frozen=True)
class Answer:
    """An answer's status, `BROKEN` where there was no whole one, and its body."""

    status: int
    body: bytes = b""

    @property
    def said(self) -> str:
        """The beginning of the body, to be read by people."""
        return self.body[:300].decode(errors="replace")


def send(client: httpx.Client, ask: Ask) -> Answer:
    """Send a request once."""
    headers = {"Content-Type": ask.form, "Accept": ask.accept}
    return exchange(client, "POST", ask.path, ask.body, headers)


def exchange(
    client: httpx.Client, verb: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send any request once, and read its whole answer."""
    try:
        answer = client.request(verb, path, content=body, headers=headers, timeout=SECONDS)
    except httpx.TransportError:
        return Answer(BROKEN)
    return Answer(answer.status_code, answer.content)


def expected(client: httpx.Client, asks: Sequence[Ask]) -> dict[Ask, bytes]:
    """What a quiet service answers.

    Raises:
        SystemExit: it refuses one, or does not give the same bytes twice.
    """
    found: dict[Ask, bytes] = {}
    for ask in asks:
        first, second = send(client, ask), send(client, ask)
        if first.status != 200 or first != second:
            raise SystemExit(f"{ask.name}: a quiet service answered {first.status}, then {second.status}: {first.said}")
        found[ask] = first.body
    return found


def of_model(model: str) -> list[Ask]:
    """Requests to one model: every operation, in the forms that there are."""
    images, labels = some_digits(24)
    plain, one = write_npy(images), images[:1]
    labelled = write_npz({"images": images, "labels": labels})
    partly = write_npz({"images": images, "labels": np.where(np.arange(len(labels)) % 2, -1, labels)})
    zipped = write_zip(images, [str(label) for label in labels], [{} for _ in labels])
    texts = [b64encode(encode_png(image)).decode() for image in images[:8]]
    as_json = json.dumps({"images": texts, "k": 2, "seed": 3, "neighbours": "dataset"}).encode()
    form, boundary = _form(images[:2])
    latents = np.random.default_rng(0).standard_normal((16, LATENTS), dtype=np.float32)

    def ask(operation: str, body: bytes, form: str, accept: str, **options: object) -> Ask:
        query = f"?{urlencode(options)}" if options else ""
        short = {NPY: "npy", NPZ: "npz", ZIP: "zip", JSON: "JSON", PNG: "PNG"}
        name = f"{operation}, {short.get(form, 'form')} to {short[accept]}"
        return Ask(name, f"/v1/models/{model}/{operation}{query}", body, form, accept)

    return [
        ask("encode", plain, NPY, NPY),
        ask("encode", labelled, NPZ, NPZ),
        ask("encode", zipped, ZIP, JSON),
        ask("decode", write_npy(latents), NPY, NPY),
        ask("augment", plain, NPY, NPY, method="noise", copies=3, seed=1),
        ask("augment", labelled, NPZ, NPZ, method="extrapolation", k=1, per_class=9, reject_copies="true", seed=2),
        ask("augment", plain, NPY, PNG, method="interpolation", k=4, decode="residual"),
        ask("augment", zipped, ZIP, ZIP, method="interpolation", k=1, decode="warp"),
        ask("augment", as_json, JSON, JSON),
        ask("augment", encode_png(one[0]), PNG, PNG, neighbours="dataset", k=3),
        ask("interpolate", form, boundary, PNG, steps=6),
        ask("label", partly, NPZ, NPZ, seed=4),
    ]


def some_digits(n: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Digits of the test part: n images uint8 [n, 8, 8, 1] of three classes, and their labels, int64 [n]."""
    data = digits.load()
    assert data.labels is not None
    rows = np.concatenate([data.test[data.labels[data.test] == digit][: n // 3] for digit in (0, 1, 2)])
    return data.images[rows], data.labels[rows]


def _form(images: NDArray[np.uint8]) -> tuple[bytes, str]:
    """A form of image files, and its media type with the boundary."""
    files = [("images", (f"{i}.png", encode_png(image), PNG)) for i, image in enumerate(images)]
    made = httpx.Request("POST", "http://any", files=files)
    return made.read(), made.headers["Content-Type"]
