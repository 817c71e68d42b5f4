"""What all tests need."""

import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import object_stores
from tests.object_stores import S3

# A shell ignores SIGINT on behalf of what it runs in the background. Tests that run so would hand that on to the
# processes that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARING = {"client", "docs", "web"}
"""Folders in which all files use one service, which takes many seconds to start and to prepare."""


class ByService(LoadScopeScheduling):
    """Lets one process run all tests of a file, and all files that share a service."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = Path(file).parts[1]
        return folder if folder in SHARING else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByService:
    return ByService(config, log)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests marked `stores` with each kind of store: a folder, those that the mark names, and a server for S3."""
    mark = metafunc.definition.get_closest_marker("stores")
    if mark is not None and "store_url" in metafunc.fixturenames:
        kinds = ["folder", *mark.args, pytest.param("s3", marks=pytest.mark.slow)]
        metafunc.parametrize("store_url", kinds, indirect=True)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[S3]:
    """A server that speaks S3."""
    pytest.importorskip("moto", reason="needs a server that speaks S3: make .venv/.installed-slow")
    with object_stores.s3() as s3:
        yield s3


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store: a folder, or in tests marked `stores` each kind in turn."""
    match getattr(request, "param", "folder"):
        case "s3":
            environment = request.getfixturevalue("monkeypatch")
            server = request.getfixturevalue("s3_server").server
            return f"{object_stores.name(server.url, environment)}/{uuid4().hex}"
        case "memory":
            return "memory:///"
    return (tmp_path / "store").as_uri()
