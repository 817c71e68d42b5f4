"""Bodies and answers of the tests: arrays to bytes and back."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np
from PIL import Image

HEIGHT, WIDTH = 12, 10
TINY = "/v1/models/tiny"
NPY, NPZ, ZIP, PNG = "application/x-npy", "application/x-npz", "application/zip", "image/png"


def pictures(n: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, height, width), np.uint8)


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def png(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


def zipped(images: Sequence[np.ndarray] | np.ndarray, labels: list[str] | None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i, image in enumerate(images):
            archive.writestr(f"{labels[i]}/{i}.png" if labels else f"{i}.png", png(image))
    return out.getvalue()


def base64_png(array: np.ndarray) -> str:
    return base64.b64encode(png(array)).decode()


def post(api: httpx.Client, path: str, body: bytes, form: str, accept: str = NPZ, **query: Any) -> httpx.Response:
    headers = {"Content-Type": form, "Accept": accept}
    return api.post(path, content=body, headers=headers, params=query)


def arrays(answer: httpx.Response) -> dict[str, np.ndarray]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == NPZ
    return dict(np.load(io.BytesIO(answer.content)))


def events(api: httpx.Client, job: str, after: str | None = None) -> list[dict[str, str]]:
    """A job's events until its stream ends."""
    found: list[dict[str, str]] = []
    headers = {} if after is None else {"Last-Event-ID": after}
    with api.stream("GET", f"/v1/jobs/{job}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        current: dict[str, str] = {}
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                current[name] = value
            elif not line and current:
                found.append(current)
                current = {}
    return found


def train(api: httpx.Client, key: str | None = None, **params: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/v1/jobs/train", json={"dataset": "digits", **params}, headers=headers)
