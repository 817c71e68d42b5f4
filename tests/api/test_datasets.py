"""Data sets: upload, list, describe, delete."""

from __future__ import annotations

import io
import socket
import time
import zipfile
from contextlib import suppress

import httpx
import numpy as np
import pytest

from latentaug.datasets import digits
from service.api.http import places
from tests.api import services
from tests.api.bodies import NPY, NPZ, ZIP, arrays, npy, npz, pictures, png, post, zipped

JSON = "application/json"
PATH = "/v1/datasets"


def test_an_npz_is_uploaded_described_and_deleted(api: httpx.Client) -> None:
    body = npz(images=pictures(20), labels=np.arange(20) % 2)

    created = post(api, PATH, body, NPZ, JSON, name="halves")
    described = api.get(f"{PATH}/halves")

    assert created.status_code == 201
    assert created.headers["location"] == f"{PATH}/halves"
    assert described.json() == created.json()
    assert described.json()["classes"] == ["0", "1"]
    assert described.json()["images"] == 20
    assert "halves" in {dataset["name"] for dataset in api.get(PATH).json()["datasets"]}
    assert api.delete(f"{PATH}/halves").status_code == 204
    assert api.get(f"{PATH}/halves").status_code == 404
    assert api.delete(f"{PATH}/halves").status_code == 404


def test_a_zip_of_class_folders_is_uploaded_with_their_names_as_labels(api: httpx.Client) -> None:
    body = zipped(pictures(12), ["cat", "dog"] * 6)

    created = post(api, PATH, body, ZIP, JSON, name="pets-zip", size="16x20")

    assert created.status_code == 201
    assert created.json()["classes"] == ["cat", "dog"]
    assert (created.json()["height"], created.json()["width"]) == (16, 20)
    api.delete(f"{PATH}/pets-zip")


def test_a_data_set_needs_no_labels(api: httpx.Client) -> None:
    created = post(api, PATH, npz(images=pictures(8)), NPZ, JSON, name="bare")

    assert created.json()["classes"] == []
    api.delete(f"{PATH}/bare")


def test_a_taken_name_is_a_conflict(api: httpx.Client) -> None:
    body = npz(images=pictures(8))
    post(api, PATH, body, NPZ, JSON, name="taken")

    again = post(api, PATH, body, NPZ, JSON, name="taken")

    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    api.delete(f"{PATH}/taken")


def test_a_zip_may_go_by_the_name_that_windows_has_for_it(api: httpx.Client) -> None:
    created = post(api, PATH, zipped(pictures(8), None), "application/x-zip-compressed", JSON, name="from-windows")

    assert created.status_code == 201, created.text
    api.delete(f"{PATH}/from-windows")


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_a_built_in_data_set_is_there_and_stays(api: httpx.Client, name: str) -> None:
    assert api.get(f"{PATH}/{name}").json()["built_in"]
    assert post(api, PATH, npz(images=pictures(8)), NPZ, JSON, name=name).status_code == 409
    assert api.delete(f"{PATH}/{name}").status_code == 409


WRONG = {
    "no name": ({}, NPZ, npz(images=pictures(8)), 422),
    "a bad name": ({"name": "../x"}, NPZ, npz(images=pictures(8)), 422),
    "a bad size": ({"name": "x", "size": "28"}, NPZ, npz(images=pictures(8)), 422),
    "an unknown option": ({"name": "x", "labels": "a"}, NPZ, npz(images=pictures(8)), 422),
    "too few images": ({"name": "x"}, NPZ, npz(images=pictures(3)), 422),
    "sides too small": ({"name": "x"}, NPZ, npz(images=pictures(8, 4, 4)), 422),
    "labels for others": ({"name": "x"}, NPZ, npz(images=pictures(8), labels=np.arange(7)), 422),
    "another form": ({"name": "x"}, NPY, npy(pictures(8)), 415),
    "malformed": ({"name": "x"}, NPZ, b"PK", 400),
    "too large": ({"name": "x"}, NPZ, b"\0" * (2**20 + 1), 413),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_upload_is_refused(api: httpx.Client, case: str) -> None:
    query, form, body, status = WRONG[case]

    answer = post(api, PATH, body, form, JSON, **query)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", ["nobody", "no.body"])
def test_an_unknown_data_set_is_not_found(api: httpx.Client, name: str) -> None:
    assert api.get(f"{PATH}/{name}").json()["code"] == "not_found"


def test_a_bad_name_is_told_in_words_what_names_may_be(api: httpx.Client) -> None:
    answer = post(api, PATH, npz(images=pictures(8)), NPZ, JSON, name="my cats")

    assert "1 to 64 letters" in answer.json()["detail"]
    assert "A-Z" not in answer.text


IMAGES = f"{PATH}/digits/images"


def test_random_images_of_a_data_set_are_of_the_part_and_label_and_the_same_by_seed(api: httpx.Client) -> None:
    query = {"count": 5, "label": "7", "seed": 3, "part": "train"}

    first, again = (arrays(api.get(IMAGES, params=query, headers={"Accept": NPZ})) for _ in range(2))
    other = arrays(api.get(IMAGES, params={**query, "seed": 4}, headers={"Accept": NPZ}))

    data = digits.load()
    assert data.labels is not None
    assert first["images"].shape == (5, 8, 8)
    assert set(first["row"]) <= set(data.train[data.labels[data.train] == 7])
    assert (first["images"] == data.images[first["row"], ..., 0]).all()
    assert first["labels"].tolist() == ["7"] * 5
    assert (first["row"] == again["row"]).all()
    assert first["row"].tolist() != other["row"].tolist()


def test_rows_of_a_data_set_are_given_in_their_order(api: httpx.Client) -> None:
    answer = api.get(IMAGES, params={"rows": "30,2,2"}).json()

    assert answer["row"] == [30, 2, 2]
    assert len(answer["images"]) == len(answer["provenance"]) == 3


def test_a_data_set_without_labels_has_images_all_the_same(api: httpx.Client) -> None:
    post(api, PATH, npz(images=pictures(8)), NPZ, JSON, name="unnamed")

    answer = api.get(f"{PATH}/unnamed/images", params={"count": 100, "part": "train"}).json()

    assert "labels" not in answer
    assert len(answer["images"]) == 5
    assert api.get(f"{PATH}/unnamed/images", params={"label": "1"}).status_code == 422
    api.delete(f"{PATH}/unnamed")
    assert api.get(f"{PATH}/unnamed/images").status_code == 404


def test_images_of_a_data_set_are_a_body_that_augment_takes(api: httpx.Client) -> None:
    body = api.get(IMAGES, params={"count": 4, "label": "3"}, headers={"Accept": NPZ}).content

    assert len(arrays(post(api, "/v1/models/eight/augment", body, NPZ, k=2))["images"]) == 8


@pytest.mark.parametrize(
    "query", [{"rows": "1797"}, {"rows": "-1"}, {"rows": "a"}, {"label": "ten"}, {"count": 257}, {"part": "all"}]
)
def test_images_that_are_not_there_are_refused(api: httpx.Client, query: dict[str, str]) -> None:
    answer = api.get(IMAGES, params=query)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


def test_images_of_several_data_sets_do_not_get_mixed_up(api: httpx.Client) -> None:
    mine = pictures(8)
    post(api, PATH, npz(images=mine), NPZ, JSON, name="mine")

    names = ["mine", "digits", "mine"]
    found = [arrays(api.get(f"{PATH}/{name}/images?rows=1", headers={"Accept": NPZ}))["images"] for name in names]
    api.delete(f"{PATH}/mine")
    post(api, PATH, npz(images=255 - mine), NPZ, JSON, name="mine")
    replaced = arrays(api.get(f"{PATH}/mine/images?rows=1", headers={"Accept": NPZ}))["images"]
    api.delete(f"{PATH}/mine")

    assert (found[0] == mine[1]).all()
    assert found[1].shape == (1, 8, 8)
    assert (found[2] == mine[1]).all()
    assert (replaced == 255 - mine[1]).all()


def test_copies_of_pictures_are_told_by_the_names_of_their_files(api: httpx.Client) -> None:
    images = pictures(12)
    body = zipped(np.concatenate([images, images[:3]]), ["cat", "dog"] * 6 + ["cat", "cat", "cat"])

    created = post(api, PATH, body, ZIP, JSON, name="repeated").json()

    found = created["duplicates"]
    assert {name: found[name] for name in ("exact", "near", "groups", "conflicting")} == {
        "exact": 3,
        "near": 0,
        "groups": 3,
        "conflicting": 1,
    }
    assert [(copy["row"], copy["label"]) for copy in found["examples"][0]] == [(1, "dog"), (13, "cat")]
    assert all(copy["file"].endswith(".png") for example in found["examples"] for copy in example)
    assert len(created["warnings"]) == 3
    assert repr(found["examples"][0][0]["file"]) in created["warnings"][2]
    assert api.get(f"{PATH}/repeated").json() == created
    api.delete(f"{PATH}/repeated")


def test_a_built_in_data_set_has_nothing_to_warn_of(api: httpx.Client) -> None:
    described = api.get(f"{PATH}/digits").json()

    assert (described["duplicates"], described["warnings"]) == (None, [])


def test_images_that_cannot_be_read_are_all_named_or_left_out(api: httpx.Client) -> None:
    files = {f"{'ab'[i % 2]}/{i}.png": png(image) for i, image in enumerate(pictures(12))}
    files |= {"a/bad.png": files["a/0.png"][:50], "b/worse.png": b"", "README.md": b"hello"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)

    refused = post(api, PATH, out.getvalue(), ZIP, JSON, name="some-bad")
    taken = post(api, PATH, out.getvalue(), ZIP, JSON, name="some-bad", skip_bad="true").json()

    assert (refused.status_code, refused.json()["code"]) == (400, "malformed_input")
    assert [error["loc"] for error in refused.json()["errors"]] == ["a/bad.png", "b/worse.png"]
    assert (taken["images"], taken["unreadable"]["images"]) == (12, 2)
    assert [each["file"] for each in taken["unreadable"]["files"]] == ["a/bad.png", "b/worse.png"]
    assert "a/bad.png" in taken["warnings"][0]
    assert "README.md" in taken["warnings"][1]
    api.delete(f"{PATH}/some-bad")


def test_images_of_16_bits_are_scaled_by_what_they_use_or_by_bits(api: httpx.Client) -> None:
    deep = np.linspace(0, 4095, 8 * 120).astype(np.uint16).reshape(8, 12, 10)
    body = zipped(deep, ["a", "b"] * 4)

    lightest = {}
    for name, query in {"used": {}, "asked": {"bits": 16}}.items():
        told = post(api, PATH, body, ZIP, JSON, name=name, **query).json()["warnings"][0]
        assert f"values from 0 to {65535 if query else 4095} became 0 to 255" in told
        images = arrays(api.get(f"{PATH}/{name}/images?rows=7", headers={"Accept": NPZ}))["images"]
        lightest[name] = int(images.max())
        api.delete(f"{PATH}/{name}")
    assert lightest == {"used": 255, "asked": 16}
    assert post(api, PATH, body, ZIP, JSON, name="fewer", bits=10).json()["errors"][0]["loc"] == "bits"


def test_folders_of_parts_are_the_parts(api: httpx.Client) -> None:
    folders = [f"{part}/{label}" for part, n in (("train", 6), ("test", 3)) for label in "ab" for _ in range(n)]

    created = post(api, PATH, zipped(pictures(18), folders), ZIP, JSON, name="in-parts").json()

    assert (created["classes"], created["parts_given"]) == (["a", "b"], True)
    assert (created["parts"]["test"], sum(created["parts"].values())) == (6, 18)
    assert "validation were drawn from the training images" in created["warnings"][-1]
    api.delete(f"{PATH}/in-parts")


@pytest.mark.slow
def test_uploads_that_stall_make_room_for_others(api: httpx.Client) -> None:
    head = (
        f"POST {PATH}?name=stalled HTTP/1.1\r\nHost: localhost\r\nContent-Type: {ZIP}\r\nContent-Length: 500000\r\n\r\n"
    ).encode()
    address = (api.base_url.host, api.base_url.port)
    with socket.create_connection(address) as one, socket.create_connection(address) as other:
        for stalled in (one, other):
            stalled.sendall(head + b"PK" * 1000)
            stalled.settimeout(30)
        services.wait_until(lambda: upload_of(api, "between").status_code == 429, 5)

        told = [stalled.makefile("rb").read() for stalled in (one, other)]  # until the service closes the connection

    for answer in told:
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code": "stalled"' in answer
    assert upload_of(api, "after").status_code == 201


@pytest.mark.slow
def test_an_upload_that_drips_gives_way_to_others(api: httpx.Client) -> None:
    head = f"POST {PATH}?name=x HTTP/1.1\r\nHost: localhost\r\nContent-Type: {ZIP}\r\nContent-Length: 500000\r\n\r\n"
    address = (api.base_url.host, api.base_url.port)
    with socket.create_connection(address) as one, socket.create_connection(address) as other:
        for dripping in (one, other):
            dripping.sendall(head.encode())
        services.wait_until(lambda: upload_of(api, "between").status_code == 429, 5)
        began, answer = time.monotonic(), None
        while answer is None or answer.status_code == 429:
            for dripping in (one, other):
                with suppress(ConnectionError):
                    dripping.sendall(bytes(4096))  # much more than the slowest rate
            time.sleep(1)
            answer = upload_of(api, "between")
            assert time.monotonic() - began < places.FREE_SECONDS + 10
        told = [dripping.makefile("rb").readline() for dripping in (one, other)]

    assert answer.status_code == 201
    assert time.monotonic() - began > places.FREE_SECONDS
    assert all(line.startswith(b"HTTP/1.1 408 ") for line in told)


def upload_of(api: httpx.Client, name: str) -> httpx.Response:
    api.delete(f"{PATH}/{name}")
    return post(api, PATH, npz(images=pictures(8)), NPZ, JSON, name=name)
