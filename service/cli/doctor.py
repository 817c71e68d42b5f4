"""`latentaug doctor`: finds what keeps the service from working on this machine, and says how to fix it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import uuid4

from latentaug_client import Client, Denied, Unreachable
from latentaug_client import LatentaugError as ClientError
from latentaug_client.calls import Things
from redis.exceptions import RedisError

from latentaug import datasets
from latentaug.errors import Damaged, LatentaugError, Newer, NotFound
from latentaug.imaging.phrases import counted
from latentaug.runtime import settings as configuration
from latentaug.runtime.jobs.connection import connect
from latentaug.runtime.settings import PREFIX, Settings
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from service.stack import address, health
from service.stack.valkey import EmbeddedRedis

State = Literal["ok", "warning", "error"]
FREE_BYTES = 2 * 2**30
"""Less free disk than this is worth a warning."""
_CONTENTS = "contents"
_THINGS: tuple[Things, ...] = ("models", "datasets")
_START = "`latentaug up` starts the whole service"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        what: the thing checked.
        state: ok; warning for something worth knowing; error for something that keeps the service from working.
        found: what was found.
        fix: what to do about it, or None.
    """

    what: str
    state: State
    found: str
    fix: str | None = None


def examine() -> list[Finding]:
    """Check this machine. The settings come first, because nothing else can be checked without them."""
    try:
        settings = configuration.load()
    except ValueError as error:
        return [Finding("settings", "error", str(error), "correct that environment variable (docs/configuration.md)")]
    checks: list[Callable[[Settings], Finding]] = [_device, _store, _contents, _disk, _redis, _model_server, _api]
    return [Finding("settings", "ok", f"home {settings.home.absolute()}"), *(check(settings) for check in checks)]


def examine_service(client: Client) -> list[Finding]:
    """Check a service that runs elsewhere, over HTTP."""
    questions: dict[str, Callable[[], str]] = {
        "service": lambda: _says_ready(client),
        "key": lambda: (
            f"accepted: {counted(len(client.models()), 'model')}, {counted(len(client.datasets()), 'data set')}"
        ),
        "jobs": lambda: f"{len(client.jobs(status='running'))} running, {len(client.jobs(status='queued'))} queued",
    }
    return [*(_asked(what, question) for what, question in questions.items()), _contents_of_service(client)]


def _asked(what: str, question: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", question())
    except Unreachable as error:
        return Finding(what, "error", str(error), "start the service, or correct --url")
    except Denied as error:
        return Finding(what, "error", error.detail, "give a valid key with --key or in LATENTAUG_KEY")
    except ClientError as error:
        return Finding(what, "error", str(error), "run `latentaug doctor` on the machine that runs the service")


def _says_ready(client: Client) -> str:
    client.check_ready()
    return "ready; Redis, store and model server answer"


def _device(settings: Settings) -> Finding:
    command = [sys.executable, "-m", "service.cli.device", settings.device]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    said = asked.stdout.strip()
    if asked.returncode == 0:
        cores = f"{configuration.available_cores()} cores, {settings.threads} threads for each busy process"
        return Finding("device", "ok", f"{said}; {cores}")
    if said:
        return Finding("device", "error", said, f"set {PREFIX}DEVICE to auto")
    return Finding("device", "error", f"torch does not load: {asked.stderr.strip()[-300:]}", "install torch again")


def _store(settings: Settings) -> Finding:
    url, path = settings.resolved_store_url, f"doctor/{uuid4().hex}"
    try:
        store = ArtefactStore(url)
        store.put(path, b"written")
        store.delete(path)
    except (LatentaugError, OSError, ValueError) as error:
        fix = f"correct its access rights, or set {PREFIX}STORE_URL"
        return Finding("store", "error", f"{url} cannot be written: {error}", fix)
    return Finding("store", "ok", f"{url} can be written")


def _disk(settings: Settings) -> Finding:
    there = next(path for path in [settings.home.absolute(), *settings.home.absolute().parents] if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / 2**30:.1f} GiB free in {there}"
    if free < FREE_BYTES:
        return Finding("disk", "warning", found, "free some space; data sets and checkpoints may need more")
    return Finding("disk", "ok", found)


def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return _embedded()
    try:
        connect(settings, socket_timeout=2.0).ping()
    except (RedisError, LatentaugError, OSError, ValueError) as error:
        fix = f"start the server, or correct {PREFIX}REDIS_URL"
        return Finding("redis", "error", f"the server does not answer ({type(error).__name__})", fix)
    return Finding("redis", "ok", f"the server at {PREFIX}REDIS_URL answers")


def _embedded() -> Finding:
    """Start an embedded server in a folder of its own, because the service's own may be running."""
    try:
        with tempfile.TemporaryDirectory() as folder, EmbeddedRedis(Path(folder)):
            return Finding("redis", "ok", f"the embedded server starts; {PREFIX}REDIS_URL is not set")
    except (LatentaugError, OSError) as error:
        fix = f"run a Redis or Valkey server of your own and set {PREFIX}REDIS_URL"
        return Finding("redis", "error", f"the embedded server does not start: {error}", fix)


def _model_server(settings: Settings) -> Finding:
    if health.alive("model-server", settings):
        return Finding("model server", "ok", f"answers at {', '.join(settings.model_server_urls)}")
    return Finding("model server", "warning", "is not running", _START)


def _api(settings: Settings) -> Finding:
    usual, noted = health.url(settings.host, settings.port), address.noted(settings.home)
    for url in (usual, *([noted.url] if noted else [])):
        if health.ready(url, computing=False):
            return Finding("API", "ok", f"answers at {url}")
    return Finding("API", "warning", f"does not answer at {usual}", _START)


def _contents(settings: Settings) -> Finding:
    """Look for models and data sets whose descriptions cannot be read."""
    damaged = []
    try:
        store = ArtefactStore(settings.resolved_store_url)
        looks: list[Callable[[], object]] = [partial(models.describe, store, name) for name in models.names(store)]
        looks += [partial(datasets.describe, name, store) for name in datasets.names(store)]
        for look in looks:
            try:
                look()
            except NotFound:  # deleted since it was listed
                continue
            except (Damaged, Newer) as error:
                damaged.append(error.detail)
    except (LatentaugError, OSError, ValueError) as error:
        return Finding(_CONTENTS, "error", f"they cannot be listed: {error}", "see what is said of the store")
    return _told_damage(damaged)


def _contents_of_service(client: Client) -> Finding:
    try:
        return _told_damage([one["detail"] for of in _THINGS for one in client.damaged(of)])
    except ClientError as error:
        return Finding(_CONTENTS, "error", str(error), "see what is said of the service and the key")


def _told_damage(damaged: Sequence[str]) -> Finding:
    if damaged:
        return Finding(_CONTENTS, "warning", "\n".join(damaged), "do what each line says")
    return Finding(_CONTENTS, "ok", "all descriptions of models and data sets can be read")
