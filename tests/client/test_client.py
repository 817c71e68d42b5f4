"""The client against a real service: what goes in, what comes out, and what is raised."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from latentaug_client import (
    AsyncClient,
    AsyncJob,
    Client,
    Conflict,
    ImageWarning,
    Invalid,
    Job,
    JobFailed,
    LatentaugError,
    NotFound,
    Unreachable,
)
from latentaug_client.folders import read_folder
from latentaug_client.payloads import dataset_body, read_labelled
from latentaug_client.retries import Retries
from PIL import Image
from sklearn.svm import SVC

from tests.client.conftest import DIGITS, MODEL


def test_arrays_come_back_augmented_with_labels_and_sources(
    client: Client, images: np.ndarray, labels: np.ndarray
) -> None:
    made = client.augment(images, labels, model=MODEL, method="extrapolation", k=2)
    assert made.images.shape == (80, 8, 8)
    assert made.images.dtype == np.uint8
    assert made.source.tolist() == [i for i in range(40) for _ in range(2)]
    assert (made.labels == labels[made.source]).all()
    assert (labels[made.neighbour] == labels[made.source]).all()


def test_every_form_of_image_gives_the_same_answer(client: Client, images: np.ndarray, tmp_path: Path) -> None:
    pictures = [Image.fromarray(image) for image in images[:6]]
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for picture, path in zip(pictures, paths, strict=True):
        picture.save(path)
    forms = [images[:6], list(images[:6]), images[:6] / 255, pictures, paths, [path.read_bytes() for path in paths]]
    answers = [client.augment(form, model=MODEL, k=2, alpha=0.3).images for form in forms]
    assert all((answer == answers[0]).all() for answer in answers)


def test_what_is_doubtful_about_images_is_a_warning_of_the_line_that_sent_them(client: Client) -> None:
    dark = DIGITS.images[:8, ..., 0] // 16
    with pytest.warns(ImageWarning, match="all are nearly black") as told:
        client.augment(dark, model=MODEL, method="noise")
    assert [warning.filename for warning in told] == [__file__]


def test_what_is_missing_is_named_in_the_words_of_python(client: Client, images: np.ndarray) -> None:
    for call, said in (
        (lambda: client.augment(images, model="nothing"), r"no model named 'nothing'; client\.models\(\) lists"),
        (lambda: client.augment(images, model="a/b"), r"no model named 'a/b'; client\.models\(\) lists"),
        (lambda: client.delete_dataset(".."), r"no data set named '\.\.'; client\.datasets\(\) lists"),
        (lambda: client.train("nothing"), r"no data set named 'nothing'; client\.datasets\(\) lists"),
        (lambda: client.job("0" * 32), r"no job with the id '0+'; client\.jobs\(\) lists"),
    ):
        with pytest.raises(NotFound, match=said) as missing:
            call()
        assert "GET" not in str(missing.value)
        assert pickle.loads(pickle.dumps(missing.value)).missing == missing.value.missing


def test_text_labels_are_kept(client: Client, images: np.ndarray) -> None:
    names = ["even" if i % 2 == 0 else "odd" for i in range(40)]
    made = client.augment(images, names, model=MODEL, k=1)
    assert made.labels is not None
    assert made.labels.tolist() == names


@pytest.mark.parametrize("sign", [None, -1])
def test_images_without_a_label_may_lie_among_others(
    client: Client, images: np.ndarray, labels: np.ndarray, sign: int | None
) -> None:
    some = [sign if i % 4 == 0 else int(label) for i, label in enumerate(labels)]
    made = client.augment(images, some, model=MODEL, k=2)
    known = np.array([label not in (None, -1) for label in some])
    assert made.labels is not None
    assert made.labels.tolist() == [-1 if some[source] is None else some[source] for source in made.source]
    assert (made.labels[known[made.source]] == labels[made.neighbour][known[made.source]]).all()
    files = client.augment([Image.fromarray(image) for image in images], some, model=MODEL, k=2)
    assert (files.images == made.images).all()
    assert files.labels is not None
    assert files.labels.tolist() == made.labels.tolist()


def test_the_quality_of_images_is_told_in_numbers_and_words(client: Client, images: np.ndarray, tmp_path: Path) -> None:
    assert DIGITS.labels is not None
    names = [str(label) for label in DIGITS.labels[:40]]
    paths = [tmp_path / f"{i}.png" for i in range(40)]
    for image, path in zip(images, paths, strict=True):
        Image.fromarray(image).save(path)

    found = client.quality(images, names, model=MODEL)

    assert found["new_images"] == len(found["nearest"]) == 40
    assert 0.3 < found["label_agreement"] <= 1
    assert found["sentence"].endswith("50 % would mean that nothing is copied.")
    assert client.quality(paths, names, model=MODEL) == found
    noise = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    assert client.quality(noise, model=MODEL)["nearer_than_unseen"] < found["nearer_than_unseen"]
    with pytest.raises(Invalid, match="has no label 'cat'"):
        client.quality(images, ["cat"] * 40, model=MODEL)


def test_latents_go_there_and_back(client: Client, images: np.ndarray) -> None:
    encoded = client.encode(images, model=MODEL)
    assert encoded.latents.shape == encoded.log_variances.shape == (40, 20)
    assert encoded.reconstruction_error.shape == (40,)
    assert client.decode(encoded.latents, model=MODEL).shape == images.shape
    strip = client.interpolate(images[0], images[1], model=MODEL, steps=5)
    assert strip.shape == (5, 8, 8)


def test_a_data_set_is_uploaded_from_an_array_a_zip_or_a_folder(client: Client, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i in range(20):
            path = folder / f"{i % 2}" / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(DIGITS.images[i, ..., 0]).save(path)
            archive.write(path, f"{i % 2}/{i}.png")
    (tmp_path / "photos.zip").write_bytes(out.getvalue())
    by_array = client.upload("by-array", DIGITS.images[:20], [i % 2 for i in range(20)])
    by_zip = client.upload("by-zip", tmp_path / "photos.zip")
    by_folder = client.upload("by-folder", folder, size="16x16")
    assert by_array["images"] == by_zip["images"] == by_folder["images"] == 20
    assert by_folder["height"] == 16
    assert {"by-array", "by-zip", "by-folder"} <= {dataset["name"] for dataset in client.datasets()}
    with pytest.raises(Conflict):
        client.upload("by-zip", tmp_path / "photos.zip")
    (folder / "0" / "cut.png").write_bytes((folder / "0" / "0.png").read_bytes()[:40])
    with pytest.raises(LatentaugError, match=r"1 image cannot be read: 0/cut\.png"):
        client.upload("by-bad-folder", folder)
    readable = client.upload("by-bad-folder", folder, skip_bad=True)
    assert (readable["images"], readable["unreadable"]["files"][0]["file"]) == (20, "0/cut.png")
    client.delete_dataset("by-zip")
    with pytest.raises(NotFound):
        client.dataset("by-zip")


def test_a_data_set_may_be_labelled_in_part(client: Client, tmp_path: Path) -> None:
    labels = [None if i % 2 else i % 4 for i in range(40)]
    for i, label in enumerate(labels):
        folder = tmp_path / ("pool/deep" if label is None else f"photos/{label}")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(DIGITS.images[i, ..., 0]).save(folder / f"{i}.png")
    by_array = client.upload("partly-array", DIGITS.images[:40], labels)
    by_folders = client.upload("partly-folders", tmp_path / "photos", unlabelled=tmp_path / "pool")
    (tmp_path / "pool").rename(tmp_path / "photos" / "unlabelled")
    by_folder = client.upload("partly-folder", tmp_path / "photos")
    for described in (by_array, by_folders, by_folder):
        assert (described["labelled"], described["unlabelled"]) == (20, 20)
        assert described["classes"] == ["0", "2"]
        client.delete_dataset(described["name"])


def test_folders_of_unlabelled_images_that_would_be_misread_are_refused(tmp_path: Path) -> None:
    for name in ("photos/a/1.png", "photos/unlabelled/2.png", "photos/pool/3.png", "more/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    photos, more = tmp_path / "photos", tmp_path / "more"
    with pytest.raises(ValueError, match="lies inside"):
        read_folder(photos, photos / "pool")
    with pytest.raises(ValueError, match="lies inside"):
        read_folder(photos / "a", photos)
    with pytest.raises(ValueError, match=r"would both be unlabelled/2\.png"):
        read_folder(photos, more)
    with pytest.raises(ValueError, match="with a folder of class folders"):
        dataset_body(DIGITS.images, None, more)


def test_a_job_is_waited_for_followed_and_read(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    job = client.augment_dataset("digits", MODEL, k=1).wait(progress=True, timeout=120)
    assert job.status == "succeeded"
    assert "augment succeeded 100 %" in capsys.readouterr().err
    assert read_labelled(job.result("npz")).images.shape[1:] == (8, 8)
    assert [event.type for event in job.events()][-1] == "end"
    assert client.job(job.id).record == job.record
    assert job.id in [other.id for other in client.jobs("augment")]


def test_the_same_key_is_the_same_job(client: Client) -> None:
    first, second, third = (client.augment_dataset("digits", MODEL, key=key, k=1) for key in ("one", "one", "two"))
    assert first.id == second.id != third.id
    for job in (first, third):
        job.wait(timeout=120)


def test_a_cancelled_job_is_a_failure_to_who_waits(client: Client) -> None:
    job = client.train("digits", name="never", epochs=10_000, patience=10_000)
    job.cancel()
    with pytest.raises(JobFailed, match="cancelled"):
        job.wait(timeout=60)


def test_a_job_that_takes_longer_than_one_waits_goes_on(client: Client) -> None:
    job = client.train("digits", name="long", epochs=10_000, patience=10_000)
    with pytest.raises(TimeoutError, match="goes on"):
        job.wait(timeout=0.1)
    assert job.refresh().status in ("queued", "running")
    job.cancel()


def test_what_is_wrong_is_said_in_the_services_words(client: Client, images: np.ndarray) -> None:
    with pytest.raises(NotFound) as missing:
        client.augment(images, model="nobody")
    assert (missing.value.status, missing.value.code) == (404, "not_found")
    with pytest.raises(Invalid) as wrong:
        client.augment(images, model=MODEL, k=0)
    assert wrong.value.errors[0][0] == "k"
    with pytest.raises(ValueError, match="3 labels"):
        client.augment(images, [1, 2, 3], model=MODEL)
    with pytest.raises(ValueError, match="several shapes"):
        client.augment([images[0], images[0, :4]], model=MODEL)


def test_where_nothing_listens_it_says_so() -> None:
    with Client("http://127.0.0.1:9", retries=Retries(attempts=2, pause=0.01)) as client:
        assert not client.ready()
        with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
            client.models()


def test_the_awaited_client_does_the_same(url: str, images: np.ndarray) -> None:
    async def use() -> None:
        async with AsyncClient(url) as client:
            assert await client.ready()
            made, encoded, models = await asyncio.gather(
                client.augment(images, model=MODEL, k=2), client.encode(images, model=MODEL), client.models()
            )
            assert len(made.images) == 2 * len(encoded.latents) == 80
            assert MODEL in [model["name"] for model in models]
            job = await client.augment_dataset("digits", MODEL, k=1)
            events = [event.type async for event in job.events()]
            assert events[-1] == "end"
            await job.wait(timeout=60)
            assert (await job.result("json"))[:1] == b"{"
            with pytest.raises(NotFound):
                await client.model("nobody")

    asyncio.run(use())


@pytest.mark.parametrize(("awaited", "waiting"), [(AsyncClient, Client), (AsyncJob, Job)])
def test_both_clients_have_the_same_methods(awaited: type, waiting: type) -> None:
    def public(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in found if not name.startswith("_")}

    assert public(awaited) == public(waiting)


def test_label_names_the_images_that_have_no_label(client: Client) -> None:
    images, truth = DIGITS.images[:900, ..., 0], np.asarray(DIGITS.labels)[:900]
    labels = np.where(np.arange(900) < 100, truth, -1)

    spread = client.label(images, labels, model=MODEL)
    sure = client.label(images, [str(label) if label >= 0 else None for label in labels], model=MODEL, keep=0.5)

    named = (labels < 0) & (spread.labels >= 0)
    assert (spread.labels == truth)[named].mean() > 0.95
    assert named.sum() > 750
    assert sure.labels[spread.labels >= 0].tolist() == [str(label) for label in spread.labels[spread.labels >= 0]]
    assert sure.kept[named].sum() == round(0.5 * named.sum())


def test_label_dataset_gives_a_training_set_that_a_classifier_learns_from(client: Client) -> None:
    images, truth = DIGITS.images[:900, ..., 0], np.asarray(DIGITS.labels)[:900]
    client.upload("few-labels", images, np.where(np.arange(900) < 100, truth, -1))

    job = client.label_dataset("few-labels", MODEL, seed=1).wait(timeout=200)

    result = json.loads(job.result())
    made = np.load(io.BytesIO(job.result("npz")))
    rows = [entry for entry in result["rows"] if entry["label"] is not None]
    right = np.mean([entry["label"] == str(truth[entry["row"]]) for entry in rows])
    assert right > 0.95
    assert result["expected_accuracy"]["low"] <= right <= result["expected_accuracy"]["high"]
    assert len(made["images"]) == result["kept"] == len(made["labels"])
    assert job.result("csv").decode().splitlines()[0] == "row,label,confidence,kept,nearest"
    assert job.result("zip")[:2] == b"PK"
    others = DIGITS.images[900:1200, ..., 0].reshape(300, -1)
    learnt = SVC().fit(made["images"].reshape(len(made["images"]), -1), made["labels"])
    assert (learnt.predict(others) == DIGITS.labels[900:1200].astype(str)).mean() > 0.88
    client.delete_dataset("few-labels")
