"""The requests of the REST API as values: what to send, and how to read the answer. Nothing here sends anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
from numpy.typing import ArrayLike, NDArray

from latentaug_client import payloads
from latentaug_client.errors import not_found
from latentaug_client.images import Image, Images
from latentaug_client.payloads import NPY, NPZ, ZIP, Augmented, Body, Encoded, SpreadLabels

T = TypeVar("T")
Record = dict[str, Any]
Kind = Literal["train", "evaluate", "augment", "label", "recommend"]
Things = Literal["models", "datasets"]
FORMS = {
    "json": "application/json",
    "csv": "text/csv",
    "markdown": "text/markdown",
    "png": "image/png",
    "npz": NPZ,
    "zip": ZIP,
}


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request.

    Attributes:
        verb: HTTP method.
        path: path of the URL.
        read: turns the answer into what the caller wants.
        params: parameters of the query string.
        headers: headers, besides those of the body.
        body: bytes or form to send.
        json: object to send as JSON instead of a body.
        repeatable: whether it does no harm if it arrives twice.
    """

    verb: str
    path: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=Body)
    json: Mapping[str, Any] | None = None
    repeatable: bool = True

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """The request, as `client` sends it."""
        return client.build_request(
            self.verb,
            self.path,
            params={name: _text(value) for name, value in self.params.items()},
            headers={**self.headers, **(self.body.headers or {})},
            content=self.body.content,
            data=self.body.data,
            files=self.body.files,
            json=self.json,
        )


def ready() -> Call[None]:
    """Ask whether all parts of the service answer."""
    return Call("GET", "/readyz", _nothing)


def encode(model: str, images: Images, options: Mapping[str, Any]) -> Call[Encoded]:
    """Images to latents."""
    body, params = _with_options(payloads.images_body(images, None), _given(**options))
    return Call("POST", _model(model, "encode"), payloads.read_encoded, params, {"Accept": NPZ}, body)


def decode(model: str, latents: NDArray[Any]) -> Call[NDArray[Any]]:
    """Latents to images."""
    body = payloads.npy_body(latents)
    return Call("POST", _model(model, "decode"), payloads.read_npy, {}, {"Accept": NPY}, body)


def augment(model: str, images: Images, labels: ArrayLike | None, options: Mapping[str, Any]) -> Call[Augmented]:
    """Images to new images."""
    body, params = _with_options(payloads.images_body(images, labels), options)

    def read(response: httpx.Response) -> Augmented:
        return payloads.read_augmented(response.content, labels)

    return Call("POST", _model(model, "augment"), read, params, {"Accept": NPZ}, body)


def label(model: str, images: Images, labels: ArrayLike, options: Mapping[str, Any]) -> Call[SpreadLabels]:
    """Partly labelled images to labels for all of them."""
    body, params = _with_options(payloads.images_body(images, labels), _given(**options))
    return Call("POST", _model(model, "label"), payloads.read_spread, params, {"Accept": NPZ}, body)


def quality(model: str, images: Images, labels: ArrayLike | None, options: Mapping[str, Any]) -> Call[Record]:
    """New images to how good they are."""
    body, params = _with_options(payloads.images_body(images, labels), _given(**options))
    return Call("POST", _model(model, "quality"), _json, params, {"Accept": "application/json"}, body)


def interpolate(model: str, first: Image, last: Image, options: Mapping[str, Any]) -> Call[NDArray[Any]]:
    """Two images to the strip between them."""
    body, params = _with_options(payloads.images_body([first, last], None), _given(**options))
    return Call("POST", _model(model, "interpolate"), payloads.read_npy, params, {"Accept": NPY}, body)


def models() -> Call[list[Record]]:
    """All models."""
    return Call("GET", "/v1/models", lambda response: response.json()["models"])


def damaged(of: Things) -> Call[list[Record]]:
    """The models or data sets that are damaged."""
    return Call("GET", f"/v1/{of}", lambda response: response.json().get("damaged", []))


def model(name: str) -> Call[Record]:
    """One model."""
    return Call("GET", _model(name), _json)


def delete_model(name: str) -> Call[None]:
    """Delete a model."""
    return Call("DELETE", _model(name), _nothing, repeatable=False)


def datasets() -> Call[list[Record]]:
    """All data sets."""
    return Call("GET", "/v1/datasets", lambda response: response.json()["datasets"])


def dataset(name: str) -> Call[Record]:
    """One data set."""
    return Call("GET", _path("datasets", name), _json)


def upload(
    name: str,
    source: Images | str | PathLike[str],
    labels: ArrayLike | None,
    unlabelled: str | PathLike[str] | None,
    size: tuple[int, int] | str | None,
    *,
    skip_bad: bool | None = None,
    bits: int | None = None,
) -> Call[Record]:
    """Create a data set."""
    params = _given(name=name, size=None if size is None else _sides(size), skip_bad=skip_bad or None, bits=bits)
    body = payloads.dataset_body(source, labels, unlabelled)
    return Call("POST", "/v1/datasets", _json, params, {}, body, repeatable=False)


def delete_dataset(name: str) -> Call[None]:
    """Delete a data set."""
    return Call("DELETE", _path("datasets", name), _nothing, repeatable=False)


def submit(kind: Kind, params: Mapping[str, Any], key: str | None) -> Call[Record]:
    """Start a job. Its idempotency key makes sure that it starts only once, even if the request is sent again."""
    headers = {"Idempotency-Key": key or uuid4().hex}
    return Call("POST", f"/v1/jobs/{kind}", _json, {}, headers, json=params)


def augment_params(dataset: str, model: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of an augment job; a recipe names its own model."""
    return {"dataset": dataset, **_given(model=model), **params}


def jobs(kind: Kind | None, status: str | None, limit: int | None) -> Call[list[Record]]:
    """The newest jobs."""
    params = _given(kind=kind, status=status, limit=limit)
    return Call("GET", "/v1/jobs", lambda response: response.json()["jobs"], params)


def job(job_id: str) -> Call[Record]:
    """One job."""
    return Call("GET", _job(job_id), _json)


def cancel(job_id: str) -> Call[Record]:
    """Cancel a job."""
    return Call("DELETE", _job(job_id), _json)


def delete_job(job_id: str) -> Call[None]:
    """Delete an ended job."""
    return Call("DELETE", f"{_job(job_id)}/record", _nothing, repeatable=False)


def result(job_id: str, form: str, figure: str | None, layout: str | None, shard: int | None) -> Call[bytes]:
    """A job's result; a layout decides the form.

    Raises:
        ValueError: there is no such form.
    """
    if form not in FORMS:
        raise ValueError(f"results do not come as {form!r}; use one of {', '.join(FORMS)}")
    accept = "*/*" if layout else FORMS[form]
    options = _given(figure=figure, layout=layout, shard=shard)
    return Call("GET", f"{_job(job_id)}/result", _bytes, options, {"Accept": accept})


def events(job_id: str, after: str | None) -> Call[None]:
    """A job's events after the one with the id `after`, or all of them, as a stream."""
    headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
    return Call("GET", f"{_job(job_id)}/events", _nothing, {}, headers)


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; the service has a default for each of the others."""
    return {name: value for name, value in options.items() if value is not None}


def _with_options(body: Body, options: Mapping[str, Any]) -> tuple[Body, Mapping[str, Any]]:
    """Put options where they belong: into the fields of a form, and otherwise into the query string."""
    if body.files is None:
        return body, options
    fields = {**(body.data or {}), **{name: _text(value) for name, value in options.items()}}
    return Body(files=body.files, data=fields), {}


def _sides(size: tuple[int, int] | str) -> str:
    """A height and a width as the service takes them, which is how a text gives them."""
    if isinstance(size, str):
        return size
    if len(size) != 2:
        raise ValueError(f"size is a height and a width in pixels, such as (48, 64) or '48x64', and not {size!r}")
    return f"{size[0]}x{size[1]}"


def _model(name: str, operation: str = "") -> str:
    if not isinstance(name, str) or not name:
        raise ValueError("name a model, such as model='digits-vae'; `models()` lists those that the service has")
    return _path("models", name) + (f"/{operation}" if operation else "")


def _job(job_id: str) -> str:
    return _path("jobs", job_id)


def _path(listed: Things | Literal["jobs"], name: str) -> str:
    """The path of one model, data set or job.

    Raises:
        NotFound: none can have this name: the service would read it as a longer path.
    """
    if "/" in name or name in ("", ".", ".."):
        raise not_found((listed, name))
    return f"/v1/{listed}/{quote(name, safe='')}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _json(response: httpx.Response) -> Record:
    record: Record = response.json()
    return record


def _bytes(response: httpx.Response) -> bytes:
    return response.content


def _nothing(_: httpx.Response) -> None:
    return None
