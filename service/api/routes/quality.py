"""New images in, how good they are out."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

from latentaug.evaluation.quality_report import NUMBERS, Quality, Report, report
from latentaug.options import ImageOptions
from service.api.compute.client import Outputs
from service.api.context import context_of
from service.api.http import contract, media
from service.api.http.limits import in_time
from service.api.http.options import read_options
from service.api.routes.steps import PROBLEMS, asked_model, compute, endpoint, fitted, read_batch
from service.asgi.disconnect import while_connected


class QualityAnswer(Report):
    """What quality answers."""

    nearest: list[int]
    """For each image, the row in the model's data set of the training image that it is nearest to."""
    distance: list[float]
    """How far that is, in latent space."""
    image_density: list[float]
    """In how many neighbourhoods of training images each lies, beside what a real image does."""


_OF_EACH = ("nearest", "distance", "image_density")


async def quality(request: Request) -> Response:
    """Tell how like a model's training images others are, and whether they are copies, by the model's own latents.

    Density and coverage are those of Naeem et al. (2020). What is usual of real images is learnt from the training
    images, each beside all others, because of the other parts of the data set no latents are kept (`unseen` is
    `left_out`); an augment job takes held-out images instead. Labels are those of the model's data set. Of more than
    20,000 training images so many are drawn, always the same.
    """
    form = media.answer_form(request, [media.JSON])
    context = context_of(request)
    async with in_time(request, context.settings) as seconds_left:
        description = await asked_model(request)
        batch = await read_batch(request, context, media.IMAGE_BODIES)
        options = read_options(ImageOptions, request, batch.fields)
        tensors: dict[str, NDArray[Any]] = {"images": await fitted(request, context, batch, description, options)}
        if batch.labels is not None:
            tensors["labels"] = batch.labels.codes_in(description.classes)
        outputs = [*NUMBERS, *_OF_EACH]
        call = compute(request, description, "quality", tensors, {}, outputs, None, seconds_left)
        return Response(_answer(await while_connected(request, call)).model_dump_json(), media_type=form)


def _answer(found: Outputs) -> QualityAnswer:
    numbers = {name: found[name][0].item() for name in NUMBERS}
    shares = {name: None if number < 0 else number for name, number in numbers.items()}
    told = report(Quality.model_validate({**shares, "unseen": "left_out", "near_copies_of": "training"}))
    return QualityAnswer.model_validate({**told.model_dump(), **{name: found[name].tolist() for name in _OF_EACH}})


ENDPOINTS = (
    endpoint(
        "quality",
        quality,
        contract.image_request(media.IMAGE_BODIES, ImageOptions),
        contract.answer([media.JSON], QualityAnswer.model_json_schema()) | PROBLEMS,
    ),
)
