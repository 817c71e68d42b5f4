"""Which form is read and which is answered."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from latentaug.errors import NotAcceptable, UnsupportedMediaType
from service.api.http import media


def request(**headers: str) -> Request:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw})


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", media.JSON),
        ("application/x-npz", media.NPZ),
        ("application/zip;q=0.2, image/png;q=0.9", media.PNG),
        ("image/*", media.PNG),
        ("*/*;q=0.1, application/zip", media.ZIP),
        ("application/*;q=0.5, application/x-npy", media.NPY),
        ("application/json;q=0, */*", media.NPY),
        ("TEXT/HTML, Image/PNG ; Q=0.8", media.PNG),
        ("application/zip, application/x-npy", media.NPY),
        ("broken, application/zip;q=2, image/png;q=x, application/x-npz;q=0.001", media.NPZ),
    ],
)
def test_the_form_the_caller_likes_best_is_answered(accept: str, expected: str) -> None:
    assert media.answer_form(request(accept=accept), media.IMAGE_ANSWERS) == expected


def test_without_accept_the_answer_is_json() -> None:
    assert media.answer_form(request(), media.IMAGE_ANSWERS) == media.JSON


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "nonsense", "*/*;q=0"])
def test_a_form_that_cannot_be_given_is_refused_with_those_that_can(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="application/x-npz"):
        media.answer_form(request(accept=accept), [media.NPZ])


def test_the_content_type_is_read_without_its_parameters() -> None:
    assert media.body_form(request(content_type="Application/JSON; charset=utf-8"), [media.JSON]) == media.JSON


@pytest.mark.parametrize("headers", [{}, {"content_type": "application/octet-stream"}])
def test_an_unknown_content_type_is_refused_with_those_that_are_read(headers: dict[str, str]) -> None:
    with pytest.raises(UnsupportedMediaType, match="application/x-npy"):
        media.body_form(request(**headers), media.IMAGE_BODIES)


def test_a_compressed_body_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="gzip"):
        media.body_form(request(content_type="application/json", content_encoding="gzip"), [media.JSON])
