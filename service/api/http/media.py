"""The form that a request has and the form of its answer: the `Content-Type` and `Accept` headers (RFC 9110)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

from starlette.requests import Request

from latentaug.errors import NotAcceptable, UnsupportedMediaType
from service.asgi import headers

JSON = "application/json"
NPY = "application/x-npy"
NPZ = "application/x-npz"
ZIP = "application/zip"
MULTIPART = "multipart/form-data"
PNG = "image/png"
JPEG = "image/jpeg"
WEBP = "image/webp"
OTHER_IMAGES = ("image/avif", "image/bmp", "image/gif", "image/tiff")
CSV = "text/csv"
MARKDOWN = "text/markdown"
PARQUET = "application/vnd.apache.parquet"
TAR = "application/x-tar"
EVENTS = "text/event-stream"
PROBLEM = "application/problem+json"

_ZIP_OF_WINDOWS = "application/x-zip-compressed"
"""What Windows, and so browsers there, call a zip."""

IMAGE_BODIES = (JSON, NPY, NPZ, MULTIPART, ZIP, PNG, JPEG, WEBP, *OTHER_IMAGES)
LABELLED_BODIES = (JSON, NPZ, MULTIPART, ZIP)
PAIR_BODIES = (JSON, NPY, NPZ, MULTIPART, ZIP)
LATENT_BODIES = (JSON, NPY, NPZ)
DATASET_BODIES = (NPZ, ZIP)
IMAGE_ANSWERS = (JSON, NPY, NPZ, ZIP, PNG)
LABEL_ANSWERS = (JSON, NPZ, ZIP)
LATENT_ANSWERS = (JSON, NPY, NPZ)

READ, WRITTEN = 16, 64
"""How many bytes of npy are read, or written, in the time that one byte takes as JSON, PNG or zip. Those that are read
may be floats, which are checked and rounded; those that are written are only copied."""


def body_form(request: Request, readable: Sequence[str]) -> str:
    """Return the media type of the request's body.

    Raises:
        UnsupportedMediaType: it is missing or not one of `readable`, or the body is compressed as a whole.
    """
    form = _content_type(request)
    if form not in readable:
        sent = f"Content-Type {form[:80]!r} cannot be read here" if form else "the request has no Content-Type"
        raise UnsupportedMediaType(f"{sent}; send one of {', '.join(readable)}")
    encoding = (headers.sent(request.scope, b"content-encoding") or "identity").strip().lower()
    if encoding != "identity":
        raise UnsupportedMediaType(f"Content-Encoding {encoding[:40]!r} cannot be read; send the body as it is")
    return form


def answer_form(request: Request, offered: Sequence[str]) -> str:
    """Return the media type to answer in: the one that the caller prefers or, of several, the first in `offered`.

    Raises:
        NotAcceptable: the caller accepts none of `offered`.
    """
    return _best(",".join(request.headers.getlist("accept")) or "*/*", tuple(offered))


@lru_cache(maxsize=128)
def _best(accept: str, offered: tuple[str, ...]) -> str:
    """What `answer_form` returns; it is kept, because callers send the same header again and again."""
    ranges = [parsed for part in accept.split(",") if (parsed := _media_range(part)) is not None]
    best = max(offered, key=lambda form: _quality(form, ranges))  # max keeps the first of equals
    if _quality(best, ranges) <= 0:
        raise NotAcceptable(
            f"this answer cannot be given as Accept {accept[:120]!r} asks; accept one of {', '.join(offered)}"
        )
    return best


def read_effort(form: str, size: int) -> float:
    """Return how many bytes are as much work to decode as a body of `size`; infinite where few can unfold to many."""
    return size / READ if form == NPY else math.inf


def write_effort(form: str, size: int) -> float:
    """Return how many bytes are as much work to encode as `size` bytes of arrays are in this form."""
    return size / WRITTEN if form == NPY else size


def is_json(request: Request) -> bool:
    """Return whether the request's body is JSON."""
    return _content_type(request) == JSON


def _content_type(request: Request) -> str:
    """The media type that the request names, without its parameters; empty where it names none."""
    form = (headers.sent(request.scope, b"content-type") or "").split(";")[0].strip().lower()
    return ZIP if form == _ZIP_OF_WINDOWS else form


def _media_range(text: str) -> tuple[str, float] | None:
    """One entry of `Accept` as (range, quality); None where it is broken."""
    media_range, *parameters = (part.strip().lower() for part in text.split(";"))
    if media_range.count("/") != 1:
        return None
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return None
            return (media_range, quality) if 0 <= quality <= 1 else None
    return media_range, 1.0


def _quality(form: str, ranges: Sequence[tuple[str, float]]) -> float:
    """How much the caller prefers a form, 0 to 1; the most specific range that covers it decides."""
    kind = form.partition("/")[0]
    for pattern in (form, f"{kind}/*", "*/*"):
        matching = [quality for media_range, quality in ranges if media_range == pattern]
        if matching:
            return max(matching)
    return 0.0
