"""The images of a job in the layouts of other tools, over real HTTP; the tests themselves act as the worker."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest
from latentaug_client import Client
from pyarrow import parquet

from latentaug.datasets import digits
from latentaug.imaging.archives import write_zip
from latentaug.runtime.jobs import Attempts
from service.cli.destination import unpack
from tests.api.services import Home

JOBS = "/v1/jobs"
DIGITS = digits.load()
LAYOUTS = {
    "huggingface": "application/vnd.apache.parquet",
    "webdataset": "application/x-tar",
    "yolo": "application/zip",
}
pytestmark = pytest.mark.usefixtures("empty_redis")


def test_an_augment_jobs_images_come_in_the_layouts_of_other_tools(
    api: httpx.Client, home: Home, worker: Attempts
) -> None:
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    images, names = DIGITS.images[:3], ["3", "7", "3"]
    made = write_zip(list(images), names, [{"source": i, "label": name} for i, name in enumerate(names)])
    home.store.put(f"jobs/{job}/images.zip", made)
    home.store.put(f"jobs/{job}/result.json", json.dumps({"dataset_checksum": DIGITS.checksum}).encode())
    result = f"{JOBS}/{job}/result"
    early = api.get(result, params={"layout": "yolo"})
    worker.finish(job, 1, "succeeded", {})

    got = {layout: api.get(result, params={"layout": layout}) for layout in LAYOUTS}

    assert early.status_code == 409
    assert {layout: answer.headers["content-type"] for layout, answer in got.items()} == LAYOUTS
    table = parquet.read_table(io.BytesIO(got["huggingface"].content))
    assert table["label"].to_pylist() == [3, 7, 3]
    with tarfile.open(fileobj=io.BytesIO(got["webdataset"].content)) as archive:
        assert len(archive.getnames()) == 9
    with zipfile.ZipFile(io.BytesIO(got["yolo"].content)) as archive:
        assert sum(name.startswith("test/") for name in archive.namelist()) == len(DIGITS.test)
    assert api.get(result, params={"layout": "yolo"}, headers={"Accept": "text/csv"}).status_code == 406
    assert api.get(result, params={"layout": "coco"}).status_code == 422


def test_a_layout_needs_images_and_the_data_set_as_it_was(api: httpx.Client, home: Home, worker: Attempts) -> None:
    training = api.post(f"{JOBS}/train", json={"dataset": "digits", "name": "laid-out"}).json()["id"]
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    home.store.put(f"jobs/{job}/images.zip", write_zip([], None, []))
    home.store.put(f"jobs/{job}/result.json", json.dumps({"dataset_checksum": "0" * 64}).encode())
    worker.finish(job, 1, "succeeded", {})

    no_images = api.get(f"{JOBS}/{training}/result", params={"layout": "webdataset"})
    replaced = api.get(f"{JOBS}/{job}/result", params={"layout": "webdataset"})

    assert no_images.status_code == 422
    assert "makes no images" in no_images.json()["detail"]
    assert replaced.status_code == 404
    assert "take the job's images as folders" in replaced.json()["detail"]


MADE = write_zip(list(DIGITS.images[:2]), ["3", "7"], [{"label": "3"}, {"label": "7"}])
TOLD = json.dumps({"dataset_checksum": DIGITS.checksum}).encode()


def _zip_of(manifest: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.csv", manifest)
    return out.getvalue()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_result_that_is_damaged_is_called_so(api: httpx.Client, home: Home, worker: Attempts, layout: str) -> None:
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    worker.finish(job, 1, "succeeded", {})
    cut, overwritten = MADE[:-30], MADE[:200] + bytes(200) + MADE[400:]
    manifests = ["", "label\n3", "file\ngone.png", "file,label\nmanifest.csv,no such class"]
    damaged = [(made, TOLD) for made in (b"", b"PK", cut, overwritten, *map(_zip_of, manifests))]
    damaged += [(MADE, told) for told in (b"", b"{", b"[]", b"{}", b"null", b"\xff")]

    for made, told in damaged:
        home.store.put(f"jobs/{job}/images.zip", made)
        home.store.put(f"jobs/{job}/result.json", told)
        answer = api.get(f"{JOBS}/{job}/result", params={"layout": layout})
        assert answer.status_code in (200, 409), (made, told)  # 200: an empty table, or what no class is needed for
        assert answer.status_code == 200 or "run the job again" in answer.json()["detail"]
    assert api.get(f"{JOBS}/{job}/result", params={"layout": layout}).status_code == 409


def test_very_many_images_come_in_shards_each_by_its_number(
    api: httpx.Client, home: Home, worker: Attempts, tmp_path: Path
) -> None:
    job = api.post(f"{JOBS}/augment", json={"dataset": "digits", "model": "eight"}).json()["id"]
    worker.claim(job, 1)
    for number in range(2):
        images = list(DIGITS.images[2 * number :][:2])
        rows = [{"source": 2 * number}, {"source": 2 * number + 1}]
        home.store.put(f"jobs/{job}/images-{number}.zip", write_zip(images, ["3", "7"], rows, first=2 * number))
    home.store.put(f"jobs/{job}/result.json", json.dumps({"dataset_checksum": DIGITS.checksum}).encode())
    worker.finish(job, 1, "succeeded", {"shards": 2})
    zipped, result = {"Accept": "application/zip"}, f"{JOBS}/{job}/result"

    unnamed, beyond = api.get(result, headers=zipped), api.get(result, params={"shard": 2}, headers=zipped)
    second = api.get(result, params={"shard": 1}, headers=zipped)
    laid_out = api.get(result, params={"shard": 1, "layout": "huggingface"})

    assert (unnamed.status_code, beyond.status_code) == (422, 422)
    assert "shard=0 to 1" in unnamed.json()["detail"]
    assert second.content == home.store.get(f"jobs/{job}/images-1.zip")
    assert parquet.read_table(io.BytesIO(laid_out.content))["source"].to_pylist() == [2, 3]
    assert api.get(result, headers={"Accept": "application/json"}).status_code == 200

    with Client(str(api.base_url)) as client:
        unpack(client.job(job), "folders", tmp_path)
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}
    assert files == {"3/000000.png", "7/000001.png", "3/000002.png", "7/000003.png"}
    lines = (tmp_path / "manifest.csv").read_text().splitlines()
    assert lines[0] == "file,source"
    assert {line.split(",")[0] for line in lines[1:]} == files
