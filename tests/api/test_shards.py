"""Data sets that come in shards: in any order, again, too late, too large, given up; joined they are the whole."""

from __future__ import annotations

import httpx
import numpy as np

from latentaug.datasets import digits
from tests.api import services
from tests.api.bodies import NPZ, ZIP, npz, pictures, post, zipped

PATH = "/v1/datasets"
JSON = "application/json"
DIGITS = digits.load()
IMAGES, LABELS = DIGITS.images[:90], np.asarray(DIGITS.labels)[:90]


def put(api: httpx.Client, name: str, number: int, body: bytes, form: str = NPZ, **options: str) -> httpx.Response:
    return api.put(
        f"{PATH}/{name}/shards/{number}", content=body, headers={"Content-Type": form}, params=options, timeout=60
    )


def join(api: httpx.Client, name: str, count: int) -> httpx.Response:
    return api.post(f"{PATH}/{name}/shards/join", params={"count": count}, timeout=60)


def test_shards_in_any_order_and_sent_twice_are_the_whole_to_the_last_byte(api: httpx.Client) -> None:
    labels = np.where(np.arange(90) % 3 == 0, LABELS.astype(str), "")
    whole = post(api, PATH, npz(images=IMAGES, labels=labels), NPZ, JSON, name="whole").json()
    bodies = [npz(images=IMAGES[start : start + 40], labels=labels[start : start + 40]) for start in (0, 40, 80)]

    for number in (2, 0, 1, 0):
        shard = put(api, "sharded", number, bodies[number])
        assert (shard.status_code, shard.json()["number"]) == (200, number)
    assert api.get(f"{PATH}/sharded").status_code == 404, "it exists once its shards are joined"
    assert [shard["number"] for shard in api.get(f"{PATH}/sharded/shards").json()["shards"]] == [0, 1, 2]
    joined = join(api, "sharded", 3)

    assert joined.status_code == 201, joined.text
    assert joined.headers["location"] == f"{PATH}/sharded"
    own = {"name", "version", "created_at"}
    assert {k: v for k, v in joined.json().items() if k not in own} == {k: v for k, v in whole.items() if k not in own}
    assert api.get(f"{PATH}/sharded").json() == joined.json()
    assert api.get(f"{PATH}/sharded/shards").status_code == 404
    for name in ("whole", "sharded"):
        assert api.delete(f"{PATH}/{name}").status_code == 204


def test_files_of_zips_are_named_as_in_one_zip(api: httpx.Client) -> None:
    images = pictures(12)
    for number in range(2):
        put(api, "zips", number, zipped([*images[6 * number :][:6], images[0]], ["cat", "dog"] * 3 + ["cow"]), ZIP)

    joined = join(api, "zips", 2).json()

    assert joined["classes"] == ["cat", "cow", "dog"]
    assert joined["images"] == 14
    assert joined["duplicates"]["exact"] == 2
    assert joined["duplicates"]["examples"][0][0]["file"].startswith("cat/")
    api.delete(f"{PATH}/zips")


def test_a_shard_sent_again_replaces_the_one_before(api: httpx.Client) -> None:
    put(api, "again", 0, npz(images=IMAGES[:40]))
    put(api, "again", 0, npz(images=IMAGES[:20]))

    assert len(api.get(f"{PATH}/again/shards").json()["shards"]) == 1
    assert join(api, "again", 1).json()["images"] == 20
    api.delete(f"{PATH}/again")


def test_what_cannot_be_joined_says_why_and_stays(api: httpx.Client) -> None:
    assert join(api, "never-sent", 1).status_code == 404
    put(api, "odd", 0, npz(images=IMAGES[:10]))
    put(api, "odd", 2, npz(images=IMAGES[:10]))
    missing, more = join(api, "odd", 3), join(api, "odd", 1)
    assert (missing.status_code, "number 1 is missing" in missing.json()["detail"]) == (409, True)
    assert more.status_code == 409
    put(api, "odd", 1, npz(images=np.zeros((4, 9, 9), np.uint8)))
    sizes = join(api, "odd", 3)
    assert (sizes.status_code, "9x9x1" in sizes.json()["detail"]) == (422, True)
    put(api, "odd", 1, npz(images=IMAGES[10:20]))
    assert join(api, "odd", 3).status_code == 201
    api.delete(f"{PATH}/odd")


def test_a_taken_name_and_names_and_numbers_that_cannot_be(api: httpx.Client) -> None:
    body = npz(images=IMAGES[:10])
    assert put(api, "digits", 0, body).status_code == 409
    assert put(api, "-", 0, body).status_code == 404
    assert put(api, "fine", 10_000, body).status_code == 422
    assert put(api, "fine", 0, b"no npz").status_code == 400
    assert join(api, "fine", 0).status_code == 422
    assert api.post(f"{PATH}/fine/shards/join").status_code == 422


def test_images_of_16_bits_are_scaled_alike_in_all_shards(api: httpx.Client) -> None:
    body = zipped(np.linspace(0, 4095, 8 * 120).astype(np.uint16).reshape(8, 12, 10), None)

    refused = put(api, "deep", 0, body, ZIP)

    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, "bits")
    assert [put(api, "deep", number, body, ZIP, bits="12").status_code for number in (0, 1)] == [200, 200]
    assert join(api, "deep", 2).json()["duplicates"]["exact"] == 8
    api.delete(f"{PATH}/deep")


def test_shards_are_given_up(api: httpx.Client) -> None:
    put(api, "given-up", 0, npz(images=IMAGES[:10]))

    assert api.delete(f"{PATH}/given-up/shards").status_code == 204

    assert api.get(f"{PATH}/given-up/shards").status_code == 404
    assert api.delete(f"{PATH}/given-up/shards").status_code == 404


def test_shards_count_among_what_an_owner_has_stored_and_have_a_limit_together() -> None:
    keys = "one:train+infer,other:train+infer"
    body = npz(images=np.random.default_rng(0).integers(0, 256, (30, 16, 16), np.uint8))
    limits = {"max_stored_bytes_per_key": 20_000, "max_sharded_bytes": 10_000}
    with services.home() as home, services.api(home, api_keys=keys, **limits) as client:
        client.headers["Authorization"] = "Bearer one"
        assert [put(client, name, 0, body).status_code for name in "abc"] == [200, 200, 507]
        assert client.delete(f"{PATH}/b/shards").status_code == 204
        assert put(client, "c", 0, body).status_code == 200
        client.headers["Authorization"] = "Bearer other"
        assert [put(client, "d", number, body).status_code for number in (0, 1)] == [200, 413]
        assert put(client, "d", 0, body).status_code == 200, "it replaces the one that there is"
