"""Each named error, over real HTTP: its status, its code, its words; never a 500."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.bodies import NPY, NPZ, PNG, TINY, ZIP, base64_png, npy, npz, pictures, png, post, zipped

JSON = "application/json"


def check(answer: httpx.Response, status: int, code: str, words: str = "") -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"]
    assert problem["title"]
    assert words in problem["detail"]
    return problem


def pickled() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return out.getvalue()


def huge_png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def escaping_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("../../escaped.png", png(pictures(1)[0]))
    return out.getvalue()


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"\0" * 2**23)
    return out.getvalue()


MALFORMED = {
    "a pickled npy": (NPY, pickled()),
    "an npy that claims more than it holds": (NPY, npy(pictures(3))[:-5]),
    "no npy": (NPY, b"images"),
    "a pickled npz": (NPZ, npz(images=np.array([{"a": 1}], dtype=object))),
    "no npz": (NPZ, b"PK\x03\x04"),
    "a zip that escapes": (ZIP, escaping_zip()),
    "no zip": (ZIP, b"PK"),
    "a broken PNG": (PNG, png(pictures(1)[0])[:40]),
    "no PNG": (PNG, b"GIF89a"),
    "broken JSON": (JSON, b'{"images": ['),
    "JSON that is not UTF-8": (JSON, b'{"images": ["\xff"]}'),
    "a deep JSON": (JSON, b'{"images": ' + b"[" * 500 + b"]" * 500 + b"}"),
    "no base64": (JSON, b'{"images": ["%%%"]}'),
    "base64 of no image": (JSON, b'{"images": ["aGVsbG8="]}'),
    "a form without a boundary": ("multipart/form-data", b"--x"),
    "a form that is cut": ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_bytes_that_are_not_what_they_claim_are_malformed(api: httpx.Client, name: str) -> None:
    form, body = MALFORMED[name]

    answer = post(api, f"{TINY}/augment", body, form)

    expected = (422, "invalid_input") if name == "a deep JSON" else (400, "malformed_input")
    check(answer, *expected)


TOO_LARGE = {
    "a body over the bound": (NPY, b"\0" * (2**20 + 1)),
    "a PNG with a huge header": (PNG, huge_png()),
    "a zip bomb": (NPZ, bomb()),
    "too many images": (NPY, npy(pictures(65))),
    "too many files": (ZIP, zipped(pictures(65), None)),
    "JSON of too many values": (JSON, b'{"images": [' + b"[]," * 10_000 + b"[]]}"),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_is_over_a_limit_is_too_large(api: httpx.Client, name: str) -> None:
    form, body = TOO_LARGE[name]

    check(post(api, f"{TINY}/encode", body, form), 413, "too_large")


@pytest.mark.parametrize("operation", ["augment", "label"])
def test_what_a_job_can_do_is_said_to_be_so(api: httpx.Client, operation: str) -> None:
    labels = np.array(["a", ""] * 32 + ["a"])
    answer = post(api, f"{TINY}/{operation}", npz(images=pictures(65), labels=labels), NPZ)

    check(answer, 413, "too_large", f"upload them as a data set and {operation} that by a job")


def test_a_chunked_body_over_the_bound_is_too_large(api: httpx.Client) -> None:
    answer = api.post(f"{TINY}/encode", content=(b"\0" * 2**16 for _ in range(64)), headers={"Content-Type": NPY})

    check(answer, 413, "too_large")


def test_an_answer_that_would_be_too_large_is_refused(api: httpx.Client) -> None:
    check(
        post(api, f"{TINY}/augment", npy(pictures(9)), NPY, method="noise", copies=64), 413, "too_large", "576 images"
    )


INVALID_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown option": ({"metod": "noise"}, "metod"),
    "an unknown method": ({"method": "mixup"}, "method"),
    "k of 0": ({"k": 0}, "k"),
    "k of 65": ({"k": 65}, "k"),
    "k that is no number": ({"k": "many"}, "k"),
    "a negative alpha": ({"alpha": -1}, "alpha"),
    "alpha that is no number": ({"alpha": "nan"}, "alpha"),
    "a negative seed": ({"seed": -1}, "seed"),
    "a seed of 2**63": ({"seed": 2**63}, "seed"),
    "copies without noise": ({"copies": 2}, ""),
    "interpolation beyond the neighbour": ({"alpha": 1.5}, ""),
    "an option given twice": ({"k": ["1", "2"]}, "k"),
}


@pytest.mark.parametrize("name", INVALID_OPTIONS)
def test_a_wrong_option_is_named(api: httpx.Client, name: str) -> None:
    query, location = INVALID_OPTIONS[name]

    problem = check(post(api, f"{TINY}/augment", npy(pictures(4)), NPY, **query), 422, "invalid_input")

    assert [field["loc"] for field in problem["errors"]] == [location]


def test_a_wrong_option_in_json_is_named(api: httpx.Client) -> None:
    answer = api.post(f"{TINY}/augment", json={"images": [base64_png(pictures(1)[0])], "k": None, "colour": "red"})

    problem = check(answer, 422, "invalid_input")
    assert {field["loc"]: field["msg"] for field in problem["errors"]}["colour"].startswith("no such option; there are")


INVALID_IMAGES = {
    "an empty batch": (NPY, npy(np.zeros((0, 12, 10), np.uint8)), "empty"),
    "an empty JSON batch": (JSON, b'{"images": []}', "empty"),
    "an empty zip": (ZIP, zipped(pictures(1)[:0], None), "no images"),
    "no images": (JSON, b"{}", "images"),
    "a JSON array": (JSON, b"[1]", "object"),
    "another size": (NPY, npy(pictures(1, 28, 28)), "12x10"),
    "integers": (NPY, npy(np.zeros((1, 12, 10), np.int64)), "uint8"),
    "NaN": (NPY, npy(np.full((1, 12, 10), np.nan, np.float32)), "finite"),
    "floats above 1": (NPY, npy(np.full((1, 12, 10), 2, np.float32)), "0..1"),
    "a flat array": (NPY, npy(np.zeros(12, np.uint8)), "shape"),
    "an npz without images": (NPZ, npz(X=pictures(1)), "'X'"),
    "labels for other images": (NPZ, npz(images=pictures(2), labels=np.arange(3)), "3 labels for 2 images"),
    "labels that are fractions": (NPZ, npz(images=pictures(2), labels=np.array([0.5, 1])), "labels"),
    "labels that are no list": (
        JSON,
        f'{{"images": ["{base64_png(pictures(1)[0])}"], "labels": "a"}}'.encode(),
        "array",
    ),
}


@pytest.mark.parametrize("name", INVALID_IMAGES)
def test_wrong_images_and_labels_are_refused_in_words(api: httpx.Client, name: str) -> None:
    form, body, words = INVALID_IMAGES[name]

    check(post(api, f"{TINY}/augment", body, form, k=1), 422, "invalid_input", words)


INVALID_LATENTS = {
    "NaN": (NPY, npy(np.full((1, 4), np.nan, np.float32)), "finite"),
    "NaN in JSON": (JSON, b'{"latents": [[NaN, 0, 0, 0]]}', "finite"),
    "beyond float32": (JSON, b'{"latents": [[1e300, 0, 0, 0]]}', "finite"),
    "beyond every float": (JSON, b'{"latents": [[1e999, 0, 0, 0]]}', "finite"),
    "a huge integer": (JSON, b'{"latents": [[' + b"9" * 400 + b", 0, 0, 0]]}", ""),
    "another width": (NPY, npy(np.zeros((1, 5), np.float32)), "[n, 4]"),
    "ragged rows": (JSON, b'{"latents": [[0, 0, 0, 0], [0]]}', "length"),
    "texts": (JSON, b'{"latents": [["0", "0", "0", "0"]]}', "numbers"),
    "none": (JSON, b'{"latents": []}', "shape"),
    "no latents": (JSON, b"{}", "latents"),
    "an option": (JSON, b'{"latents": [[0, 0, 0, 0]], "alpha": 1}', "alpha"),
    "an npz without latents": (NPZ, npz(images=pictures(1)), "latents"),
}


@pytest.mark.parametrize("name", INVALID_LATENTS)
def test_wrong_latents_are_refused_in_words(api: httpx.Client, name: str) -> None:
    form, body, words = INVALID_LATENTS[name]

    check(post(api, f"{TINY}/decode", body, form), 422, "invalid_input", words)


def test_too_few_images_says_how_many_neighbours_there_are(api: httpx.Client) -> None:
    check(post(api, f"{TINY}/augment", npy(pictures(2)), NPY, k=3), 422, "too_few_images")


@pytest.mark.parametrize("neighbours", ["batch", "dataset"])
def test_a_class_that_is_too_small_is_called_by_the_callers_own_label(api: httpx.Client, neighbours: str) -> None:
    body = npz(images=pictures(8), labels=np.array(["cat"] * 2 + ["dog"] * 6))

    check(post(api, f"{TINY}/augment", body, NPZ, k=60, neighbours=neighbours), 422, "too_few_images", "class 'cat'")


def test_a_label_that_the_data_set_lacks_is_refused(api: httpx.Client) -> None:
    body = npz(images=pictures(1), labels=np.array(["bird"]))

    check(post(api, f"{TINY}/augment", body, NPZ, neighbours="dataset", k=1), 422, "invalid_input", "cat, dog")


@pytest.mark.parametrize("n", [1, 3])
def test_a_strip_takes_two_images(api: httpx.Client, n: int) -> None:
    check(post(api, f"{TINY}/interpolate", npy(pictures(n)), NPY), 422, "invalid_input", "exactly two")


@pytest.mark.parametrize("steps", [1, 65])
def test_a_strip_has_two_to_64_steps(api: httpx.Client, steps: int) -> None:
    check(post(api, f"{TINY}/interpolate", npy(pictures(2)), NPY, steps=steps), 422, "invalid_input", "steps")


@pytest.mark.parametrize("model", ["nobody", "no.body", "%2e%2e", "x" * 100])
def test_an_unknown_model_is_not_found(api: httpx.Client, model: str) -> None:
    check(post(api, f"/v1/models/{model}/encode", npy(pictures(1)), NPY), 404, "not_found")


def test_an_unknown_path_is_not_found(api: httpx.Client) -> None:
    check(api.get("/v2/nothing"), 404, "not_found", "/openapi.json")


def test_another_method_is_refused_with_those_that_are_possible(api: httpx.Client) -> None:
    answer = api.put("/v1/models/tiny")

    check(answer, 405, "method_not_allowed", "use GET, HEAD, DELETE")
    assert answer.headers["allow"] == "GET, HEAD, DELETE"
    assert api.put("/v1/datasets").headers["allow"] == "GET, HEAD, POST"
    assert api.get(f"{TINY}/augment").headers["allow"] == "POST"


def test_an_unknown_request_form_is_unsupported(api: httpx.Client) -> None:
    check(post(api, f"{TINY}/encode", b"", "text/plain"), 415, "unsupported_media_type", NPY)


def test_an_unknown_answer_form_is_not_acceptable(api: httpx.Client) -> None:
    check(post(api, f"{TINY}/encode", npy(pictures(1)), NPY, "image/png"), 406, "not_acceptable", NPZ)


def test_a_deadline_that_cannot_be_met_is_504(api: httpx.Client) -> None:
    headers = {"Content-Type": NPY, "X-Request-Timeout": "0.001"}

    check(api.post(f"{TINY}/encode", content=npy(pictures(1)), headers=headers), 504, "deadline_exceeded")


def test_a_form_with_a_misnamed_file_is_refused(api: httpx.Client) -> None:
    answer = api.post(f"{TINY}/encode", files={"image": ("a.png", png(pictures(1)[0]), PNG)})

    check(answer, 422, "invalid_input", "'images'")


def test_a_request_keeps_the_name_it_was_given_and_gets_one_else(api: httpx.Client) -> None:
    named = api.get("/v1/models/nobody", headers={"X-Request-ID": "my-request.1"})
    hostile = api.get("/v1/models", headers={"X-Request-ID": 'x" y'})

    assert named.headers["x-request-id"] == "my-request.1"
    assert len(hostile.headers["x-request-id"]) == 32


def test_a_base64_bomb_of_pixels_is_too_large(api: httpx.Client) -> None:
    text = base64.b64encode(png(np.zeros((3000, 3000), np.uint8))).decode()

    check(api.post(f"{TINY}/encode", json={"images": [text] * 2, "resize": True}), 413, "too_large")
