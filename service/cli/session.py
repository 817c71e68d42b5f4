"""Which service a command talks to: the one named, the one that runs on this machine, or one of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from latentaug_client import Client
from rich.console import Console

from latentaug.runtime import settings as configuration
from service.stack import health
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
def session(target: Target, console: Console) -> Iterator[Client]:
    """Yield a client of the service.

    Without a URL, that is the service at the settings' host and port, if one answers there. Otherwise a whole service
    is started for as long as the command runs. It keeps models and results in the settings' home.

    Raises:
        Unavailable: a local service was needed and did not start.
    """
    if target.url is not None:
        with Client(target.url, target.key, timeout=TIMEOUT) as client:
            yield client
        return
    settings = configuration.load()
    if health.ready(settings.host, settings.port):
        with Client(health.url(settings.host, settings.port), target.key, timeout=TIMEOUT) as client:
            yield client
        return
    with ExitStack() as until_the_end:
        with console.status("Starting a local service for this command"):
            url = until_the_end.enter_context(local_service(settings.home, os.environ))
        yield until_the_end.enter_context(Client(url, target.key, timeout=TIMEOUT))
