"""However much callers send and ask for at the same time, the API stays within the memory of docs/operations.md."""

from __future__ import annotations

import json
import os
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import numpy as np
import pytest

from bench import memory
from latentaug.imaging.archives import write_npy, write_npz, write_zip
from latentaug.imaging.pixels import encode_png
from latentaug.runtime.settings import Settings
from tests.api import services
from tests.api.bodies import NPY, NPZ, PNG, ZIP

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not memory.AVAILABLE, reason="reads /proc, which only Linux has"),
]

JSON = "application/json"
SIDE = 256
MODEL = "/v1/models/photos"
AT_ONCE = 4
SECONDS = "10"
"""For an answer: long enough to have all of it in memory, and too short to compute the largest."""
DEFAULTS = Settings()
BOUND = 2**28 + max(DEFAULTS.max_held_bytes, 12 * DEFAULTS.max_body_bytes)
"""Of the API, as the docs say."""
MODEL_SERVER_BOUND = 1.25 * 2**30
"""What the docs have an operator allow it."""


@pytest.fixture(scope="module")
def others() -> list[int]:
    """Processes of services that other tests have started and still use."""
    return memory.descendants(os.getpid())


@pytest.fixture(scope="module")
def url(others: list[int]) -> Iterator[str]:
    with services.home() as home:
        services.save_model(home.store, "photos", SIDE, SIDE, 3, architecture="residual")
        with services.model_server(home), services.api(home) as client:
            services.wait_until(lambda: client.get("/readyz").status_code == 200)
            yield str(client.base_url).rstrip("/")


def flat_images() -> list[bytes]:
    """As many as a request may hold once they are decoded, in next to no bytes."""
    made = [encode_png(np.full((SIDE, SIDE, 3), level, np.uint8)) for level in range(256)]
    return [made[i % 256] for i in range(1300)]


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, SIDE, SIDE, 3), np.uint8)


def as_json() -> tuple[bytes, str]:
    return json.dumps({"images": [b64encode(image).decode() for image in flat_images()]}).encode(), JSON


def as_form() -> tuple[bytes, str]:
    files = [("images", (f"{i}.png", image, PNG)) for i, image in enumerate(flat_images())]
    made = httpx.Request("POST", "http://any", files=files)
    return made.read(), made.headers["Content-Type"]


def as_zip() -> tuple[bytes, str]:
    levels = (np.full((SIDE, SIDE, 3), i % 256, np.uint8) for i in range(1300))
    return write_zip(levels, None, ({"n": i} for i in range(1300))), ZIP


AUGMENT = f"{MODEL}/augment?method=noise&copies=4"
WORST: dict[str, tuple[str, Callable[[], tuple[bytes, str]], str]] = {
    "zip": (f"{MODEL}/encode", as_zip, JSON),
    "form": (f"{MODEL}/encode", as_form, JSON),
    "JSON": (f"{MODEL}/encode", as_json, JSON),
    "resized npy": (f"{MODEL}/encode?resize=true", lambda: (write_npy(noise(320)[:, :250]), NPY), JSON),
    "npz to npz": (AUGMENT, lambda: (write_npz({"images": noise(300)}), NPZ), NPZ),
    "npz to npy": (AUGMENT, lambda: (write_npz({"images": noise(300)}), NPZ), NPY),
    "npz to zip": (AUGMENT, lambda: (write_npz({"images": noise(300)}), NPZ), ZIP),
    "smaller npz to zip": (AUGMENT, lambda: (write_npz({"images": noise(100)}), NPZ), ZIP),
}


@pytest.mark.parametrize("worst", WORST)
def test_the_most_expensive_requests_together_stay_within_it(url: str, others: list[int], worst: str) -> None:
    path, make, accept = WORST[worst]
    body, form = make()
    headers = {"Content-Type": form, "Accept": accept, "X-Request-Timeout": SECONDS}

    def ask(_: int) -> int:
        return httpx.post(url + path, content=body, headers=headers, timeout=60).status_code

    with memory.peaks(others) as found, ThreadPoolExecutor(AT_ONCE) as pool:
        statuses = set(pool.map(ask, range(2 * AT_ONCE)))
    print(worst, {part: f"{peak / 2**30:.2f} GiB" for part, peak in found.items()}, statuses)

    assert statuses <= {200, 429, 504}
    assert statuses != {429}, "one is always served"
    assert found["API"] < BOUND
    assert found["model server"] < MODEL_SERVER_BOUND


def asked(path: str, headers: list[str], body: bytes = b"") -> bytes:
    """A request as bytes."""
    method = "POST" if body else "GET"
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def new_photos(_: str) -> bytes:
    path, make, accept = WORST["npz to npz"]
    body, form = make()
    return asked(path, [f"Content-Type: {form}", f"Accept: {accept}"], body)


def photos_of_a_dataset(url: str) -> bytes:
    upload = write_npz({"images": noise(270)})
    httpx.post(f"{url}/v1/datasets?name=shown", content=upload, headers={"Content-Type": NPZ}).raise_for_status()
    return asked("/v1/datasets/shown/images?count=256&part=train", [f"Accept: {NPZ}"])


@pytest.mark.parametrize("request_for", [new_photos, photos_of_a_dataset])
def test_answers_that_nobody_takes_are_counted_until_they_are_taken(
    url: str, others: list[int], request_for: Callable[[str], bytes]
) -> None:
    request, told = request_for(url), list[bytes]()
    address = url.removeprefix("http://").split(":")

    def ask(callers: ExitStack) -> None:
        caller = callers.enter_context(socket.create_connection((address[0], int(address[1]))))
        try:
            caller.sendall(request)
            told.append(caller.makefile("rb").readline())
        except ConnectionError:  # it was refused before all of it was sent
            told.append(b"refused")

    with memory.peaks(others) as found, ExitStack() as callers:
        for _ in range(3 * AT_ONCE):
            ask(callers)
    print(request_for.__name__, f"{found['API'] / 2**30:.2f} GiB", [line[9:12] for line in told])

    assert found["API"] < BOUND
    assert b" 200 " in told[0]
    assert any(b" 429 " in line or line == b"refused" for line in told)


def test_bodies_that_come_slowly_are_counted_as_they_come(url: str, others: list[int]) -> None:
    size, sent = DEFAULTS.max_body_bytes, bytes(DEFAULTS.max_body_bytes - 2**20)
    address = url.removeprefix("http://").split(":")
    head = (
        f"POST {MODEL}/encode HTTP/1.1\r\nHost: localhost\r\nContent-Type: {NPY}\r\nContent-Length: {size}\r\n"
        f"X-Request-Timeout: {SECONDS}\r\n\r\n"
    ).encode()
    told = list[bytes]()

    def send() -> None:
        with socket.create_connection((address[0], int(address[1]))) as connection:
            try:
                connection.sendall(head + sent)
                told.append(connection.makefile("rb").readline())
            except ConnectionError:  # it was refused before all of it was sent
                told.append(b"refused")

    with memory.peaks(others) as found:
        senders = [threading.Thread(target=send) for _ in range(20)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

    print("bodies that come slowly", f"{found['API'] / 2**30:.2f} GiB")

    assert found["API"] < BOUND
    assert any(b" 429 " in line or line == b"refused" for line in told)
    assert any(b" 408 " in line or b" 504 " in line for line in told), "those for which there was room were waited for"
