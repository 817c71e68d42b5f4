"""Which service a command talks to: the one named, the one that runs here, or one of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from latentaug_client import Client
from rich.console import Console

from latentaug.runtime import settings as configuration
from service.stack.local import local_service
from service.stack.run import answers_ready

TIMEOUT = 300.0
"""Seconds for one answer: uploads of whole data sets are among them."""


@dataclass(frozen=True)
class Target:
    """What the command line says about the service: its address, and the key where it asks for one."""

    url: str | None = None
    key: str | None = None


@contextmanager
def session(target: Target, console: Console) -> Iterator[Client]:
    """A client of the service.

    Without a URL it is the one at the settings' host and port, if that answers; else the whole service is started for
    as long as the command runs, in the settings' home, where models and results stay.
    """
    if target.url is not None:
        with Client(target.url, target.key, timeout=TIMEOUT) as client:
            yield client
        return
    settings = configuration.load()
    if answers_ready(settings.host, settings.port):
        with Client(f"http://{settings.host}:{settings.port}", target.key, timeout=TIMEOUT) as client:
            yield client
        return
    with ExitStack() as until_the_end:
        with console.status("starting the service, for this command"):
            url = until_the_end.enter_context(local_service(settings.home, os.environ))
        yield until_the_end.enter_context(Client(url, target.key, timeout=TIMEOUT))
