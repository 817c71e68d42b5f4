"""Where a command writes: a new folder or an empty one, and never among the images that it reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.app import app
from service.cli.destination import check_new, new_folder
from service.cli.folders import Batch
from service.cli.manifest import Manifest
from tests.client.commands import run, write_digits
from tests.client.conftest import MODEL


def test_an_empty_folder_is_filled_and_stays_the_same_folder(tmp_path: Path) -> None:
    there = tmp_path / "mounted"
    there.mkdir()
    before = there.stat().st_ino
    with new_folder(there) as unfinished:
        (unfinished / "a").mkdir()
        (unfinished / "a" / "1.png").write_bytes(b"1")
        assert not (there / "a").exists()
    assert there.stat().st_ino == before
    assert [path.relative_to(there).as_posix() for path in sorted(there.rglob("*"))] == ["a", "a/1.png"]


def test_where_no_folder_can_be_made_another_one_is_asked_for() -> None:
    told = r"/proc/new cannot be made \(.*\); name another folder"
    with pytest.raises(ValueError, match=told), new_folder(Path("/proc/new")):
        pass


def test_an_empty_folder_is_empty_again_after_an_error(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path) as unfinished:
            (unfinished / "1.png").write_bytes(b"1")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["augment", "evaluate", "label", "recommend"])
def test_a_folder_that_cannot_be_new_is_refused_before_a_service_is_asked(tmp_path: Path, command: str) -> None:
    photos, full = write_digits(tmp_path / "photos", range(20), ["a", "b"]), tmp_path / "full"
    full.mkdir()
    (full / "kept.txt").write_text("kept")
    for new, said in [
        (full, "already exists; name a folder that does not, or an empty one"),
        (full / "kept.txt" / "new", "cannot be made"),
        (photos, "would lie among those of"),
        (photos / "new", "would lie among those of"),
    ]:
        nobody = ["--url", "http://127.0.0.1:9"]
        done = CliRunner().invoke(app, [*nobody, command, str(photos), "--out", str(new)])
        assert done.exit_code == 1, done.output
        assert said in done.stderr
        assert "delete" not in done.stderr, "it may be the folder of somebody's photos"


def test_the_present_folder_may_be_the_new_one(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos, here = write_digits(tmp_path / "photos", range(12), ["a"]), tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    done = run("--url", url, "augment", photos, "--out", ".", "--model", MODEL, "--k", "1")
    assert done.returncode == 0, done.stderr
    assert len(list(here.rglob("*.png"))) == 12
    assert (tmp_path / "here-contact-sheet.png").is_file()


def test_a_folder_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)  # the tests may run as root, who may write everywhere
    with pytest.raises(ValueError, match="cannot be written to"):
        check_new(tmp_path / "new")


@pytest.mark.parametrize("letter", ["n", "é", "字"])
def test_the_longest_names_leave_room_for_a_number(tmp_path: Path, letter: str) -> None:
    longest = letter * (251 // len(letter.encode()))
    sources = [tmp_path / f"{longest}.png", tmp_path / f"{longest[:-1]}.png"]
    written = Manifest(tmp_path, {})
    for source in sources:
        written.add(b"png", Batch(sources, "a", "a"), source, None, "residual")
    assert len({path.name for path in (tmp_path / "a").iterdir()}) == 2
