"""`latentaug doctor`: what this machine and its settings lack, and how to mend it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

import torch
from redis.exceptions import RedisError

from latentaug import settings as configuration
from latentaug.artefacts import ArtefactStore
from latentaug.errors import LatentaugError
from latentaug.jobs.connection import connect
from latentaug.settings import PREFIX, Settings
from service import healthcheck
from service.embedded_redis import EmbeddedRedis

State = Literal["well", "note", "ill"]
FREE_BYTES = 2 * 2**30
"""Less free disk than this is worth a note."""


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        what: it is.
        state: well; note where it is worth knowing; ill where it keeps the service from working.
        words: what was found and, unless all is well, what to do.
    """

    what: str
    state: State
    words: str


def examine() -> list[Finding]:
    """Look at everything, the settings first: without them there is nothing else to look at."""
    try:
        settings = configuration.load()
    except ValueError as error:
        return [Finding("settings", "ill", f"{error}; mend the environment (docs/configuration.md)")]
    checks: list[Callable[[Settings], Finding]] = [_device, _store, _disk, _redis, _model_server, _api]
    return [Finding("settings", "well", f"home {settings.home.absolute()}"), *(check(settings) for check in checks)]


def _device(settings: Settings) -> Finding:
    found = torch.cuda.device_count()
    if settings.device.startswith("cuda") and not found:
        return Finding("device", "ill", f"{PREFIX}DEVICE is {settings.device}, but torch sees no GPU; set it to auto")
    if settings.device != "cpu" and found:
        return Finding("device", "well", torch.cuda.get_device_name())
    return Finding("device", "well", f"the CPU, {configuration.available_cores()} cores, {settings.threads} threads")


def _store(settings: Settings) -> Finding:
    url, path = settings.resolved_store_url, f"doctor/{uuid4().hex}"
    try:
        store = ArtefactStore(url)
        store.put(path, b"written")
        store.delete(path)
    except (LatentaugError, OSError, ValueError) as error:
        return Finding("store", "ill", f"{url} cannot be written: {error}; mend its rights, or set {PREFIX}STORE_URL")
    return Finding("store", "well", f"{url} can be written")


def _disk(settings: Settings) -> Finding:
    there = next(path for path in [settings.home.absolute(), *settings.home.absolute().parents] if path.exists())
    free = shutil.disk_usage(there).free
    words = f"{free / 2**30:.1f} GiB free in {there}"
    if free < FREE_BYTES:
        return Finding("disk", "note", f"{words}; data sets and checkpoints may need more")
    return Finding("disk", "well", words)


def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return _embedded()
    try:
        connect(settings, socket_timeout=2.0).ping()
    except (RedisError, LatentaugError, OSError, ValueError) as error:
        return Finding("redis", "ill", f"no answer ({type(error).__name__}); start it, or mend {PREFIX}REDIS_URL")
    return Finding("redis", "well", "the server at the URL answers")


def _embedded() -> Finding:
    """Start one in a folder of its own, for that of the service may be running."""
    try:
        with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)):
            return Finding("redis", "well", f"embedded; {PREFIX}REDIS_URL would name another")
    except (LatentaugError, OSError) as error:
        return Finding("redis", "ill", f"the embedded server does not start: {error}; set {PREFIX}REDIS_URL")


def _model_server(settings: Settings) -> Finding:
    if healthcheck.alive("model-server", settings):
        return Finding("model server", "well", f"answers at {settings.resolved_model_server_url}")
    return Finding("model server", "note", "does not run; `latentaug up` starts it with all the rest")


def _api(settings: Settings) -> Finding:
    address = f"http://{settings.host}:{settings.port}"
    if healthcheck.alive("api", settings):
        return Finding("API", "well", f"answers at {address}")
    return Finding("API", "note", f"does not answer at {address}; `latentaug up` starts it with all the rest")
