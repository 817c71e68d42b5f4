"""One service for all pages, in which somebody has followed the README: the other pages go on from there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.running import Service, running_service
from tests.docs.pages import Reader


@dataclass(frozen=True)
class Followed:
    """A running service, and the folder in which the README was followed."""

    service: Service
    folder: Path


@pytest.fixture(scope="session")
def readme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("readme")
    with running_service(folder / "home") as service:
        Reader(service.url, folder).read("README.md")
        yield Followed(service, folder)
