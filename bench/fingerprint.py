"""`python -m bench.fingerprint`: prints digests of what the service computes on the digits, for one fixed seed.

Two versions of the code that print the same lines compute the same bytes. To compare with another version, copy this
file into its `bench/`: it knows nothing about the code except the REST contract and where models are stored. Numbers
may differ between machines, so run both versions on the same one.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors.numpy import load as load_tensors
from sklearn.datasets import load_digits

NPY, NPZ, JSON = "application/x-npy", "application/x-npz", "application/json"
NAME = "fingerprint"
PLAIN = [
    f"method={method}&alpha=0.4&k=2&neighbours={where}&decode={decode}&seed=5"
    for method in ("noise", "interpolation", "extrapolation")
    for where in ("batch", "dataset")
    for decode in ("reconstruction", "residual")
]
EXACT = [
    f"method={method}&seed=5&{count}&reject_label=true&reject_copies=true&reject_off_manifold=true"
    for method in ("interpolation", "extrapolation")
    for count in ("per_image=7", "per_class=23", "balance=majority")
]
EVALUATIONS: dict[str, dict[str, Any]] = {
    "svm and knn": {"draws": 2, "classifiers": ["svm", "knn"], "decode": ["reconstruction", "residual"]},
    "mlp": {"draws": 1, "classifiers": ["mlp"], "methods": ["noise"], "spaces": ["latent"], "combine": False},
}
NOISE_IN_ROUNDS = ["method=noise&seed=5&per_image=7", "method=noise&seed=5&per_class=23&reject_label=true"]


def main() -> None:
    """Start a service, have it compute everything once, and print a digest of each answer."""
    argparse.ArgumentParser(prog="python -m bench.fingerprint", description=__doc__).parse_args()
    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[:200]
    batch = _npz(images=images, labels=digits.target[:200].astype(np.int64))
    with TemporaryDirectory(prefix="latentaug-fingerprint-") as home, _service(Path(home)) as url:
        _job(url, "train", {"dataset": "digits", "name": NAME, "beta": 0.25, "epochs": 6, "seed": 3})
        model = _json(url, "GET", f"/v1/models/{NAME}")
        folder = Path(home) / "store" / "models" / NAME / model["version"]
        weights = load_tensors((folder / "weights.safetensors").read_bytes())
        _tell("weights", *sorted(f"{tensor.shape}".encode() + tensor.tobytes() for tensor in weights.values()))
        _tell("latents", (folder / "latents.safetensors").read_bytes())
        kept = [{k: v for k, v in epoch.items() if "second" not in k} for epoch in model["curve"]]
        _tell("training curve", json.dumps(kept).encode())
        operations = f"/v1/models/{NAME}"
        encoded = _arrays(_call(url, "POST", f"{operations}/encode", batch, NPZ, NPZ))
        _tell("encode", _digest(encoded))
        _tell("decode", _call(url, "POST", f"{operations}/decode", _npy(encoded["latents"]), NPY, NPY))
        pair = _npz(images=images[:2])
        _tell("interpolate", _call(url, "POST", f"{operations}/interpolate?steps=5", pair, NPZ, NPY))
        for title, queries in (("augment", PLAIN), ("exact counts", EXACT), ("noise in rounds", NOISE_IN_ROUNDS)):
            answers = [_call(url, "POST", f"{operations}/augment?{query}", batch, NPZ, NPZ) for query in queries]
            _tell(title, *(_digest(_arrays(answer)) for answer in answers))
        whole = {"dataset": "digits", "model": NAME, "method": "extrapolation", "decode": "residual", "seed": 2}
        for title, more in (("augment job", {}), ("exact augment job", {"per_class": 150, "reject_label": True})):
            job = _job(url, "augment", {**whole, **more})
            _tell(title, _digest(_arrays(_call(url, "GET", f"/v1/jobs/{job}/result", accept=NPZ))))
        for title, asked in EVALUATIONS.items():
            job = _job(url, "evaluate", {"dataset": "digits", "model": NAME, "labelled": 60, **asked})
            cells = _json(url, "GET", f"/v1/jobs/{job}/result")["cells"]
            # A field that is null is an option that another version may not have; seconds differ from run to run.
            told = [{k: v for k, v in cell.items() if k != "seconds" and v is not None} for cell in cells]
            _tell(title, json.dumps(told).encode())


def _tell(title: str, *parts: bytes) -> None:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    print(f"{title:18} {digest.hexdigest()[:32]}", flush=True)


def _digest(arrays: Mapping[str, Any]) -> bytes:
    """One digest of arrays and their names, without the model's version, which is its job's random id."""
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - {"version"}):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return digest.digest()


def _npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _arrays(data: bytes) -> dict[str, Any]:
    with np.load(io.BytesIO(data), allow_pickle=False) as archive:
        return dict(archive)


@contextmanager
def _service(home: Path) -> Iterator[str]:
    """The whole service on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"LATENTAUG_HOME": str(home), "LATENTAUG_PORT": str(port), "LATENTAUG_LOG_LEVEL": "error"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")} | own
    stack = subprocess.Popen([sys.executable, "-m", "service.stack"], env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while not _ready(url):
            if time.monotonic() > deadline or stack.poll() is not None:
                raise SystemExit("the service did not become ready")
            time.sleep(0.2)
        yield url
    finally:
        stack.send_signal(signal.SIGTERM)
        stack.wait(60)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 (our own address)
            return bool(answer.status == 200)
    except OSError:
        return False


def _call(
    url: str, verb: str, path: str, body: bytes | None = None, content_type: str = JSON, accept: str = "*/*"
) -> bytes:
    headers = {"Content-Type": content_type, "Accept": accept}
    request = urllib.request.Request(url + path, data=body, method=verb, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{verb} {path} answered {error.code}: {error.read().decode()}") from error


def _json(url: str, verb: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(
        _call(url, verb, path, json.dumps(body).encode() if body else None, accept=JSON)
    )
    return answer


def _job(url: str, kind: str, params: dict[str, Any]) -> str:
    """Run a job to its end; return its id."""
    record = _json(url, "POST", f"/v1/jobs/{kind}", params)
    while record["status"] in ("queued", "running"):
        time.sleep(0.5)
        record = _json(url, "GET", f"/v1/jobs/{record['id']}")
    if record["status"] != "succeeded":
        raise SystemExit(f"the {kind} job {record['status']}: {record['error']}")
    return str(record["id"])


if __name__ == "__main__":
    main()
