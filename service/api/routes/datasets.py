"""The data sets: built-in ones and uploads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, NamedTuple

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from latentaug import datasets
from latentaug.allocator import give_back_aside
from latentaug.datasets import DatasetDescription, NotRead, Reading, Unreadable
from latentaug.errors import Damaged, InvalidInput, Newer, NotFound
from latentaug.imaging.depth import used_bits
from latentaug.imaging.intake import MOST_UNREADABLE
from latentaug.imaging.intake import Unreadable as NotTaken
from latentaug.imaging.pixels import Limits, Pixels
from latentaug.options import NAME
from latentaug.storage.objects import ArtefactStore
from service.api.access import AnyKey, MayAdminister, MayTrain
from service.api.context import Context, FromContext
from service.api.http import contract, media
from service.api.http.answers import write_images
from service.api.http.bodies import read_dataset, scaled
from service.api.http.holding import LARGE
from service.api.http.limits import read_body
from service.api.http.options import DamagedName, ImageFileOptions, NoOptions, Once, SampleOptions, UploadOptions
from service.api.http.places import Place
from service.api.own import FromOwn, Own
from service.api.samples import sample
from service.asgi.endpoint import afterwards
from service.asgi.taken import TakenResponse

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

MAX_IMAGES = 1_000_000


@router.post(
    "",
    status_code=201,
    dependencies=[MayTrain, Once],
    responses=contract.problems(400, 408, 409, 413, 415, 503, 507),
    openapi_extra=contract.file_request(media.DATASET_BODIES),
)
async def upload_dataset(
    request: Request,
    response: Response,
    options: Annotated[UploadOptions, Query()],
    context: FromContext,
    own: FromOwn,
) -> DatasetDescription:
    """Upload a data set: an npz with `images` and optional `labels`, or a zip of one folder of images per label.

    Some images may have no label: in an npz theirs is -1, an empty text or NaN; in a zip they lie in a folder
    `unlabelled`. They are trained on and never tested on.

    Images that show the same picture, byte for byte or nearly, are kept in one part, and unlabelled ones that show
    what a test image shows are in no part. The description's `duplicates` counts them, and `warnings` says what to know
    before the data set is used.
    """
    form = media.body_form(request, media.DATASET_BODIES)
    limits = Limits(max_images=MAX_IMAGES, max_bytes=context.settings.max_dataset_bytes)
    with context.uploads.one() as place:
        body = await receive(request, context, own, place)
        description = await context.on_upload(lambda: _create(context, own.store, options, form, body, limits))
    path = own.path(f"datasets/{description.name}")
    await context.on_jobs(lambda: context.jobs.enter(path, own.caller.owner))
    response.headers["Location"] = f"/v1/datasets/{description.name}"
    return description


async def receive(request: Request, context: Context, own: Own, place: Place) -> bytes:
    """The body of an upload, if its sender may store so much.

    Raises:
        NotStored, TooLarge, Stalled: as the request deserves.
    """
    settings, announced = context.settings, request.headers.get("content-length", "0")
    wanted = int(announced) if announced.isdecimal() else 0
    await context.on_jobs(lambda: context.jobs.check_room(own.caller.owner, wanted))
    body = await read_body(request, settings.max_dataset_bytes, settings.min_upload_rate, place.room)
    if len(body) > LARGE:
        afterwards(request, give_back_aside)
    return body


class DatasetList(BaseModel):
    """All data sets: the built-in ones, then the uploads by name."""

    datasets: list[DatasetDescription]
    damaged: list[DamagedName]


@router.get("", dependencies=[AnyKey, NoOptions], responses=contract.problems(503))
async def list_datasets(own: FromOwn) -> DatasetList:
    """List all data sets: the built-in ones, then the uploads by name.

    Uploads whose description cannot be read stand in `damaged`, each with what to do.
    """
    return await to_thread.run_sync(_all, own.store)


@router.get("/{dataset}", dependencies=[AnyKey], responses=contract.problems(404, 409, 503))
async def describe_dataset(dataset: str, own: FromOwn) -> DatasetDescription:
    """Describe one data set: its shape, classes, parts and checksum."""
    return await to_thread.run_sync(describe, dataset, own.store)


@router.get(
    "/{dataset}/images",
    response_class=Response,
    dependencies=[AnyKey, Once],
    responses=contract.answer(media.IMAGE_ANSWERS, contract.IMAGES_SCHEMA) | contract.problems(404, 406, 409, 503),
)
async def dataset_images(
    request: Request,
    dataset: str,
    options: Annotated[SampleOptions, Query()],
    context: FromContext,
    own: FromOwn,
) -> Response:
    """Get some images of a data set with their labels and rows: those that `rows` names, or `count` at random.

    As `application/x-npz` or `application/zip`, the answer can be sent to augment and encode as it is.
    """
    form = media.answer_form(request, media.IMAGE_ANSWERS)
    await to_thread.run_sync(describe, dataset, own.store)
    loaded = await own.dataset(dataset)
    chosen = await context.on_pixels(lambda: sample(loaded, options))
    context.holding.hold(request, 2 * chosen.images.nbytes)  # themselves, and as they are sent
    return TakenResponse([await context.on_pixels(lambda: write_images(form, chosen))], media_type=form)


@router.delete(
    "/{dataset}",
    status_code=204,
    response_class=Response,
    dependencies=[MayAdminister],
    responses=contract.problems(404, 409, 503, 507),
)
async def delete_dataset(dataset: str, context: FromContext, own: FromOwn) -> Response:
    """Delete an upload that no unfinished job uses."""
    await to_thread.run_sync(_check_exists, dataset, own.store)
    path, delete = own.path(f"datasets/{dataset}"), partial(datasets.delete, own.store, dataset)
    await context.on_jobs(lambda: context.jobs.delete_unused(path, delete))
    return Response(status_code=204)


def describe(name: str, store: ArtefactStore) -> DatasetDescription:
    """Describe a data set; a name that no data set can have is not found, like any other.

    Raises:
        NotFound: there is no such data set.
    """
    check_name(name)
    return datasets.describe(name, store)


def _check_exists(name: str, store: ArtefactStore) -> None:
    """Refuse a name that no data set has; a damaged one can still be deleted."""
    check_name(name)
    datasets.check_exists(name, store)


def check_name(name: str) -> None:
    """Refuse a name that no data set can have.

    Raises:
        NotFound: it can be none's.
    """
    if not NAME.fullmatch(name):
        raise NotFound.named("datasets", name)


def _create(
    context: Context, store: ArtefactStore, options: UploadOptions, form: str, body: bytes, limits: Limits
) -> DatasetDescription:
    sent = read_upload(options, form, body, limits)
    return datasets.create(store, options.name, sent.images, sent.labels, context.settings.max_dataset_bytes, *sent[2:])


class Sent(NamedTuple):
    """What an upload, or a shard of one, holds: what `datasets.create` takes."""

    images: Sequence[Pixels] | Pixels
    labels: Sequence[str | None] | None
    size: tuple[int, int] | None
    files: Sequence[str] | None
    reading: Reading


def read_upload(options: ImageFileOptions, form: str, body: bytes, limits: Limits, *, shard: bool = False) -> Sent:
    """Read the images of an upload, those of 16 bits scaled to 8.

    Raises:
        MalformedInput, InvalidInput, TooLarge: as `read_dataset` does.
    """
    size = options.height_and_width
    if size is not None:
        datasets.check_size(size)
    batch = read_dataset(form, body, limits, skip_bad=options.skip_bad, size=size)
    if shard and options.bits is None and not isinstance(batch.images, np.ndarray) and used_bits(batch.images):
        message = "there are images of 16 bits; say how many bits they use, so that all shards are scaled alike"
        raise InvalidInput(message, fields=[("bits", message)])
    images = scaled(batch, options.bits)
    labels = None if batch.labels is None else batch.labels.names
    reading = Reading(batch.parts, batch.warnings, _unreadable(batch.unreadable))
    return Sent(images, labels, size, batch.files, reading)


def _unreadable(left: Sequence[NotTaken]) -> Unreadable | None:
    files = [NotRead(file=each.file, reason=each.reason) for each in left[:MOST_UNREADABLE]]
    return Unreadable(images=len(left), files=files) if left else None


def _all(store: ArtefactStore) -> DatasetList:
    found = DatasetList(datasets=[], damaged=[])
    for name in datasets.names(store):
        try:
            found.datasets.append(datasets.describe(name, store))
        except NotFound:  # deleted since it was listed
            continue
        except (Damaged, Newer) as error:
            found.damaged.append(DamagedName(name=name, detail=error.detail))
    return found
