"""Partly labelled images in, labels for the others out."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from latentaug.augment.labelling import MAX_REQUEST_VALUES, check_labels
from latentaug.errors import InvalidInput, TooLarge
from latentaug.options import ImageOptions, LabelRequest
from service.api.context import context_of
from service.api.http import contract, media
from service.api.http.answers import SpreadLabels, write_spread
from service.api.http.limits import in_time
from service.api.http.options import read_options
from service.api.routes.steps import PROBLEMS, asked_model, compute, endpoint, fitted, or_by_a_job, read_batch
from service.asgi.disconnect import while_connected
from service.asgi.taken import TakenResponse


async def label(request: Request) -> Response:
    """Spread the labels of some of the images over the others, which are sent without one.

    A label spreads from image to image between those that are most alike. Each new one comes with the chance that it is
    right, learnt from the labelled images, and whether it is worth keeping. An image that is unlike every labelled one
    gets none. The same request always gets the same answer.
    """
    form = media.answer_form(request, media.LABEL_ANSWERS)
    context = context_of(request)
    async with in_time(request, context.settings, "label") as seconds_left:
        description = await asked_model(request)
        try:
            batch = await read_batch(request, context, media.LABELLED_BODIES)
        except TooLarge as error:
            raise or_by_a_job(error, "label") from error
        options = read_options(LabelRequest, request, batch.fields)
        if batch.labels is None:
            message = "there are no labels to spread; send them too, with none for the images that are to get one"
            raise InvalidInput(message, fields=[("labels", message)])
        codes = batch.labels.codes()
        check_labels(codes, MAX_REQUEST_VALUES)
        images = await fitted(request, context, batch, description, options)
        parameters = options.model_dump(exclude=set(ImageOptions.model_fields), exclude_none=True)
        outputs = ["labels", "confidence", "kept"]
        call = compute(
            request, description, "label", {"images": images, "labels": codes}, parameters, outputs, None, seconds_left
        )
        found = await while_connected(request, call)
        spread = SpreadLabels(images, batch.labels.named(found["labels"]), found["confidence"], found["kept"])
        effort = media.write_effort(form, spread.images.nbytes)
        return TakenResponse([await context.on_pixels(lambda: write_spread(form, spread), effort)], media_type=form)


ENDPOINTS = (
    endpoint(
        "label",
        label,
        contract.image_request(media.LABELLED_BODIES, LabelRequest),
        contract.answer(media.LABEL_ANSWERS, contract.SPREAD_SCHEMA) | PROBLEMS,
    ),
)
