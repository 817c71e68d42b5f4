"""What is taken out of the image is what nothing loads, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from deploy.image import trim


def package(environment: Path, name: str, *files: str) -> Path:
    """Install a package of these files, and return where they are."""
    folder = environment / "lib/python3.11/site-packages"
    record = folder / f"{name}-1.dist-info/RECORD"
    record.parent.mkdir(parents=True)
    record.with_name("METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("four")
    record.write_text("".join(f"{file},,\n" for file in files))
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A copy of a library that has symbols, and is loaded by the rest of its package alone."""
    found = find_spec("obstore._obstore")
    assert found is not None
    assert found.origin is not None
    copy = tmp_path / Path(found.origin).name
    copy.write_bytes(Path(found.origin).read_bytes())
    return copy


def test_tests_and_headers_go_and_code_and_licences_stay(tmp_path: Path) -> None:
    stay = {
        "some/__init__.py",
        "some/testing/tool.py",
        "some/include/LICENSE.txt",
        "some-1.dist-info/licenses/include/x.h",
    }
    folder = package(tmp_path, "some", *stay, "some/tests/test_it.py", "some/a/tests/data/x.npz", "some/include/x.h")
    left_out = trim.trim(tmp_path)
    assert {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - stay == {
        "some-1.dist-info/RECORD",
        "some-1.dist-info/METADATA",
    }
    assert sorted(tuple(sizes.items()) for sizes in left_out.values()) == [(("some", 4),), (("some", 8),)]


def test_what_a_gpu_needs_and_what_may_not_be_altered_stays_whole(tmp_path: Path) -> None:
    folder = package(tmp_path, "nvidia-cublas", "nvidia/include/cublas.h", "nvidia/tests/x.py")
    package(tmp_path, "tbb", "../../libtbb.so", "tbb/include/tbb.h")
    assert trim.trim(tmp_path) == {}
    assert (folder / "nvidia/include/cublas.h").exists()
    assert (folder / "tbb/include/tbb.h").exists()


def test_what_was_taken_out_is_told_in_the_environment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package(tmp_path, "some", "some/x.pyi")
    trim.main(tmp_path)
    assert [*json.loads((tmp_path / trim.REPORT).read_text()).values()] == [{"some": 4}]
    assert "MB" in capsys.readouterr().out


def test_a_library_that_was_cut_is_smaller_and_loads(library: Path) -> None:
    before = library.stat().st_size
    behind = trim.cut(library)
    assert behind > 0
    assert library.stat().st_size == before - behind
    assert trim.cut(library) == 0
    subprocess.run([sys.executable, "-c", f"import ctypes; ctypes.CDLL({str(library)!r})"], check=True)


@pytest.mark.parametrize("content", [b"", b"INPUT(libc.so.6)", b"\x7fELF\x01\x01" + bytes(100)])
def test_what_is_no_library_of_64_bits_is_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.so"
    file.write_bytes(content)
    assert trim.cut(file) == 0
    assert file.read_bytes() == content
