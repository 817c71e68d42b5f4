"""Which service a command talks to: the one named, the one that runs on this machine, or one of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from latentaug_client import Client
from rich.console import Console

from latentaug.errors import Conflict
from latentaug.runtime import settings as configuration
from latentaug.runtime.settings import Settings
from service.stack import address, health
from service.stack.local import local_service

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
        Conflict: the service that runs in the home ends with another command.
        Unavailable: a local service was needed and did not start.
    """
    if target.url is not None:
        with Client(target.url, target.key, timeout=TIMEOUT) as client:
            yield client
        return
    settings = configuration.load()
    with ExitStack() as until_the_end:
        url = _running(settings, computing=computing)
        if url is None:
            with console.status(f"Starting a local service for this command, in {settings.home}"):
                service = local_service(settings.home, os.environ, computing=computing)
                url = until_the_end.enter_context(service)
        yield until_the_end.enter_context(Client(url, target.key, timeout=TIMEOUT))


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
