"""Options in JSON, in forms and beside them: typed where JSON has types, read from text elsewhere; and whole forms."""

from __future__ import annotations

import httpx
import pytest

from tests.api.bodies import PNG, TINY, base64_png, pictures, png, post

WRONG_TYPES = {"k": True, "alpha": "0.5", "copies": 2.0, "seed": "1", "resize": 1, "method": ["noise"]}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_json_value_of_another_type_is_not_taken_for_the_right_one(api: httpx.Client, name: str) -> None:
    images = [base64_png(image) for image in pictures(4)]

    answer = api.post(f"{TINY}/augment", json={"images": images, "method": "noise", name: WRONG_TYPES[name]})

    assert answer.status_code == 422
    assert [field["loc"] for field in answer.json()["errors"]] == [name]


def test_options_beside_json_and_in_forms_are_read_from_text(api: httpx.Client) -> None:
    images = [base64_png(image) for image in pictures(4)]
    files = [("images", ("a.png", png(image), PNG)) for image in pictures(4)]

    mixed = api.post(f"{TINY}/augment?method=noise&resize=true", json={"images": images, "copies": 2, "alpha": 1})
    form = api.post(f"{TINY}/augment", files=files, data={"method": "noise", "copies": "2", "alpha": "1"})

    assert len(mixed.json()["images"]) == len(form.json()["images"]) == 8


def test_a_form_that_breaks_off_is_malformed_wherever_it_does(api: httpx.Client) -> None:
    files = [("images", (f"{i}.png", png(image), PNG)) for i, image in enumerate(pictures(2))]
    whole = httpx.Request("POST", "http://x", files=files, data={"resize": "true"})
    body, form = whole.read(), whole.headers["content-type"]

    assert post(api, f"{TINY}/encode", body, form).status_code == 200
    for cut in (*range(0, len(body) - 4, 7), len(body) - 4, len(body) - 3):  # the last line's end may be missing
        answer = post(api, f"{TINY}/encode", body[:cut], form)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_input")
        assert "closing boundary is missing" in answer.json()["detail"]
