"""Images in, images out: encode, decode, augment, interpolate.

These endpoints read their own bodies, in any of several forms, so FastAPI has nothing to parse for them and would only
cost time.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from latentaug.augment.counts import counted
from latentaug.augment.methods import residual_strip
from latentaug.augment.neighbours import name_class
from latentaug.errors import InvalidInput, TooFewImages, TooLarge
from latentaug.imaging.pixels import Pixels
from latentaug.options import (
    AugmentOptions,
    ImageOptions,
    InterpolateOptions,
    LatentOptions,
    Rejecting,
    RenderingOptions,
)
from latentaug.storage.models import ModelDescription
from service.api.context import Context, context_of
from service.api.http import contract, media
from service.api.http.answers import (
    SENT_IN_PIECES,
    Encoded,
    NewImages,
    images_in_pieces,
    in_rows,
    tally,
    tally_header,
    write_encoded,
    write_images,
)
from service.api.http.bodies import ImageBatch
from service.api.http.latents import read_latents
from service.api.http.limits import in_time, read_body
from service.api.http.options import read_options
from service.api.routes.steps import (
    PROBLEMS,
    Tensors,
    asked_model,
    compute,
    endpoint,
    fitted,
    or_by_a_job,
    read_batch,
)
from service.api.stored import made
from service.asgi.disconnect import while_connected
from service.asgi.taken import TakenResponse
from service.oip.tensors import Parameters

CHILDREN_PER_IMAGE = 8
"""Images in the answer of an augment request, at most, for each of the `max_images` that a request may hold."""
SHEET_COLUMNS = 16
_OF_FILTERS = set(Rejecting.model_fields)
_NOT_NAMED = set(ImageOptions.model_fields)
_NOT_OF_THE_MODEL = set(AugmentOptions.model_fields) - set(RenderingOptions.model_fields)


async def encode(request: Request) -> Response:
    """Turn images into latent means and log-variances, and tell how well each image is reconstructed.

    The reconstruction error is the mean squared error per pixel, with intensities in 0..1. As `application/x-npy` the
    answer holds the means alone.
    """
    form = media.answer_form(request, media.LATENT_ANSWERS)
    context = context_of(request)
    async with in_time(request, context.settings) as seconds_left:
        description = await asked_model(request)
        batch = await read_batch(request, context, media.IMAGE_BODIES)
        options = read_options(ImageOptions, request, batch.fields)
        images = await fitted(request, context, batch, description, options)
        outputs = ["latents", "log_variances", "reconstruction_error"]
        call = compute(request, description, "encode", {"images": images}, {}, outputs, 1, seconds_left)
        found = await while_connected(request, call)
        encoded = Encoded(found["latents"], found["log_variances"], found["reconstruction_error"], batch.labels)
        effort = media.write_effort(form, images.nbytes)
        return TakenResponse([await context.on_pixels(lambda: write_encoded(form, encoded), effort)], media_type=form)


async def decode(request: Request) -> Response:
    """Turn latents, float32 [n, latent_dim], into images."""
    form = media.answer_form(request, media.IMAGE_ANSWERS)
    context = context_of(request)
    async with in_time(request, context.settings) as seconds_left:
        description = await asked_model(request)
        body_form = media.body_form(request, media.LATENT_BODIES)
        room = partial(context.holding.hold, request)
        body = await read_body(request, context.settings.max_body_bytes, context.settings.min_upload_rate, room)
        effort = media.read_effort(body_form, len(body))
        dim = description.latent_dim
        batch = await context.on_pixels(lambda: read_latents(body_form, body, dim, context.limits), effort)
        read_options(LatentOptions, request, batch.fields)
        _bound_answer(request, form, len(batch.latents), description, context)
        call = compute(request, description, "decode", {"latents": batch.latents}, {}, ["images"], 1, seconds_left)
        images = (await while_connected(request, call))["images"]
        return await _answer(context, form, _decoded(images, description, SHEET_COLUMNS))


async def augment(request: Request) -> Response:
    """Make new images of those sent, by noise, interpolation or extrapolation in latent space (equations 8 to 10).

    Where labels are given, neighbours have the same label; those of an image without a label have any. The children
    come in the order of their sources: child j of image i is at i * k + j. The same request always gets the same bytes.
    """
    form = media.answer_form(request, media.IMAGE_ANSWERS)
    context = context_of(request)
    async with in_time(request, context.settings, "augment") as seconds_left:
        description = await asked_model(request)
        try:
            batch = await read_batch(request, context, media.IMAGE_BODIES)
        except TooLarge as error:
            raise or_by_a_job(error, "augment") from error
        options = read_options(AugmentOptions, request, batch.fields)
        decode = description.decode(options.decode)
        codes = None if batch.labels is None else batch.labels.codes()
        counts = counted(options, len(batch.images), codes)
        children = len(batch.images) * options.children if counts is None else int(counts.sum())
        _bound_answer(request, form, children, description, context)
        tensors: dict[str, NDArray[Any]] = {"images": await fitted(request, context, batch, description, options)}
        if counts is not None:
            tensors["counts"] = counts
        if batch.labels is not None:
            by_dataset = options.neighbours == "dataset"
            tensors["labels"] = batch.labels.codes_in(description.classes) if by_dataset else batch.labels.codes()
        parameters: Parameters = options.model_dump(exclude=_NOT_OF_THE_MODEL, exclude_none=True) | {"decode": decode}
        # An npy holds one array, so the images alone.
        outputs = ["images"] if form == media.NPY and counts is None else ["images", "source", "neighbour"]
        if counts is None:
            parameters = {name: value for name, value in parameters.items() if name not in _OF_FILTERS}
        else:
            outputs += ["child", "step", "refused"]
        made = options.children if counts is None else None
        call = compute(request, description, "augment", tensors, parameters, outputs, made, seconds_left)
        try:
            found = await while_connected(request, call)
        except TooFewImages as error:
            if batch.labels is None:
                raise
            names = description.classes if options.neighbours == "dataset" else batch.labels.classes
            raise name_class(error, names) from error
        answer = await _answer(context, form, _augmented(found, tensors, batch, options, decode, description))
        if decode == "reconstruction" and description.decode("auto") != "reconstruction":
            answer.headers["Augment-Advice"] = description.advice
        return answer


async def interpolate(request: Request) -> Response:
    """Decode evenly spaced latents on the straight line from one image's latent to another's (Figure 3).

    Send exactly two images; labels do not matter. The first and the last image of the answer are their reconstructions,
    or with `decode` residual the two images themselves.
    """
    form = media.answer_form(request, media.IMAGE_ANSWERS)
    context = context_of(request)
    async with in_time(request, context.settings) as seconds_left:
        description = await asked_model(request)
        batch = await read_batch(request, context, media.PAIR_BODIES)
        options = read_options(InterpolateOptions, request, batch.fields)
        if len(batch.images) != 2:
            message = f"interpolate takes exactly two images, not {len(batch.images)}"
            raise InvalidInput(message, fields=[("images", message)])
        ends = {"images": await fitted(request, context, batch, description, options)}
        call = compute(request, description, "encode", ends, {}, ["latents"], 1, seconds_left)
        latents = (await while_connected(request, call))["latents"]
        walk = {"latents": np.linspace(latents[0], latents[1], options.steps, dtype=np.float32)}  # [steps, latent_dim]
        call = compute(request, description, "decode", walk, {}, ["images"], 1, seconds_left)
        images = (await while_connected(request, call))["images"]
        if description.decode(options.decode) == "residual":
            images = residual_strip(ends["images"], images)
        strip = replace(_decoded(images, description, options.steps), warnings=batch.warnings)
        return await _answer(context, form, strip)


_LATENTS = contract.answer(media.LATENT_ANSWERS, contract.LATENTS_SCHEMA) | PROBLEMS
_IMAGES = contract.answer(media.IMAGE_ANSWERS, contract.IMAGES_SCHEMA) | PROBLEMS


ENDPOINTS = (  # a router tries them in this order
    endpoint("augment", augment, contract.image_request(media.IMAGE_BODIES, AugmentOptions), _IMAGES),
    endpoint("encode", encode, contract.image_request(media.IMAGE_BODIES, ImageOptions), _LATENTS),
    endpoint("decode", decode, contract.latent_request(LatentOptions), _IMAGES),
    endpoint("interpolate", interpolate, contract.image_request(media.PAIR_BODIES, InterpolateOptions), _IMAGES),
)


async def _answer(context: Context, form: str, new: NewImages) -> Response:
    headers = {} if new.tally is None else {"Augment-Tally": tally_header(new.tally)}
    if "decode" in new.settings:  # an npy has no other place to name it
        headers["Augment-Decode"] = str(new.settings["decode"])
    if (pieces := images_in_pieces(form, new)) is not None:
        response = await made(pieces, context.on_pixels, form)
        response.headers.update(headers)
        return response
    effort = media.write_effort(form, new.images.nbytes)
    content = await context.on_pixels(lambda: write_images(form, new), effort)
    return TakenResponse([content], headers, form)


def _bound_answer(request: Request, form: str, images: int, description: ModelDescription, context: Context) -> None:
    """Refuse a request whose answer would be too large, before anything is computed."""
    most = CHILDREN_PER_IMAGE * context.settings.max_images
    pixel_bytes = images * description.height * description.width * description.channels
    if images > most or pixel_bytes > context.limits.max_bytes:
        raise TooLarge(
            f"the answer would hold {images} images; it may hold {most} at most, and {context.limits.max_bytes} bytes "
            "of pixels: send fewer images or a smaller k, or augment a data set by a job"
        )
    context.holding.hold(request, pixel_bytes if form in SENT_IN_PIECES else 2 * pixel_bytes)


def _decoded(images: Pixels, description: ModelDescription, columns: int) -> NewImages:
    """Decoded latents; a contact sheet shows `columns` of them in a row."""
    model = {"model": description.name, "version": description.version}
    return NewImages(
        images,
        provenance=lambda: [{"source": i, **model} for i in range(len(images))],
        sheet=lambda: in_rows(images, columns),
        settings=model,
    )


def _augmented(
    found: Tensors,
    tensors: Tensors,
    batch: ImageBatch,
    options: AugmentOptions,
    decode: str,
    description: ModelDescription,
) -> NewImages:
    """New images with their labels and provenance."""
    sources, counted = tensors["images"], "counts" in tensors
    labels = None if batch.labels is None or "source" not in found else batch.labels.take(found["source"])
    per_image = {name: found[name] for name in ("source", "neighbour", "child", "step") if name in found}
    settings: dict[str, object] = {
        **options.model_dump(exclude=_NOT_NAMED if counted else _NOT_OF_THE_MODEL | _OF_FILTERS, exclude_none=True),
        "decode": decode,
        "model": description.name,
        "version": description.version,
    }

    def provenance() -> list[dict[str, object]]:
        rows = zip(*(values.tolist() for values in per_image.values()), strict=True)
        entries: list[dict[str, object]] = [{**dict(zip(per_image, row, strict=True)), **settings} for row in rows]
        if labels is None:
            return entries
        return [{**entry, "label": label} for entry, label in zip(entries, labels.values, strict=True)]

    def sheet() -> list[list[Pixels]]:
        counts = np.bincount(found["source"], minlength=len(sources))
        made = np.split(found["images"], np.cumsum(counts)[:-1])  # the children of each source
        return [[image, *children] for image, children in zip(sources, made, strict=True)]

    return NewImages(
        found["images"],
        provenance=provenance,
        sheet=sheet,
        per_image=per_image,
        settings=settings,
        labels=labels,
        tally=tally(tensors["counts"], found["source"], found["refused"], batch.labels) if counted else None,
        warnings=batch.warnings,
    )
