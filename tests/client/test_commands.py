"""What the command line does with many images, and with the jobs, models and data sets that a service has."""

from __future__ import annotations

import _thread
import io
import re
import signal
import subprocess
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from latentaug_client import Client, Invalid
from latentaug_client.folders import read_folder
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from latentaug.options import NAME
from service.cli import names, scaling
from service.cli.app import app
from service.cli.progress import show
from service.cli.reading import ReadAs
from service.cli.session import Target, session
from service.stack import address, valkey
from service.stack.address import Address
from tests.client.commands import LATENTAUG, manifest, not_taken, run, write_digits
from tests.client.conftest import MODEL
from tests.waiting import within


def test_many_images_go_to_a_job_by_themselves_and_nothing_is_lost(url: str, tmp_path: Path) -> None:
    folder, new = write_digits(tmp_path / "digits", range(300), ["a", "b", "c"]), tmp_path / "new"
    (folder / "b" / "torn.png").write_bytes((folder / "b" / "1.png").read_bytes()[:50])
    with Client(url) as client:
        before = {job.id for job in client.jobs("augment")}
    refused = run("--url", url, "augment", folder, "--out", new, "--model", MODEL)
    assert refused.returncode == 1
    assert "b/torn.png" in refused.stderr
    assert "give --skip-bad" in refused.stderr

    done = run("--url", url, "augment", folder, "--out", new, "--model", MODEL, "--k", "2", "--skip-bad")

    assert done.returncode == 0, done.stderr
    assert "600 new images" in done.stdout
    assert "made from 300 images; left out, as they cannot be read: b/torn.png" in done.stdout
    rows = manifest(new)
    assert sorted(row["file"] for row in rows) == sorted(p.relative_to(new).as_posix() for p in new.rglob("*.png"))
    assert {row["source"] for row in rows} == {str(path) for path in folder.rglob("*.png") if path.stem != "torn"}
    for row in rows:
        assert Path(row["source"]).parent.name == Path(row["neighbour"]).parent.name == row["label"]
        assert Path(row["file"]).name.startswith(f"{Path(row['source']).stem}-")
        pair = np.asarray(Image.open(row["source"])).astype(int), np.asarray(Image.open(new / row["file"]))
        assert np.abs(pair[0] - pair[1]).mean() < 90, "each new image is like its source"
    with Client(url) as client:
        (job,) = [job for job in client.jobs("augment") if job.id not in before]
        assert job.record["params"]["whole"]


def test_every_image_that_is_not_taken_is_named_however_many_there_are(url: str, tmp_path: Path) -> None:
    folder, new = write_digits(tmp_path / "many", range(40), ["a", "b"]), tmp_path / "new"
    whole = (folder / "a" / "0.png").read_bytes()
    for i in range(25):
        (folder / "b" / f"torn-{i}.png").write_bytes(whole[: 40 + i])
    (folder / "notes.txt").write_text("digits")
    torn = [f"b/torn-{i}.png" for i in range(25)]
    augment = ("--url", url, "augment", folder, "--out", new, "--model", MODEL, "--k", "1")
    train = ("--url", url, "train", folder, "--epochs", "1")

    refused = [run(*command) for command in (augment, train)]
    made = run(*augment, "--skip-bad")
    trained, again = run(*train, "--skip-bad", "--name", "many"), run(*train, "--skip-bad")

    for done in refused:
        assert done.returncode == 1
        assert all(f"{name}, " in done.stderr or f"{name}: " in done.stderr for name in torn), done.stderr
    assert made.returncode == 0, made.stderr
    assert f"26 files not taken, each with the reason: {tmp_path / 'new-not-taken.csv'}" in made.stdout
    assert set(not_taken(new)) == {*torn, "notes.txt"}
    assert "broken" in not_taken(new)[torn[0]]
    with Client(url) as client:
        name = client.model("many")["dataset"]
        for said in (trained.stderr, again.stderr):
            assert f"To see all images that cannot be read, type: latentaug datasets {name}" in said
            assert "is no image or is hidden, and was passed over: notes.txt" in said
        shown = run("--url", url, "datasets", name).stdout
        assert all(f"    {name}: " in shown for name in torn), shown
        for model in (names.model_name(name), "many"):
            client.delete_model(model)


def test_from_folders_to_test_with_a_job_makes_nothing(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    write_digits(folder / "train", range(280), ["a", "b"])
    write_digits(folder / "test", range(300, 320), ["a", "b"])
    done = run("--url", url, "augment", folder, "--out", tmp_path / "new", "--model", MODEL, "--k", "1")
    assert done.returncode == 0, done.stderr
    assert "280 new images" in done.stdout
    rows = manifest(tmp_path / "new")
    assert {Path(row[parent]).parts[-3] for row in rows for parent in ("source", "neighbour")} == {"train"}
    with Client(url) as client:
        assert not [dataset for dataset in client.datasets() if dataset["name"].startswith("augment-")]


def test_a_contact_sheet_lies_beside_the_new_images(url: str, tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "digits", range(60), ["a", "b"])
    done = run("--url", url, "augment", folder, "--out", tmp_path / "new", "--model", MODEL, "--k", "3")
    assert done.returncode == 0, done.stderr
    sheet = tmp_path / "new-contact-sheet.png"
    assert f"each beside its source: {sheet}" in done.stdout
    with Image.open(sheet) as image:
        assert image.size == (2 + 4 * 50, 2 + 16 * 50), "16 sources with three new images each, six times as large"
        first = np.asarray(image)[2:50:6, 2:50:6]
    sources = [np.asarray(Image.open(path)) for path in folder.rglob("*.png")]
    assert any((first == source).all() for source in sources)


def test_a_class_too_small_is_named_before_anything_is_trained(url: str, tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "digits", range(30), ["a", "b"])
    write_digits(folder, range(30, 32), ["rare"])
    done = run("--url", url, "augment", folder, "--out", tmp_path / "new")
    assert done.returncode == 1
    assert "rare (2)" in done.stderr
    assert "--k 1" in done.stderr
    with Client(url) as client:
        assert not [dataset for dataset in client.datasets() if dataset["images"] == 32]


def test_a_quick_try_is_a_model_of_its_own_and_which_model_is_used_is_said(url: str, tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "own", range(40), ["a", "b"])
    first = run("--url", url, "augment", folder, "--out", tmp_path / "one", "--epochs", "1", "--beta", "0.5")
    assert first.returncode == 0, first.stderr
    with Client(url) as client:
        (model,) = [model for model in client.models() if model["name"].startswith("own-")]
    assert (model["training"]["epochs"], model["training"]["beta"]) == (1, 0.5)
    again = run("--url", url, "augment", folder, "--out", tmp_path / "two", "--epochs", "1", "--beta", "0.5")
    assert again.returncode == 0, again.stderr
    assert f"Using the model {model['name']}, which was trained on these images before, for 1 epoch." in again.stderr
    assert f"delete it first: latentaug delete {model['name']}" in again.stderr
    both = run("--url", url, "augment", folder, "--out", tmp_path / "three", "--epochs", "2", "--model", MODEL)
    assert both.returncode == 1
    assert "--epochs says how a model is trained, and --model names one that is" in both.stderr
    usual = run("--url", url, "augment", folder, "--out", tmp_path / "three")
    assert usual.returncode == 0, usual.stderr
    assert "Using the model" not in usual.stderr
    with Client(url) as client:
        assert client.model(names.model_name(model["dataset"]))["training"]["epochs"] == 100
    assert {row["model"] for row in manifest(tmp_path / "three")} == {names.model_name(model["dataset"])}


def test_each_way_to_train_has_a_model_of_its_own_whose_name_the_service_takes() -> None:
    long = "x" * 64
    ways: list[dict[str, float]] = [{}, {"epochs": 1}, {"epochs": 11}, {"beta": 1e-5}, {"beta": 0.25, "epochs": 1}]
    found = [names.model_name(dataset, **way) for dataset in ("own-1a2b3c4d", long, f"{long[1:]}y") for way in ways]
    assert len(set(found)) == 15
    assert all(NAME.fullmatch(name) for name in found), found
    assert found[0] == "own-1a2b3c4d-vae"
    how = ReadAs(size=(128, 128), skip_bad=True, bits=16)
    assert len(names.dataset_name(Path("examples/digits.zip"), how)) <= 64


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["recommend", "photos", "--out", "new", "--budget", "-5"], "--budget is at least 1, and not -5"),
        (["augment", "photos", "--out", "new", "--k", "100"], "--k is at most 64, and not 100"),
        (["augment", "photos", "--out", "new", "--method", "foo"], "--method is noise, interpolation or extrapolation"),
        (["augment", "photos", "--out", "new", "--alpha", "nan"], "--alpha is a finite number"),
        (["label", "photos", "--out", "new", "--keep", "3"], "--keep is at most 1, and not 3"),
        (
            ["label", "photos", "--out", "new", "--layout", "tar"],
            "--layout is folders, huggingface, webdataset or yolo",
        ),
        (["train", "photos", "--latent-dim", "0"], "--latent-dim is at least 1, and not 0"),
        (["train", "photos", "--size", "4x4"], "--size is a height and a width of 8 to 256 pixels each"),
        (["evaluate", "photos", "--draws", "0"], "--draws is at least 1, and not 0"),
        (["evaluate", "photos", "--method", "foo"], "--method is noise, interpolation or extrapolation, and not foo"),
        (["evaluate", "photos", "--classifier", "knn", "--classifier", "knn"], "--classifier: name each only once"),
    ],
)
def test_a_value_that_is_not_allowed_is_told_before_anything_is_read(typed: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["--url", "http://127.0.0.1:9", *typed], env={"COLUMNS": "200"})
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {said}")


def test_a_taken_name_is_told_before_a_job_is_started(url: str, client: Client) -> None:
    before = {job.id for job in client.jobs("train")}
    done = CliRunner().invoke(app, ["--url", url, "train", "digits", "--name", MODEL])
    assert done.exit_code == 1
    assert f"there is a model named {MODEL} already; give another name with --name" in done.stderr
    assert {job.id for job in client.jobs("train")} == before


def test_labels_that_a_command_needs_are_missed_before_a_model_is_trained(url: str, tmp_path: Path) -> None:
    whole = write_digits(tmp_path / "whole", range(20), ["a", "b"])
    bare = write_digits(tmp_path / "bare", range(20), ["unlabelled"])
    for command, folder, said in (
        ("label", whole, "every image of {} has a label already"),
        ("label", bare, "no image of {} has a label"),
        ("recommend", bare, "no image of {} has a label"),
    ):
        done = run("--url", url, command, folder, "--out", tmp_path / "new")
        assert done.returncode == 1
        assert said.format(names.dataset_name(folder)) in done.stderr
    with Client(url) as client:
        assert not [model for model in client.models() if model["name"].startswith(("whole-", "bare-"))]


@pytest.mark.parametrize("command", ["augment", "label", "evaluate", "recommend"])
def test_help_says_how_a_model_is_trained(command: str) -> None:
    told = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "300"}).output.split())
    assert re.search(r"--epochs .* If a model is trained: Most passes over the training part", told)
    assert "--beta" in told
    assert ("--decode" in told) == (command in ("augment", "evaluate"))


def test_ids_are_whole_at_80_columns_and_may_be_typed_in_part(url: str) -> None:
    with Client(url) as client:
        done = client.augment_dataset("digits", MODEL, k=1).wait(timeout=120)
    listed = run("--url", url, "jobs", COLUMNS="80")
    assert done.id in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80
    ids = re.findall(r"^[0-9a-f]{32}", listed.stdout, re.MULTILINE)
    common = next(n for n in range(1, 33) if sum(other.startswith(done.id[:n]) for other in ids) == 1)
    followed = run("--url", url, "jobs", done.id[:common])
    assert followed.returncode == 0, followed.stderr
    assert run("--url", url, "jobs", done.id[-8:]).returncode == 0
    several = run("--url", url, "jobs", "--cancel", done.id[:1])
    assert several.returncode == 1
    assert "type more of the one you mean, or its last 8 characters" in several.stderr
    assert done.id in several.stderr
    assert "Of an id, its last 8 characters are enough." in listed.stderr


def test_several_jobs_that_begin_alike_are_counted_and_listed(url: str) -> None:
    with Client(url) as client:
        made = [client.augment_dataset("digits", MODEL, k=1) for _ in range(2)]
        while made[-1].id[:8] != made[-2].id[:8]:  # another minute has begun
            made.append(client.augment_dataset("digits", MODEL, k=1))
        begin = made[-1].id[:8]
        alike = [job.id for job in client.jobs(limit=200) if job.id.startswith(begin)]
        refused = run("--url", url, "delete", begin, "--yes")
        assert refused.returncode == 1
        assert f"{len(alike)} jobs have ids that begin or end with {begin}: {alike[0]}, " in refused.stderr
        assert f" and {len(alike) - 5} more;" in refused.stderr or len(alike) <= 5
        for job in made:
            job.wait(timeout=120)
            deleted = run("--url", url, "delete", job.id[-8:], "--yes")
            assert f"Deleted the job {job.id}." in deleted.stdout, deleted.stderr


def test_models_and_data_sets_are_listed_in_sentences(url: str) -> None:
    models = run("--url", url, "models").stdout
    told = (
        rf"{MODEL}: paper network with 20 latent dimensions for images of 8x8 grey, trained on digits, reconstructs to"
    )
    assert re.search(told + r" \d+\.\d dB\n    \S", models), models
    datasets = run("--url", url, "datasets").stdout
    assert "digits: 1,797 images of 8x8 grey, 10 classes; 1079 to train on, 179 to validate and 539 to test" in datasets


def test_delete_asks_first_and_says_what_would_be_lost(url: str, images: np.ndarray, labels: np.ndarray) -> None:
    with Client(url) as client:
        client.upload("shelved", images, labels)
        client.train("shelved", name="shelved-vae", epochs=1).wait(timeout=120)
        endless = client.train("digits", name="endless", epochs=10_000, patience=10_000)
        runner, command = CliRunner(), ["--url", url, "delete"]
        kept = runner.invoke(app, [*command, "shelved"], input="n\n")
        assert kept.exit_code == 1
        assert (
            "The data set shelved with 40 images. Models trained on it, which would lose it: shelved-vae."
            in kept.stdout
        )
        assert "Nothing was deleted." in kept.stdout
        client.dataset("shelved")
        unknown = runner.invoke(app, [*command, "shelved", "nothing", "--yes"])
        assert unknown.exit_code == 1
        assert "no model, data set or job named 'nothing'" in unknown.stderr
        client.dataset("shelved")  # one wrong name, and nothing is deleted
        gone = runner.invoke(app, [*command, "shelved-vae", endless.id, "shelved"], input="y\n")
        assert gone.exit_code == 0, gone.output
        assert f"Stopped the job {endless.id}." in gone.output
        assert endless.refresh().status == "cancelled"
        assert "shelved" not in [dataset["name"] for dataset in client.datasets()]
        assert "shelved-vae" not in [model["name"] for model in client.models()]


def test_an_ended_job_is_deleted_with_what_it_made_and_its_model_stays(url: str, home: Path) -> None:
    with Client(url) as client:
        job = client.train("digits", name="stays", epochs=1).wait(timeout=120)
        early = run("--url", url, "delete", job.id[:7], "--yes")
        assert early.returncode == 1, "too few characters to delete anything by"
        done = run("--url", url, "delete", job.id[:20], "--yes")
        assert done.returncode == 0, done.stderr
        assert f"The train job {job.id} (succeeded), with what it made. The model that it trained stays." in done.stdout
        assert f"Deleted the job {job.id}." in done.stdout
        assert job.id not in run("--url", url, "jobs").stdout
        assert not (home / "store" / "jobs" / job.id).exists()
        client.delete_model("stays")


def test_what_is_damaged_is_named_and_can_be_deleted(url: str, home: Path) -> None:
    for kind, file in (("models", "model.json"), ("datasets", "dataset.json")):
        place = home / "store" / kind / "torn"
        place.mkdir(parents=True)
        (place / file).write_text('{"name": "to')

        listed = run("--url", url, kind)
        deleted = run("--url", url, "delete", "torn", "--yes")

        assert re.search(r"^torn: .*damaged", listed.stdout, re.MULTILINE), listed.stdout + listed.stderr
        assert deleted.returncode == 0, deleted.stderr
        assert "which cannot be read" in deleted.stdout
        assert "torn" not in run("--url", url, kind).stdout


def test_a_name_of_two_things_is_asked_about(url: str, images: np.ndarray) -> None:
    with Client(url) as client:
        client.upload("twice", images)
        client.train("twice", name="twice", epochs=1).wait(timeout=120)
        both = run("--url", url, "delete", "twice", "--yes")
        assert both.returncode == 1
        assert "--kind model or --kind dataset" in both.stderr
        for kind in ("model", "dataset"):
            assert run("--url", url, "delete", "twice", "--yes", "--kind", kind).returncode == 0
        assert "twice" not in [thing["name"] for thing in client.models() + client.datasets()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_left_behind_is_named(url: str, number: signal.Signals) -> None:
    command = [*LATENTAUG, "--url", url, "train", "digits", "--name", f"left-{number}", "--epochs", "10000"]
    with Client(url) as client, subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:

        def mine() -> list[str]:
            return [job.id for job in client.jobs("train") if job.record["params"]["name"] == f"left-{number}"]

        assert within(60, lambda: bool(mine()))
        assert process.stderr is not None
        assert within(60, lambda: client.job(mine()[0]).status == "running")
        process.send_signal(number)
        said = process.stderr.read()
        assert process.wait(20) == (130 if number == signal.SIGINT else 128 + number)
        (job,) = mine()
        assert f"train job {job} was not cancelled" in said
        assert f"type: latentaug jobs {job}" in said
        assert "service that this command started" not in said, "it started none"
        assert f"type: latentaug jobs --cancel {job}" in said
        assert run("--url", url, "jobs", "--cancel", job[:16]).returncode == 0
        assert client.job(job).status == "cancelled"


def test_where_a_command_waits_for_a_model_first_it_may_be_typed_again(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(url) as client:
        job = client.train("digits", epochs=10_000, patience=10_000)
        threading.Timer(0.5, _thread.interrupt_main).start()
        with pytest.raises(KeyboardInterrupt):
            show(job, first=True)
        job.cancel()
    said = " ".join(capsys.readouterr().err.split())
    assert "To wait for it and then go on, type the same command again. To follow it, type: latentaug jobs" in said


def test_looking_starts_nothing_that_computes(tmp_path: Path) -> None:
    done = run("jobs", LATENTAUG_HOME=str(tmp_path / "home"), LATENTAUG_PORT="9")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "There is no job yet.\n"
    assert not list((tmp_path / "home").glob("model-server*"))
    assert not (tmp_path / "home" / "address").exists(), "a service that has ended is not noted any more"


def test_a_service_that_ends_with_another_command_is_not_relied_on(url: str, tmp_path: Path) -> None:
    address.note(tmp_path, Address(url, passing=True))  # as of a service that another command has started
    own = {"LATENTAUG_HOME": str(tmp_path), "LATENTAUG_PORT": "9"}
    looked = run("models", **own)
    assert looked.returncode == 0, looked.stderr
    assert MODEL in looked.stdout
    computed = run("train", "digits", **own)
    assert computed.returncode == 1
    assert "start `latentaug up` once" in computed.stderr


def test_a_service_that_is_still_starting_is_waited_for(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATENTAUG_HOME", str(tmp_path))
    monkeypatch.setenv("LATENTAUG_PORT", "9")
    said = io.StringIO()
    starting = valkey.EmbeddedRedis(tmp_path)  # the first that a service starts
    starting.start()
    try:
        assert valkey.in_use(tmp_path)
        ready = threading.Timer(1, address.note, [tmp_path, Address(url, passing=False)])
        ready.start()
        with session(Target(), Console(file=said, width=200)) as client:
            assert MODEL in [model["name"] for model in client.models()]
    finally:
        starting.stop()
    assert f"Waiting for the service that is starting in {tmp_path} ..." in said.getvalue()
    assert not valkey.in_use(tmp_path)


def samples(url: str, dataset: str) -> np.ndarray:
    accept = {"Accept": "application/x-npz"}
    answer = httpx.get(f"{url}/v1/datasets/{dataset}/images", params={"count": 11}, headers=accept)
    images: np.ndarray = np.load(io.BytesIO(answer.content))["images"]
    return images


def test_large_photos_are_scaled_down_before_they_are_sent(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "photos" / f"class {i % 2}" / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8)).resize((400, 300)).save(path, quality=99)
    path.write_bytes(path.read_bytes()[:1000])
    folder, size = read_folder(tmp_path / "photos"), (24, 32)
    sent = scaling.scaled(folder, size)
    assert len(sent) < 12 * 5000, "a thousandth of a phone's photo"
    with Client(url) as client:
        client.upload("sent-whole", tmp_path / "photos", size=size, skip_bad=True)
        monkeypatch.setattr(scaling, "LARGE_BYTES", 1000)
        with pytest.raises(Invalid, match=r"11\.jpg"):
            names.dataset(client, str(tmp_path / "photos"), Console(file=io.StringIO()), ReadAs(size=size))
        said = io.StringIO()
        how = ReadAs(size=size, skip_bad=True)
        small = names.dataset(client, str(tmp_path / "photos"), Console(file=said, width=200), how)
        described = [client.dataset(name) for name in ("sent-whole", small)]
        assert "11.jpg" in said.getvalue()
        for same in ("images", "classes", "class_counts", "height", "width", "parts"):
            assert described[0][same] == described[1][same]
        whole, scaled = (samples(url, each["name"]) for each in described)
        assert (whole == scaled).all(), "the same pixels as the service makes"
        for each in described:
            client.delete_dataset(each["name"])
