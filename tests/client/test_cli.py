"""The command line, as a person runs it: real commands, real folders, a real service."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from latentaug_client import Client
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from latentaug.imaging.pixels import encode_png
from service.cli.app import app
from service.cli.folders import Batch, read
from service.cli.manifest import MOST_MEASURED, Manifest
from service.cli.names import dataset, dataset_name
from service.cli.reading import ReadAs
from service.stack import ports, valkey
from tests.client.commands import LATENTAUG, manifest, not_taken, run, write_digits
from tests.client.conftest import DIGITS, MODEL
from tests.waiting import within


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty digits in two class folders."""
    return write_digits(tmp_path / "digits", range(40), ["even", "odd"])


def rows(table: str, state: str) -> list[str]:
    """The rows of the doctor's table in this state, without its frame."""
    return [line.strip("│ ") for line in table.splitlines() if re.search(rf"│ {state} +│", line)]


def test_a_folder_in_gives_a_folder_and_its_manifest_out(url: str, folder: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    done = run("--url", url, "augment", folder, "--out", new, "--model", MODEL, "--k", "2", "--seed", "7")
    assert done.returncode == 0, done.stderr
    assert "80 new images" in done.stdout
    told = " ".join(done.stdout.split())
    assert re.search(r"\d+ % of the new images are near-copies of training images\. In \d+ % of comparisons", told)
    rows = manifest(new)
    assert sorted(row["file"] for row in rows) == sorted(p.relative_to(new).as_posix() for p in new.rglob("*.png"))
    assert len(rows) == 80
    for row in rows:
        assert Path(row["source"]).parent.name == Path(row["neighbour"]).parent.name == row["label"]
        assert (row["method"], row["k"], row["seed"], row["model"]) == ("interpolation", "2", "7", MODEL)
        assert row["decode"] == "residual"  # the taken way, not "auto": so few epochs leave a blurred model
        assert np.asarray(Image.open(new / row["file"])).shape == (8, 8)


def test_many_new_images_are_measured_by_some(tmp_path: Path) -> None:
    written = Manifest(tmp_path, {})
    source = Batch([tmp_path / "a.png"], "cats", "cat")
    for _ in range(MOST_MEASURED + 100):
        written.add(encode_png(np.zeros((8, 8, 1), np.uint8)), source, source.files[0], None, "residual")

    files, labels = written.some()

    assert len(set(files)) == len(labels) == MOST_MEASURED
    assert all(file.is_file() for file in files)
    assert set(labels) == {"cat"}


def invoke(*arguments: str | Path) -> tuple[int, str]:
    """Run a command in this process: its exit status and all that it printed, on one line."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    return done.exit_code, " ".join(done.output.split())


def _mixed(folder: Path) -> dict[str, int]:
    """240 photos in five formats, two of them of a rare class, and files that are none; the counts by class."""
    rng = np.random.default_rng(0)
    forms = (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp"), ("BMP", "bmp"), ("TIFF", "tif"))
    for i in range(240):
        form, suffix = forms[i % 5]
        path = folder / ("rare" if i >= 238 else f"class-{i % 3}") / f"{i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        sides = (20, 24) if i % 2 else (24, 20)
        Image.fromarray(rng.integers(0, 256, (*sides, 3), dtype=np.uint8)).save(path, form)
    whole = (folder / "class-0" / "0.png").read_bytes()
    (folder / "class-1" / "broken.png").write_bytes(whole[:200])
    (folder / ".trash").mkdir()
    (folder / ".trash" / "1.png").write_bytes(whole)
    (folder / "README.txt").write_text("photos")
    return {"class-0": 80, "class-1": 79, "class-2": 79, "rare": 2}


def test_nothing_of_a_mixed_folder_is_lost_without_a_word(url: str, tmp_path: Path) -> None:
    counts = _mixed(tmp_path / "photos")
    command = ("--url", url, "augment", tmp_path / "photos", "--out", tmp_path / "new", "--model", MODEL, "--resize")

    broken, small, done = invoke(*command), invoke(*command, "--skip-bad"), invoke(*command, "--skip-bad", "--k", "1")

    assert [status for status, _ in (broken, small, done)] == [1, 1, 0]
    assert "1 image cannot be read: class-1/broken.png" in broken[1]
    assert "give --skip-bad to go on" in broken[1]
    assert "rare (2); take --k 1 at most" in small[1]
    assert (
        "1 file and 1 hidden folder are no images or are hidden, and were passed over: .trash/, README.txt." in done[1]
    )
    assert (
        f"240 new images in {tmp_path / 'new'}, made from 240 images; left out, as they cannot be read: class"
        in done[1]
    )
    written = [row["label"] for row in manifest(tmp_path / "new")]
    assert {label: written.count(label) for label in counts} == counts


def test_all_images_of_16_bits_in_a_folder_have_one_scale_and_what_was_left_of_others_is_said(tmp_path: Path) -> None:
    for label, top in (("dim", 300), ("bright", 4000)):
        (tmp_path / label).mkdir()
        for i in range(2):
            Image.fromarray(np.full((8, 8), top - i, np.uint16)).save(tmp_path / label / f"{i}.png")
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "dim" / "film.gif", save_all=True, append_images=frames[1:])

    found = read(tmp_path)

    assert (found.bits, found.images, [batch.label for batch in found.batches]) == (12, 5, ["bright", "dim"])
    assert "4 images of 16 bits: values from 0 to 4095 became 0 to 255" in found.warnings[0]
    assert "the first was taken (dim/film.gif)" in found.warnings[1]


def test_a_folder_is_looked_at_before_anything_is_trained(url: str, tmp_path: Path) -> None:
    _mixed(tmp_path / "photos")
    command = ("--url", url, "train", tmp_path / "photos", "--skip-bad")

    refused, trained = invoke(*command), invoke(*command, "--size", "16x16", "--epochs", "1")

    assert (refused[0], trained[0]) == (1, 0)
    assert "the images have 2 sizes: 120 images are 24x20 (such as class-0/0.png), 120 images are 20x24" in refused[1]
    assert "such as --size 24x20" in refused[1]
    assert "240 images of 16x16 in colour; classes: class-0 80, class-1 79, class-2 79, rare 2;" in trained[1]
    for line in ("class-1/broken.png", ".trash/, README.txt", "240 images were resized", "rare (2)"):
        assert line in trained[1]


def test_several_sizes_are_told_before_a_service_is_started(tmp_path: Path) -> None:
    _mixed(tmp_path / "photos")
    own = {"LATENTAUG_HOME": str(tmp_path / "home"), "LATENTAUG_PORT": str(ports.free("127.0.0.1"))}
    done = run("augment", tmp_path / "photos", "--out", tmp_path / "new", "--skip-bad", "--k", "1", **own)
    assert done.returncode == 1
    assert "the images have 2 sizes: 120 images are 24x20" in done.stderr
    assert "such as --size 24x20" in done.stderr
    assert not (tmp_path / "home").exists()


def test_new_images_are_made_from_the_training_images_alone_where_folders_say_so(
    url: str, folder: Path, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    shutil.copytree(folder, parts / "train")
    shutil.copytree(folder / "odd", parts / "test" / "odd")

    status, told = invoke("--url", url, "augment", parts, "--out", tmp_path / "new", "--model", MODEL, "--k", "1")

    assert status == 0, told
    assert "made from 40 images, and from none of the 21 in folders to validate and test with" in told
    assert {Path(row["source"]).parts[-3] for row in manifest(tmp_path / "new")} == {"train"}


def test_what_is_there_is_never_written_over(url: str, folder: Path, tmp_path: Path) -> None:
    done = run("--url", url, "augment", folder, "--out", folder, "--model", MODEL)
    assert done.returncode == 1
    assert "name another folder" in done.stderr
    failed = run("--url", url, "augment", folder, "--out", tmp_path / "new", "--model", MODEL, "--k", "40")
    assert failed.returncode == 1
    assert "take --k 18 at most" in " ".join(failed.stderr.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits"]


def test_a_flat_folder_has_no_classes_and_a_mixed_one_is_refused(url: str, folder: Path, tmp_path: Path) -> None:
    done = run(
        "--url", url, "augment", folder / "odd", "--out", tmp_path / "new", "--model", MODEL, "--method", "noise"
    )
    assert done.returncode == 0, done.stderr
    assert {(row["label"], row["neighbour"]) for row in manifest(tmp_path / "new")} == {("", "")}
    (folder / "odd" / "0.png").write_bytes((folder / "even" / "0.png").read_bytes())
    (folder / "loose.png").write_bytes((folder / "even" / "0.png").read_bytes())
    mixed = run("--url", url, "augment", folder, "--out", tmp_path / "other", "--model", MODEL)
    assert mixed.returncode == 1
    assert "beside the class folders" in " ".join(mixed.stderr.split())


def test_unlabelled_images_lie_in_a_folder_of_their_own_or_above(url: str, folder: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool" / "2024"
    pool.mkdir(parents=True)
    for i in range(40, 50):
        Image.fromarray(DIGITS.images[i, ..., 0]).save(pool / f"{i}.png")
    options = ["--model", MODEL, "--k", "1"]
    beside = run(
        "--url", url, "augment", folder, "--out", tmp_path / "one", "--unlabelled", tmp_path / "pool", *options
    )
    assert beside.returncode == 0, beside.stderr
    trained = run("--url", url, "train", folder, "--unlabelled", tmp_path / "pool", "--name", "partly", "--epochs", "1")
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "pool").rename(folder / "Unlabelled")
    above = run("--url", url, "augment", folder, "--out", tmp_path / "other", *options)
    assert above.returncode == 0, above.stderr
    for new in (tmp_path / "one", tmp_path / "other"):
        rows = manifest(new)
        assert len(rows) == 50
        for row in rows:
            assert row["file"].split("/")[0] == (row["label"] or "unlabelled")
            assert Path(row["source"]).parent == Path(row["neighbour"]).parent
        assert sum(row["label"] == "" for row in rows) == 10
    with Client(url) as client:
        described = client.dataset(client.model("partly")["dataset"])
    assert (described["labelled"], described["unlabelled"]) == (40, 10)


def test_label_writes_the_newly_labelled_images_into_class_folders(url: str, folder: Path, tmp_path: Path) -> None:
    pool, new = tmp_path / "pool", tmp_path / "new"
    pool.mkdir()
    for i in range(40, 70):
        Image.fromarray(DIGITS.images[i, ..., 0]).save(pool / f"{i}.png")
    done = run("--url", url, "label", folder, "--out", new, "--unlabelled", pool, "--model", MODEL, "--keep", "1")
    assert done.returncode == 0, done.stderr
    assert "likely right" in " ".join(done.stdout.split())
    rows = manifest(new)
    assert rows
    assert sorted(row["file"] for row in rows) == sorted(p.relative_to(new).as_posix() for p in new.rglob("*.png"))
    assert {row["label"] for row in rows} <= {"even", "odd"}
    for row in rows:
        assert Path(row["original"]).parent == pool
        assert (np.asarray(Image.open(row["original"])) == np.asarray(Image.open(new / row["file"]))).all()
    told = re.search(r"of (\d+) unlabelled images .* validate models with: (\d+)\.", done.stdout, re.S)
    assert told is not None
    assert int(told[1]) + int(told[2]) == 30
    unused = re.search(r"(\d+) of 40 labels were not used: their images are kept to validate and test", done.stdout)
    assert unused is not None
    assert f"from {40 - int(unused[1])} labelled ones" in done.stdout
    left = not_taken(new)
    assert f"not taken, each with the reason: {tmp_path / 'new-not-taken.csv'}" in done.stdout
    assert {*left, *(row["original"] for row in rows)} == {str(path) for path in pool.iterdir()}
    assert sum(reason.startswith("kept to validate") for reason in left.values()) == int(told[2])
    laid_out = ("--out", tmp_path / "tar", "--unlabelled", pool, "--model", MODEL, "--layout", "webdataset", "--whole")
    all_of_them = run("--url", url, "label", folder, *laid_out, "--keep", "0.5")
    assert all_of_them.returncode == 0, all_of_them.stderr
    assert "15 of 30 unlabelled images got a label, from 40 labelled ones." in all_of_them.stdout
    assert "not used" not in all_of_them.stdout
    assert [path.name for path in (tmp_path / "tar").iterdir()] == ["train.tar"]
    with tarfile.open(tmp_path / "tar" / "train.tar") as archive:
        for one in (json.load(archive.extractfile(n)) for n in archive.getnames() if n.endswith(".json")):  # type: ignore[arg-type]
            assert Path(one["original"]).parent == pool
    assert all("not among the surest" in reason for reason in not_taken(tmp_path / "tar").values())
    assert len(not_taken(tmp_path / "tar")) == 15
    whole = run("--url", url, "label", folder, "--out", tmp_path / "other", "--model", MODEL)
    assert whole.returncode == 1
    assert "has a label already" in " ".join(whole.stderr.split())
    assert not (tmp_path / "other").exists()


def test_train_evaluate_and_jobs(url: str, folder: Path, tmp_path: Path) -> None:
    trained = run("--url", url, "train", folder, "--name", "mine", "--epochs", "2")
    assert trained.returncode == 0, trained.stderr
    assert "model mine" in trained.stdout
    report = tmp_path / "report"
    judged = run(
        *("--url", url, "evaluate", "digits", "--model", MODEL, "--labelled", "50", "--draws", "2", "--out", report),
        *("--classifier", "knn", "--space", "image"),
    )
    assert judged.returncode == 0, judged.stderr
    assert "cannot tell" in judged.stdout or "elps" in judged.stdout
    assert sorted(path.name for path in report.iterdir()) == ["report.csv", "report.json", "report.md", "report.png"]
    listed = run("--url", url, "jobs", "--kind", "evaluate", "--status", "succeeded")
    assert listed.returncode == 0, listed.stderr
    assert "100 %" in listed.stdout
    told = run("--url", url, "jobs", listed.stdout.splitlines()[1].split()[0][-8:])
    assert told.returncode == 0, told.stderr
    assert told.stdout.split(".")[0] in " ".join(judged.stdout.split())


@pytest.mark.slow
def test_all_in_one_needs_no_server_and_no_model(folder: Path, tmp_path: Path) -> None:
    own = {"LATENTAUG_HOME": str(tmp_path / "home"), "LATENTAUG_PORT": str(ports.free("127.0.0.1"))}
    for target in ("first", "second"):  # the second time its model is there
        done = run("augment", folder, "--out", tmp_path / target, **own)
        assert done.returncode == 0, done.stderr
        assert "120 new images" in done.stdout
        assert "carry a label that their neighbours share" in " ".join(done.stdout.split())
    assert (tmp_path / "first" / "odd" / "1-1.png").read_bytes() == (
        tmp_path / "second" / "odd" / "1-1.png"
    ).read_bytes()


def test_a_file_is_uploaded_under_its_contents_and_never_taken_for_a_data_set_of_its_name(
    url: str, tmp_path: Path
) -> None:
    archive = tmp_path / "digits.zip"
    shutil.copy("examples/digits.zip", archive)
    trained = run("--url", url, "train", archive, "--name", "from-a-zip", "--epochs", "1")
    assert trained.returncode == 0, trained.stderr
    with Client(url) as client:
        first = client.model("from-a-zip")["dataset"]
        assert client.dataset(first)["images"] == 50
    with zipfile.ZipFile(archive, "a") as file:
        file.write("examples/digits.zip", "digits.bin")
    assert re.fullmatch(r"digits-[0-9a-f]{8}", first)
    assert first != dataset_name(archive)
    said = io.StringIO()
    with Client(url) as client:
        second = [dataset(client, str(archive), Console(file=said, width=200)) for _ in range(2)]
        client.delete_dataset(second[0])
    assert said.getvalue().count("passed over: digits.bin") == 2, "also where the same file was uploaded before"


def test_an_upload_says_what_to_know_about_its_images(url: str, folder: Path) -> None:
    copied = next(folder.glob("odd/*.png"))
    shutil.copy(copied, folder / "even" / "again.png")
    said = io.StringIO()

    with Client(url) as client:
        name = dataset(client, str(folder), Console(file=said, width=1000))
        again = dataset(client, str(folder), Console(file=said))
        later = run("--url", url, "datasets", name)
        client.delete_dataset(name)

    assert again == name
    assert f"uploaded before. To see what there is to know about them, type: latentaug datasets {name}" in " ".join(
        said.getvalue().split()
    )
    assert f"{name}: 41 images of 8x8 in grey; classes: even 20, odd 21;" in later.stdout
    assert "warning: Of 41 images, 1 repeats an earlier one" in later.stderr
    assert said.getvalue().count("warning: Of 41 images, 1 repeats an earlier one") == 1
    assert "warning: 1 picture has different labels in different images" in said.getvalue()
    assert f"odd/{copied.name}" in said.getvalue()


def test_another_size_is_another_data_set(folder: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "photos"), "zip", folder)
    for source in (folder, tmp_path / "photos.zip"):
        assert dataset_name(source, ReadAs(size=(16, 12))) == f"{dataset_name(source)}-16x12"
        assert dataset_name(source, ReadAs(skip_bad=True, bits=12)) == f"{dataset_name(source)}-readable-12bits"


def test_images_of_16_bits_are_scaled_by_the_bits_that_are_typed(url: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(8):
        path = tmp_path / "deep" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 900, (8, 8), np.uint16)).save(path)
    as_they_are = ("--url", url, "augment", tmp_path / "deep", "--model", MODEL, "--k", "1", "--alpha", "0")
    made = (*as_they_are, "--decode", "residual", "--bits", "12", "--out", tmp_path / "new")

    few, many = invoke(*made[:-4], "--bits", "8", "--out", tmp_path / "none"), invoke(*made)
    with Client(url) as client:
        name = dataset(client, str(tmp_path / "deep"), Console(file=io.StringIO()), ReadAs(bits=14))
        warnings = client.dataset(name)["warnings"]
        client.delete_dataset(name)

    assert (few[0], many[0]) == (1, 0), many
    assert "which 8 bits cannot hold; set --bits 10" in few[1]
    assert "8 images of 16 bits: values from 0 to 4095 became 0 to 255 (as asked)." in many[1]
    for row in manifest(tmp_path / "new"):
        source = np.asarray(Image.open(row["source"])).astype(int)
        assert (np.asarray(Image.open(tmp_path / "new" / row["file"])) == (source * 255 + 2047) // 4095).all()
    assert any("values from 0 to 16383 became 0 to 255 (as asked)" in warning for warning in warnings)


def test_ctrl_c_while_the_commands_are_still_being_loaded_is_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", *LATENTAUG[1:], "models"]  # says what has been loaded
    own = {**os.environ, "LATENTAUG_HOME": str(tmp_path), "LATENTAUG_PORT": "9"}
    with subprocess.Popen(command, env=own, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("httpx" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        said = [line for line in process.stderr if not line.startswith("import time:")]
        assert process.wait(20) == 130
    assert said == []
    assert not list(tmp_path.iterdir())


def test_nor_is_it_just_after() -> None:
    interrupted = """
import service.cli.__main__ as start
def interrupt():
    raise KeyboardInterrupt
start._main = interrupt
start.main()
"""
    done = subprocess.run([sys.executable, "-c", interrupted], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_interrupted_leaves_nothing_behind(url: str, tmp_path: Path, number: signal.Signals) -> None:
    for i in range(200):
        path = tmp_path / "many" / f"{i // 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.images[i, ..., 0]).save(path)
    noise = ["--model", MODEL, "--method", "noise", "--k", "20"]
    command = [*LATENTAUG, "--url", url, "augment", str(tmp_path / "many"), *noise]
    partial = tmp_path / "a" / "b" / ".new.partial"
    with subprocess.Popen([*command, "--out", str(tmp_path / "a" / "b" / "new")], stderr=subprocess.PIPE) as process:
        assert within(60, lambda: any(partial.glob("*/*.png")))
        process.send_signal(number)
        assert process.wait(20) == (130 if number == signal.SIGINT else 128 + number)
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many"]


def test_errors_name_what_is_typed_and_never_a_request(url: str, folder: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((12, 9), np.uint8)).save(folder / "odd" / "other.png")
    (tmp_path / "notes.txt").write_text("no images")
    (tmp_path / "torn" / "odd").mkdir(parents=True)
    whole = (folder / "odd" / "1.png").read_bytes()
    (tmp_path / "torn" / "odd" / "1.png").write_bytes(whole[: len(whole) // 2])
    new = ["--out", tmp_path / "new"]
    for arguments, said in [
        (["augment", folder, *new, "--model", "nobody"], "there is no model named 'nobody'; the service has"),
        (["evaluate", "digits", "--model", "nobody"], "there is no model named 'nobody'; the service has"),
        (["train", "nothing"], "'nothing' is neither a folder or file here nor a data set; the service has digits"),
        (["train", ""], "an empty text names no folder or file"),
        (["augment", "", *new], "an empty text names no folder or file"),
        (["recommend", "", *new], "an empty text names no folder or file"),
        (["train", tmp_path / "notes.txt"], "is neither a folder nor a .zip or .npz file"),
        (["train", folder], "--size 8x8"),
        (["train", tmp_path / "torn"], "error: 1 image cannot be read: odd/1.png: broken or cut short"),
        (["train", "digits", "--unlabelled", folder], "--unlabelled goes with a folder of class folders"),
        (["train", "digits", "--bits", "12"], "'digits' is a data set that the service has"),
        (["datasets", "nothing"], "there is no data set named 'nothing'; `latentaug datasets` lists what there is"),
        (["augment", folder, *new, "--bits", "9"], "error: --bits is 8, 10, 12, 14 or 16, and not 9"),
        (["train", folder, "--unlabelled", folder / "odd"], "lies inside"),
        (["train", folder, "--size", "28"], "--size is a height and a width in pixels, such as 28x28"),
        (["augment", folder, *new, "--model", MODEL], "other.png is 12x9, but 8x8 (height x width) is needed"),
        (["augment", folder, *new, "--model", MODEL], "--resize"),
        (["train", "digits", "--epochs", "0"], "error: --epochs is at least 1, and not 0"),
        (["train", "digits", "--name", "no name"], "error: --name: use 1 to 64 letters"),
        (["evaluate", "digits", "--classifier", "forest"], "--classifier is svm, knn, mlp or cnn, and not forest"),
        (["evaluate", "digits", "--alpha", "7"], "error: alpha must be at most 1 for interpolation"),
        (["recommend", "digits", *new, "--labelled", "5"], "error: --labelled is 10 to 1079 here, from one image of"),
        (["jobs", "0" * 32], "there is no job with the id 0"),
        (["jobs", "--cancel", "x"], "there is no job with the id x; `latentaug jobs` lists the newest"),
        (["jobs", "--kind", "bake"], "--kind"),
        (["augment", tmp_path / "notes.txt", *new], "notes.txt is neither a folder nor a zip"),
        (["augment", tmp_path / "nowhere", *new], "there is no folder or zip"),
        (["augment", folder, *new, "--k", "0"], "error: --k is at least 1, and not 0"),
        (["augment", folder, *new, "--alpha", "7"], "error: alpha must be at most 1 for interpolation"),
        (["augment", folder, *new, "--model", MODEL, "--size", "8x8"], "--size says how a model is trained"),
    ]:
        done = CliRunner().invoke(app, ["--url", url, *map(str, arguments)])
        assert done.exit_code == 1, done.output
        assert said in " ".join(done.stderr.split()), done.stderr
        assert not re.search(r"/v\d|\bGET\b|\bPOST\b|[?&]\w+=|\w=\w|openapi|Traceback", done.stderr), done.stderr


def test_new_images_never_lie_among_the_real_ones(folder: Path) -> None:
    done = run("augment", folder, "--out", folder / "new")
    assert done.returncode == 1
    assert "name another folder" in " ".join(done.stderr.split()), done.stderr


@pytest.mark.slow
def test_the_best_training_set_of_a_folder_is_found_measured_and_written(url: str, tmp_path: Path) -> None:
    assert DIGITS.labels is not None
    for i in range(300):
        place = f"{DIGITS.labels[i]}" if i < 100 else "unlabelled"
        path = tmp_path / "digits" / place / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.images[i, ..., 0]).save(path)

    done = run(
        *("--url", url, "recommend", tmp_path / "digits", "--out", tmp_path / "best", "--model", MODEL),
        *("--budget", "4", "--classifier", "knn"),
    )
    assert done.returncode == 1
    assert "trained on" in done.stderr

    done = run("--url", url, "train", tmp_path / "digits", "--name", "own", "--epochs", "1")
    done = run(
        *("--url", url, "recommend", tmp_path / "digits", "--out", tmp_path / "best", "--model", "own"),
        *("--budget", "4", "--classifier", "knn"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith(("Use ", "No clear effect", "Leave ")), done.stdout
    with (tmp_path / "best" / "manifest.csv").open() as file:
        made = list(csv.DictReader(file))
    assert f"{len(made)} images in {tmp_path / 'best'}" in done.stdout.replace("\n", "")
    assert "): the labelled images" in " ".join(done.stdout.split())
    assert {row["kind"] for row in made} >= {"real"}
    assert all((tmp_path / "best" / row["file"]).is_file() for row in made)
    assert {row["label"] for row in made} == {path.name for path in (tmp_path / "best").iterdir() if path.is_dir()}


def test_a_job_is_followed_to_its_end_and_what_came_of_it_is_said(url: str) -> None:
    with Client(url) as client:
        ended = client.augment_dataset("digits", MODEL, k=1)
        endless = client.train("digits", epochs=10_000, patience=10_000)
        done = run("jobs", ended.id, LATENTAUG_URL=url)
        assert done.returncode == 0
        assert re.search(r"The augment job made 1,079 images\.\n\d+ % of the new images are near-copies", done.stdout)
        assert f"To keep what it made, type: latentaug jobs {ended.id} --out FOLDER" in done.stdout
        stopped = run("jobs", "--cancel", endless.id, LATENTAUG_URL=url)
        assert stopped.stdout == f"Cancelled the train job {endless.id}.\n"
        (trained,) = [job for job in client.jobs("train") if job.record["params"]["name"] == MODEL]
        assert f"model {MODEL} (trained for 3 epochs)\n" in run("jobs", trained.id, LATENTAUG_URL=url).stdout
    followed = run("jobs", endless.id, LATENTAUG_URL=url)
    assert followed.returncode == 1
    assert f"error: the train job {endless.id} was cancelled" in followed.stderr
    assert "100 %" not in followed.stderr


def test_the_doctor_calls_on_a_service_and_finds_the_one_of_its_home(url: str, home: Path) -> None:
    damaged = home / "store" / "models" / "halved" / "model.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text('{"name": "ha')
    own = {"LATENTAUG_HOME": str(home), "LATENTAUG_PORT": str(ports.free("127.0.0.1"))}
    there, here = run("--url", url, "doctor"), run("doctor", **own)
    shutil.rmtree(damaged.parent)
    assert (there.returncode, here.returncode) == (0, 0), there.stdout + here.stdout
    assert "Redis, store and model server answer" in there.stdout
    assert f"answers at {url}" in here.stdout
    for said in (there.stdout, here.stdout):
        assert [row.split()[0] for row in rows(said, "warning")] == ["contents"]
        assert "the model 'halved' is damaged" in said
    gone = run("--url", f"http://127.0.0.1:{ports.free('127.0.0.1')}", "doctor")
    assert gone.returncode == 1
    assert "no answer from" in gone.stdout
    assert "fix: start the service, or correct --url" in gone.stdout


def test_a_service_that_is_not_there_is_said(folder: Path) -> None:
    done = run("--url", "http://127.0.0.1:9", "jobs")
    assert done.returncode == 1
    assert "error: no answer from http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_doctor_says_how_to_fix_what_it_finds(tmp_path: Path) -> None:
    own = {"LATENTAUG_HOME": str(tmp_path / "home"), "LATENTAUG_PORT": str(ports.free("127.0.0.1"))}
    idle = run("doctor", **own)
    assert idle.returncode == 0, idle.stdout
    assert [row.split()[0] for row in rows(idle.stdout, "ok")] == [
        "settings",
        "device",
        "store",
        "contents",
        "disk",
        "redis",
    ]
    assert len(rows(idle.stdout, "warning")) == 2, "neither the API nor the model server runs"
    assert idle.stdout.count("fix: `latentaug up` starts the whole service") == 2
    broken = run("doctor", **own, LATENTAUG_REDIS_URL="redis://127.0.0.1:9", LATENTAUG_DEVICE="cuda:7")
    assert broken.returncode == 1
    assert [row.split()[0] for row in rows(broken.stdout, "error")] == ["device", "redis"]
    assert "fix: set LATENTAUG_DEVICE to auto" in broken.stdout
    assert "fix: start the server, or correct LATENTAUG_REDIS_URL" in broken.stdout
    unknown = run("doctor", LATENTAUG_HOMER="x")
    assert unknown.returncode == 1
    assert "did you mean LATENTAUG_HOME" in " ".join(unknown.stdout.split())


@pytest.mark.slow
def test_up_runs_until_it_is_told_to_stop(tmp_path: Path) -> None:
    environment = {**os.environ, "LATENTAUG_HOME": str(tmp_path)}
    with subprocess.Popen([*LATENTAUG, "up", "--port", "0"], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert within(60, lambda: valkey.in_use(tmp_path))
        early = run("train", "digits", "--epochs", "1", LATENTAUG_HOME=str(tmp_path), LATENTAUG_PORT="9")
        assert early.returncode == 0, early.stderr
        assert "Waiting for the service that is starting" in early.stderr
        assert b"ready at http://127.0.0.1:" in process.stdout.readline()
        assert process.stdout.readline().decode() == f"It keeps models, data sets and results in {tmp_path}\n"
        found = run("datasets", LATENTAUG_HOME=str(tmp_path), LATENTAUG_PORT=str(ports.free("127.0.0.1")))
        assert found.returncode == 0, found.stderr
        assert "Starting" not in found.stderr, "the one that runs in the home is asked, whatever its port"
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    assert process.returncode == 0
