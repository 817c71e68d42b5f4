"""The image holds what it is said to hold, and works as it is."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import httpx
import pytest

from bench.image import build, sizes, use
from bench.image.buildah import Image
from bench.image.container import Container, Described
from tests.waiting import within

PACKAGES = f"{sizes.ENVIRONMENT}/lib/python3.11/site-packages"


@pytest.fixture(scope="module")
def described(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Described:
    home = build.home(image, tmp_path_factory.mktemp("image") / "home")
    return Described(f"{image.user}:{image.user}", {"/data": home}, {"/tmp": "size=256m,mode=1777"})  # noqa: S108


def contents(root: Path) -> dict[str, tuple[int, int]]:
    """Size and last change of everything in a file system."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in root.rglob("*")}


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_runs_as_a_user_without_rights_whose_home_it_may_write_to(image: Image) -> None:
    home = (image.root / "data").stat()
    assert image.user == "10001"
    assert (home.st_uid, home.st_mode & 0o777) == (10001, 0o700)


def test_nothing_of_the_machine_that_built_it_is_in_it(image: Image) -> None:
    own = [
        name
        for name in image.environment
        if name.startswith(("PIP_", "SSL_", "LATENTAUG_")) and name != "LATENTAUG_HOME"
    ]
    assert own == []
    assert not (image.root / "src").exists()
    mounted = image.root / "etc/pip.conf"
    assert not mounted.exists() or mounted.read_text() == ""


def test_what_is_never_loaded_is_not_in_it_but_every_licence_is(image: Image) -> None:
    files = {file.path for file in sizes.files(image.root)}
    assert [path for path in files if path.startswith(f"{PACKAGES}/pip/")] == []
    assert [path for path in files if "/torch/include/" in path] == []
    named = [
        os.path.normpath(f"{PACKAGES}/{row[0]}")
        for record in (image.root / PACKAGES).glob("*.dist-info/RECORD")
        for row in csv.reader(record.read_text().splitlines())
        if row[0].rpartition("/")[2].lower().startswith(("licen", "copying", "notice"))
    ]
    assert len(named) > 100
    assert [path for path in named if path not in files] == []


def test_what_it_runs_by_default_does_one_of_everything_and_ends(
    image: Image, described: Described, tmp_path: Path
) -> None:
    log = tmp_path / "service.log"
    before = contents(image.root)
    with (
        Container(image, described, image.command, {"LATENTAUG_LOG_LEVEL": "warning"}, log) as service,
        httpx.Client(base_url="http://127.0.0.1:8000", timeout=60) as client,
    ):
        assert within(120, lambda: ready(client) or service.poll() is not None), log.read_text()
        records = use.everything(client)
        status = service.stop()
    assert {record["kind"] for record in records} == {"train", "augment", "label", "recommend", "evaluate"}
    assert status == 0, log.read_text()
    assert "Read-only file system" not in log.read_text()
    assert contents(image.root) == before
