"""What callers read where the store has a fault: which of their things it is about, and what to do. Never a 500."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.api import services
from tests.api.bodies import NPY, NPZ, npy, npz, pictures, post
from tests.api.services import Home

DATASETS, MODELS = "/v1/datasets", "/v1/models"
LARGE = 400_000  # bytes of images


@pytest.fixture(scope="module")
def own() -> Iterator[Home]:
    """A home whose store the tests damage."""
    with services.home() as made:
        yield made


@pytest.fixture(scope="module")
def process(own: Home) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    """An API on that home, and its client."""
    port = services.free_port()
    environment = own.environment(port=port, log_level="error")
    with (
        services.process("service.api", environment) as running,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        services.wait_until(lambda: services.answers(client))
        yield running, client


@pytest.fixture(scope="module")
def client(process: tuple[subprocess.Popen[bytes], httpx.Client]) -> httpx.Client:
    return process[1]


def upload(client: httpx.Client, name: str, images: np.ndarray | None = None) -> httpx.Response:
    images = pictures(8) if images is None else images
    return post(client, DATASETS, npz(images=images), NPZ, "application/json", name=name)


def files_of(home: Home, name: str) -> list[Path]:
    return [path for path in (home.folder / "store" / "datasets" / name).rglob("*") if path.is_file()]


def check(answer: httpx.Response, status: int, code: str, *said: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    for words in said:
        assert words in answer.json()["detail"]


@pytest.mark.parametrize("fault", ["a bit", "cut", "missing"])
def test_a_damaged_data_set_is_named_and_can_be_deleted_and_uploaded_again(
    client: httpx.Client, own: Home, fault: str
) -> None:
    assert upload(client, "cracked").status_code == 201
    (arrays,) = (file for file in files_of(own, "cracked") if file.suffix == ".safetensors")
    written = bytearray(arrays.read_bytes())
    written[len(written) // 2] ^= 255
    if fault == "missing":
        arrays.unlink()
    else:
        arrays.write_bytes(written if fault == "a bit" else written[:100])

    shown = client.get(f"{DATASETS}/cracked/images", params={"count": 2})

    check(shown, 409, "damaged", "the data set 'cracked' is damaged", "delete it and upload it again")
    assert client.delete(f"{DATASETS}/cracked").status_code == 204
    assert upload(client, "cracked").status_code == 201
    assert client.delete(f"{DATASETS}/cracked").status_code == 204


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"\xff\xfe", b"[]"])
def test_one_broken_description_hides_no_other_data_set(client: httpx.Client, own: Home, content: bytes) -> None:
    upload(client, "broken")
    upload(client, "whole")
    own.store.put("datasets/broken/dataset.json", content)

    listed = client.get(DATASETS).json()

    names = {dataset["name"] for dataset in listed["datasets"]}
    assert {"digits", "whole"} <= names
    assert "broken" not in names
    assert [entry["name"] for entry in listed["damaged"]] == ["broken"]
    assert "delete it and upload it again" in listed["damaged"][0]["detail"]
    check(client.get(f"{DATASETS}/broken"), 409, "damaged", "'broken'")
    check(client.post("/v1/jobs/train", json={"dataset": "broken"}), 409, "damaged", "'broken'")
    assert client.delete(f"{DATASETS}/broken").status_code == 204
    assert client.get(DATASETS).json()["damaged"] == []
    client.delete(f"{DATASETS}/whole")


def test_what_a_newer_service_has_written_is_refused_in_words(client: httpx.Client, own: Home) -> None:
    written = b'{"format": 3, "whatever": "there will be"}'
    own.store.put("models/later/model.json", written)
    own.store.put("datasets/later/dataset.json", written)
    own.store.put(f"jobs/{'f' * 32}/record.json", written)
    said = "was written by a newer latentaug (format 3; this one reads up to 1): upgrade this service"

    for path in (MODELS, DATASETS):
        assert client.get(path).json()["damaged"][0]["detail"].endswith(said)
        check(client.get(f"{path}/later"), 409, "newer_format", said)
    check(post(client, f"{MODELS}/later/encode", npy(pictures(1)), NPY), 409, "newer_format", "the model 'later'")
    check(client.get(f"{DATASETS}/later/images"), 409, "newer_format", "the data set 'later'")
    for kind, asked in {"train": {}, "augment": {"model": "later"}}.items():
        check(client.post(f"/v1/jobs/{kind}", json={"dataset": "later", **asked}), 409, "newer_format", said)
    check(client.get(f"/v1/jobs/{'f' * 32}"), 409, "newer_format", "the record of job ffff")
    check(client.get(f"/v1/jobs/{'f' * 32}/result"), 409, "newer_format", said)
    assert client.get("/v1/jobs").json()["jobs"] == []
    for path in (MODELS, DATASETS):
        assert client.delete(f"{path}/later").status_code == 204


def test_one_broken_description_hides_no_other_model(client: httpx.Client, own: Home) -> None:
    for name in ("broken", "whole"):
        services.save_model(own.store, name, 12, 10, 1)
    own.store.put("models/broken/model.json", b"{}")

    listed = client.get(MODELS).json()

    assert [model["name"] for model in listed["models"]] == ["whole"]
    assert [entry["name"] for entry in listed["damaged"]] == ["broken"]
    assert "delete it and train it again" in listed["damaged"][0]["detail"]
    check(client.get(f"{MODELS}/broken"), 409, "damaged", "'broken'")
    check(post(client, f"{MODELS}/broken/encode", npy(pictures(1)), NPY), 409, "damaged", "'broken'")
    assert client.delete(f"{MODELS}/broken").status_code == 204
    assert client.get(MODELS).json()["damaged"] == []


def test_damaged_weights_are_told_of_and_other_models_go_on(api: httpx.Client, home: Home) -> None:
    services.save_model(home.store, "worn", 12, 10, 1)
    home.store.put(f"models/worn/{'1' * 32}/weights.safetensors", b"not these")

    encoded = post(api, f"{MODELS}/worn/encode", npy(pictures(1)), NPY)

    check(encoded, 409, "damaged", "the model 'worn' is damaged", "delete it and train it again")
    assert post(api, f"{MODELS}/tiny/encode", npy(pictures(1)), NPY).status_code == 200
    assert api.delete(f"{MODELS}/worn").status_code == 204


def test_damaged_latents_of_a_model_are_told_of(client: httpx.Client, own: Home) -> None:
    services.save_model(own.store, "faint", 12, 10, 1)
    own.store.delete(f"models/faint/{'1' * 32}/latents.safetensors")

    check(client.get(f"{MODELS}/faint/projection"), 409, "damaged", "latents.safetensors is missing")


def test_a_damaged_record_of_a_job_is_told_of(client: httpx.Client, own: Home) -> None:
    job = "0" * 32
    own.store.put(f"jobs/{job}/record.json", b"{")

    check(client.get(f"/v1/jobs/{job}"), 409, "damaged", "run the job again")


def test_without_room_an_upload_is_refused_and_nothing_of_it_is_left(
    process: tuple[subprocess.Popen[bytes], httpx.Client], own: Home
) -> None:
    running, client = process
    large = np.random.default_rng(0).integers(0, 256, (8, 100, 100, 3), np.uint8)
    assert large.nbytes < LARGE
    before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (LARGE // 4, resource.RLIM_INFINITY))
    try:
        refused = upload(client, "large", large)
        check(refused, 507, "not_stored", "no room is left", "delete data sets or models")
        assert files_of(own, "large") == []
        check(client.get(f"{DATASETS}/large"), 404, "not_found")
        assert upload(client, "small").status_code == 201, "what there is room for is still taken"
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)
    assert upload(client, "large", large).status_code == 201


def test_a_store_that_cannot_be_reached_says_so(client: httpx.Client, own: Home) -> None:
    folder = own.folder / "store" / "models"
    folder.rename(folder.with_name("aside"))
    folder.write_text("in the way")
    try:
        check(client.get(f"{MODELS}/whole"), 503, "unavailable", "where it keeps its files")
    finally:
        folder.unlink()
        folder.with_name("aside").rename(folder)


@pytest.mark.parametrize("module", ["service.api", "service.stack", "worker", "service.model_server"])
def test_a_home_that_cannot_be_written_to_is_one_sentence_at_start(own: Home, module: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = own.environment(home=tmp_path / "file" / "home", port=0)

    ended = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode in (1, 2)
    said = ended.stderr.strip().splitlines()
    assert len(said) == 1, ended.stderr
    assert str(tmp_path / "file") in said[0]
