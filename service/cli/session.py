"""Which service a command talks to: the one named, the one that runs on this machine, or one of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from latentaug_client import Client
from rich.console import Console

from latentaug.errors import Conflict
from latentaug.runtime import settings as configuration
from latentaug.runtime.settings import Settings
from service.cli.errors import FULL
from service.cli.progress import status
from service.stack import address, health, valkey
from service.stack.local import POLL, START_TIMEOUT, local_service

TIMEOUT = 300.0
"""Seconds for one answer; the upload of a whole data set takes longest."""


@dataclass(frozen=True)
class Target:
    """Which service the command line names.

    Attributes:
        url: its URL, or None.
        key: API key to send, or None.
    """

    url: str | None = None
    key: str | None = None


@contextmanager
def session(target: Target, console: Console, *, computing: bool = True) -> Iterator[Client]:
    """Yield a client of the service.

    Without a URL, that is the service at the settings' host and port, or the one that runs in the settings' home at
    another port. Otherwise a service is started for as long as the command runs.

    Args:
        target: what the command line says of it.
        console: where it is said that a service is being started.
        computing: whether the command computes, or only looks at what there is; for that the API is enough.

    Raises:
        Conflict: the service that runs in the home ends with another command, or there is no room to start one.
        Unavailable: a local service was needed and did not start.
    """
    if target.url is not None:
        with Client(target.url, target.key, timeout=TIMEOUT) as client:
            yield client
        return
    settings = configuration.load()
    with ExitStack() as until_the_end:
        url = _running(settings, computing=computing) or _awaited(settings, console, computing=computing)
        if url is None:
            starting = f"Starting a local service for this command, in {settings.home}"
            with _told_room(settings), status(starting, console):
                service = local_service(settings.home, os.environ, computing=computing)
                url = until_the_end.enter_context(service)
            until_the_end.enter_context(_told_end(console))
        yield until_the_end.enter_context(Client(url, target.key, timeout=TIMEOUT))


@contextmanager
def _told_end(console: Console) -> Iterator[None]:
    """Where Ctrl+C or a signal ends the command, say that its service ends too."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        console.print("The service that this command started ends now; jobs go on with the next one.", highlight=False)
        raise


@contextmanager
def _told_room(settings: Settings) -> Iterator[None]:
    """Where there is no room to start a service, say how to make room without one."""
    try:
        yield
    except Conflict as error:
        store = urlsplit(settings.resolved_store_url)
        full = isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL
        if not full or store.scheme != "file":
            raise
        raise Conflict(
            f"the disk is full, so no service can start in {settings.home}, not even to delete something. Make room on "
            f"that disk. As long as no service runs, you may also remove folders of {unquote(store.path)}: in its "
            "folders datasets, models and jobs, each is one data set, model or job"
        ) from error


def _awaited(settings: Settings, console: Console, *, computing: bool) -> str | None:
    """The URL of a service that starts in the home, or has started meanwhile, once it is ready; None if none does.

    Raises:
        Conflict: it has not become ready in time, or ends with another command.
    """
    if not valkey.in_use(settings.home):
        return None
    deadline = time.monotonic() + START_TIMEOUT
    with status(f"Waiting for the service that is starting in {settings.home}", console):
        while valkey.in_use(settings.home):
            if url := _running(settings, computing=computing):
                return url
            if time.monotonic() > deadline:
                raise Conflict(
                    f"a service runs in {settings.home}, but has not become ready within {START_TIMEOUT:.0f} s; see "
                    "what it says where it was started, and try again"
                )
            time.sleep(POLL)
    return None


def _running(settings: Settings, *, computing: bool) -> str | None:
    """The URL of a service on this machine that this command may use, or None."""
    usual = health.url(settings.host, settings.port)
    if health.ready(usual, computing=computing):
        return usual
    other = address.noted(settings.home)
    if other is None or not health.ready(other.url, computing=False):
        return None
    if computing and other.passing:
        raise Conflict(
            "another latentaug command is running, and the service that it started ends with it; wait for it, or start "
            "`latentaug up` once and let both commands use that"
        )
    return other.url
