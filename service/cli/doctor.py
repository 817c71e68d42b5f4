"""`latentaug doctor`: what this machine and its settings lack, and how to mend it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from latentaug_client import Client
from latentaug_client import LatentaugError as ClientError
from redis.exceptions import RedisError

from latentaug.errors import LatentaugError
from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs.connection import connect
from latentaug.runtime.settings import PREFIX, Settings
from latentaug.storage.objects import ArtefactStore
from service.stack import health as healthcheck
from service.stack.valkey import EmbeddedRedis

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


def examine_service(client: Client) -> list[Finding]:
    """Ask a service that runs elsewhere."""
    questions: dict[str, Callable[[], str]] = {
        "service": lambda: _says_ready(client),
        "key": lambda: f"taken: {len(client.models())} models, {len(client.datasets())} data sets",
        "jobs": lambda: f"{len(client.jobs(status='running'))} running, {len(client.jobs(status='queued'))} queued",
    }
    return [_asked(what, question) for what, question in questions.items()]


def _asked(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "well", question())
    except ClientError as error:
        return Finding(what, "ill", str(error))


def _says_ready(client: Client) -> str:
    client.check_ready()
    return "Redis, store and model server answer"


def _device(settings: Settings) -> Finding:
    command = [sys.executable, "-m", "service.cli.device", settings.device]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if asked.returncode != 0:
        words = asked.stdout.strip() or f"torch does not load; install it again: {asked.stderr.strip()[-300:]}"
        return Finding("device", "ill", words)
    cores = f"{configuration.available_cores()} cores, {settings.threads} threads"
    return Finding("device", "well", f"{asked.stdout.strip()}; {cores}")


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
