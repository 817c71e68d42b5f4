"""A zip of a folder is as good as the folder for `augment`, and its files go by their names in the zip."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest
from latentaug_client import Client
from typer.testing import CliRunner

from latentaug.errors import MalformedInput, NotStored
from latentaug.imaging.zips import unpack_zip
from service.cli.app import app
from tests.client.commands import manifest, not_taken, write_digits
from tests.client.conftest import MODEL


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    folder = write_digits(tmp_path / "many", range(40), ["even", "odd"])
    (folder / "odd" / "torn.png").write_bytes((folder / "odd" / "1.png").read_bytes()[:40])
    (folder / ".hidden").mkdir()
    shutil.copy(folder / "even" / "0.png", folder / ".hidden")
    return Path(shutil.make_archive(str(tmp_path / "digits"), "zip", folder))


@pytest.mark.parametrize("copies", [0, 300], ids=["by requests", "by a job"])
def test_new_images_are_made_from_a_zip(url: str, zipped: Path, tmp_path: Path, copies: int) -> None:
    if copies:
        with zipfile.ZipFile(zipped, "a") as archive, zipfile.ZipFile(zipped) as read:
            image = read.read("even/0.png")
            for i in range(copies):
                archive.writestr(f"even/copy-{i}.png", image)
    new = tmp_path / "new"
    command = ["--url", url, "augment", str(zipped), "--out", str(new), "--model", MODEL, "--method", "noise"]

    refused = CliRunner().invoke(app, command)
    done = CliRunner().invoke(app, [*command, "--skip-bad"])

    assert refused.exit_code == 1
    assert "odd/torn.png" in refused.stderr
    assert done.exit_code == 0, done.stderr
    rows = manifest(new)
    assert {Path(row["source"]).parent for row in rows} == {zipped / "even", zipped / "odd"}
    assert all(Path(row["source"]).parent.name == row["label"] for row in rows)
    assert len({row["source"] for row in rows}) == 40 + copies
    assert set(not_taken(new)) == {"odd/torn.png", ".hidden/"}
    assert new.with_name("new-contact-sheet.png").is_file()


def test_the_model_is_that_which_train_made_of_the_zip(url: str, zipped: Path, tmp_path: Path) -> None:
    of = ["--epochs", "1", "--skip-bad"]
    trained = CliRunner().invoke(app, ["--url", url, "train", str(zipped), *of])
    assert trained.exit_code == 0, trained.stderr
    with Client(url) as client:
        before = {model["name"] for model in client.models()}
        new = ["--out", str(tmp_path / "new"), "--k", "1"]
        done = CliRunner().invoke(app, ["--url", url, "augment", str(zipped), *new, "--skip-bad"])
        assert done.exit_code == 0, done.stderr
        assert {model["name"] for model in client.models()} == before


def test_an_error_names_the_files_as_they_were_typed(url: str, zipped: Path, tmp_path: Path) -> None:
    new = ["--out", str(tmp_path / "new"), "--model", MODEL, "--k", "500"]
    done = CliRunner().invoke(app, ["--url", url, "augment", str(zipped), *new, "--skip-bad"])
    assert done.exit_code == 1
    assert "latentaug-" not in done.stderr.replace(str(tmp_path), "")


def test_no_file_is_written_outside_the_folder(tmp_path: Path) -> None:
    for name in ("../out.png", "/out.png", "a/../../out.png", "C:/out.png", "..\\out.png"):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w") as archive:
            archive.writestr(name, b"x")
        with pytest.raises(MalformedInput, match="leads out of the zip"):
            unpack_zip(data.getvalue(), tmp_path / "in")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_named_and_the_zip_is_not_called_broken(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("a/" + "x" * 300 + ".png", b"x")
    with pytest.raises(NotStored, match="File name too long"):
        unpack_zip(data.getvalue(), tmp_path / "in")


@pytest.mark.parametrize("names", [("a", "a/1.png"), ("a", "a/b/1.png"), ("a/1.png", "a")])
def test_a_name_that_is_a_files_and_a_folders_is_told(tmp_path: Path, names: tuple[str, str]) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    with pytest.raises(MalformedInput, match="a file and a folder of one name"):
        unpack_zip(data.getvalue(), tmp_path / "in")


def test_a_damaged_file_is_left_to_be_named(tmp_path: Path) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/1.png", b"first" * 100)
        archive.writestr("a/2.png", b"second" * 100)
    broken = data.getvalue().replace(data.getvalue()[40:45], b"\xff" * 5, 1)
    unpack_zip(broken, tmp_path / "in")
    assert (tmp_path / "in/a/1.png").read_bytes() != b"first" * 100
    assert (tmp_path / "in/a/2.png").read_bytes() == b"second" * 100
