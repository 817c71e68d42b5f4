"""What the endpoints of a model do one after the other: read a body, fit its images, have something computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request

from latentaug.errors import TooLarge
from latentaug.imaging.pixels import Pixels, fit
from latentaug.options import ImageOptions
from latentaug.storage.models import ModelDescription
from service.api.compute.client import Call, Operation, Outputs
from service.api.context import Context
from service.api.http import contract, media
from service.api.http.bodies import ImageBatch, read_images, scaled
from service.api.http.forms import Form, read_form
from service.api.http.limits import read_body
from service.api.own import own_of
from service.api.routes.plain import PlainEndpoint
from service.asgi.endpoint import Answer, tell
from service.oip.tensors import Parameters

Tensors = Mapping[str, NDArray[Any]]
PROBLEMS = contract.problems(400, 404, 406, 408, 409, 413, 415, 503, 504)
_COPIES = {media.JSON: 2, media.MULTIPART: 2}
"""Times that a body is in memory besides, while images are read from it: as what it was split into."""
_THREE = (
    "Three grey images were resized. If it was one image in colour with its channels first, send "
    "images.transpose(1, 2, 0)[None] instead."
)


def endpoint(
    operation: str, answer: Answer, request: contract.Fragment, responses: contract.Responses
) -> PlainEndpoint:
    """An operation of a model, at its path."""
    path = f"/v1/models/{{model}}/{operation}"
    return PlainEndpoint(path, operation, "infer", "inference", answer, request, responses)


async def read_batch(request: Request, context: Context, readable: Sequence[str]) -> ImageBatch:
    """The request's images, labels and options."""
    form = media.body_form(request, readable)
    room = partial(context.holding.hold, request)
    data = await read_body(request, context.settings.max_body_bytes, context.settings.min_upload_rate, room)
    room(_COPIES.get(form, 0) * len(data))
    body: bytes | Form = data
    if form == media.MULTIPART:
        body = await read_form(data, request.headers["content-type"], context.limits)
    limits, effort = context.limits.within(room), media.read_effort(form, len(data))
    batch = await context.on_pixels(lambda: read_images(form, body, limits), effort)
    context.holding.keep(request, batch.nbytes)
    tell(request, batch.warnings)
    return batch


def or_by_a_job(error: TooLarge, kind: str) -> TooLarge:
    """What to say of a request that is too large where a job of this kind takes as much."""
    return TooLarge(f"{error.detail}, or upload them as a data set and {kind} that by a job")


async def fitted(
    request: Request, context: Context, batch: ImageBatch, description: ModelDescription, options: ImageOptions
) -> Pixels:
    """The images in the shape that the model takes, uint8 [n, height, width, channels].

    Raises:
        InvalidInput: they have another size, and are not to be resized.
        TooLarge: they would take too much memory in this size.
    """
    height, width, channels = description.height, description.width, description.channels
    if isinstance(batch.images, np.ndarray) and batch.images.shape[1:] == (height, width, channels):
        return batch.images
    most = context.limits.max_bytes // (height * width * channels)
    if len(batch.images) > most:
        raise TooLarge(
            f"{len(batch.images)} images in the model's size hold more than {context.limits.max_bytes} bytes; send at "
            f"most {most}"
        )
    if options.resize and isinstance(batch.images, np.ndarray) and batch.images.shape[::3] == (3, 1):
        batch.warnings.append(_THREE)
    sent, size = batch.nbytes, len(batch.images) * height * width * channels
    context.holding.hold(request, size)

    def fit_all() -> Pixels:
        return fit(scaled(batch, options.bits), height, width, channels, resize=options.resize, files=batch.files)

    images = batch.images = await context.on_pixels(fit_all, sent + size)  # those that were sent are let go of
    context.holding.let_go(request, sent)
    return images


async def asked_model(request: Request) -> ModelDescription:
    """The model that the request's path names.

    Raises:
        NotFound: the caller has no such model.
    """
    return await own_of(request).model(request.path_params["model"])


async def compute(
    request: Request,
    description: ModelDescription,
    operation: Operation,
    tensors: Tensors,
    parameters: Parameters,
    outputs: list[str],
    made: int | None,
    seconds_left: Callable[[], float],
) -> Outputs:
    """Have the model server compute an operation within the seconds that are left; `made` is that of `Call`."""
    own = own_of(request)
    call = Call(own.qualified(description.name), operation, description.version, tensors, parameters, outputs, made)
    return await own.context.joiner.infer(call, seconds_left())
