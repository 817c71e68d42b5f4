"""The parts of the measurement of the image that need no image."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.image import host, sizes
from bench.image.__main__ import Measured, page


def test_the_page_tells_what_was_installed_kept_and_read_of_each_package() -> None:
    measured = Measured(
        12.4, {"tests": {"torch": 3_000_000}}, {"torch": 5_000_000}, {"torch": 4_000_000}, ["torch/a.py"]
    )
    lines = list(page(measured))
    assert "| torch | 8.0 | 5.0 | 4.0 |" in lines
    assert "| tests | 3.0 |" in lines
    assert "1 modules were loaded" in lines[-1]


def test_what_pip_is_told_of_this_machines_disk_is_found() -> None:
    options = {
        "cert": "/a/b.pem",
        "find-links": "/wheels",
        "extra-index-url": "https://one/simple file:///packages/simple",
    }
    assert set(host.folders_and_files(options)) == {Path("/a/b.pem"), Path("/wheels"), Path("/packages")}


def test_who_lacks_a_tool_or_rights_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "as root" in str(host.lacking())
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert str(host.lacking()).endswith("apt-get install buildah iproute2 mmdebstrap tini")


def test_a_file_belongs_to_the_package_that_has_installed_it(tmp_path: Path) -> None:
    packages = tmp_path / sizes.ENVIRONMENT / "lib/python3.11/site-packages"
    for name in ("some/a.py", "some/__pycache__/a.cpython-311.pyc", "some/b.py", "some-1.dist-info/RECORD"):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_text("four")
    (packages / "some-1.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1\n")
    (packages / "some-1.dist-info/RECORD").write_text("some/a.py,,\nsome/b.py,,\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("four")
    owners = {Path(file.path).name: file.package for file in sizes.files(tmp_path)}
    assert (owners["a.py"], owners["a.cpython-311.pyc"], owners["passwd"]) == ("some", "some", sizes.BASE)
    read = [sizes.File(file.path, file.package, file.size, read=True) for file in sizes.files(tmp_path)]
    assert sizes.uncompiled(tmp_path, read) == ["some/b.py"]
