"""The image, built once for all tests. `make test-image` runs them, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.image import build
from bench.image.buildah import Image
from tests.image import network

SECONDS = 1800
"""For the first test, which waits for the build."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.image)
            item.add_marker(pytest.mark.timeout(SECONDS))


@pytest.fixture(scope="session")
def image() -> Iterator[Image]:
    # Its build asks others for packages; what then runs in it asks nobody.
    with build.built(build.FOLDER) as (image, _), network.alone():
        yield image
