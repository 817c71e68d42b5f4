"""Data sets that come in shards, one request for each, and are joined in the end."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from latentaug.datasets import DatasetDescription, shards
from latentaug.datasets.shards import Shard
from latentaug.imaging.pixels import Limits
from latentaug.storage.objects import ArtefactStore
from service.api.access import AnyKey, MayTrain
from service.api.context import Context, FromContext
from service.api.http import contract, media
from service.api.http.options import ImageFileOptions, JoinOptions, NoOptions, Once
from service.api.own import FromOwn
from service.api.routes.datasets import MAX_IMAGES, check_name, read_upload, receive

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

Number = Annotated[int, Path(ge=0, lt=shards.MOST_SHARDS)]


class ShardList(BaseModel):
    """The shards that are stored of a data set that is not yet joined, by number."""

    shards: list[Shard]


@router.put(
    "/{dataset}/shards/{number}",
    dependencies=[MayTrain, Once],
    responses=contract.problems(400, 404, 408, 409, 413, 415, 503, 507),
    openapi_extra=contract.file_request(media.DATASET_BODIES),
)
async def upload_shard(
    request: Request,
    dataset: str,
    number: Number,
    options: Annotated[ImageFileOptions, Query()],
    context: FromContext,
    own: FromOwn,
) -> Shard:
    """Send some images of a data set that is too large for one request, as npz or zip like a whole one.

    Each shard has a number, from 0. Sent again, in any order, it replaces the one with its number. All have images of
    one size. The data set exists once its shards are joined; if none comes for an hour before that, they are deleted.
    """
    check_name(dataset)
    form = media.body_form(request, media.DATASET_BODIES)
    limits = Limits(max_images=MAX_IMAGES, max_bytes=context.settings.max_dataset_bytes)
    with context.uploads.one() as place:
        body = await receive(request, context, own, place)
        put = partial(_put, context, own.store, dataset, number, options, form, body, limits)
        shard = await context.on_upload(put)
    path = own.path(f"datasets/{dataset}")
    await context.on_jobs(lambda: context.jobs.enter(path, own.caller.owner))
    return shard


@router.get("/{dataset}/shards", dependencies=[AnyKey, NoOptions], responses=contract.problems(404, 503))
async def list_shards(dataset: str, own: FromOwn) -> ShardList:
    """List the shards that have come of a data set that is not yet joined, so that an upload can go on."""
    check_name(dataset)
    return ShardList(shards=await to_thread.run_sync(shards.listed, own.store, dataset))


@router.post(
    "/{dataset}/shards/join",
    status_code=201,
    dependencies=[MayTrain, Once],
    responses=contract.problems(404, 409, 413, 429, 503, 507),
)
async def join_shards(
    response: Response,
    dataset: str,
    options: Annotated[JoinOptions, Query()],
    context: FromContext,
    own: FromOwn,
) -> DatasetDescription:
    """Make a data set of its shards, in the order of their numbers: what one upload of all images would have made.

    A million images take minutes. Whoever does not wait for the answer finds the data set by its name.
    """
    check_name(dataset)
    scratch = context.settings.dataset_folders[-1]
    with context.uploads.one():
        join = partial(shards.join, own.store, dataset, options.count, scratch)
        description = await context.on_upload(join)
    path = own.path(f"datasets/{dataset}")
    await context.on_jobs(lambda: context.jobs.enter(path, own.caller.owner))
    response.headers["Location"] = f"/v1/datasets/{dataset}"
    return description


@router.delete(
    "/{dataset}/shards",
    status_code=204,
    response_class=Response,
    dependencies=[MayTrain, NoOptions],
    responses=contract.problems(404, 503, 507),
)
async def delete_shards(dataset: str, context: FromContext, own: FromOwn) -> Response:
    """Delete the shards of a data set that is not to be joined."""
    check_name(dataset)
    await to_thread.run_sync(shards.drop, own.store, dataset)
    path = own.path(f"datasets/{dataset}")
    await context.on_jobs(lambda: context.jobs.enter(path, own.caller.owner))
    return Response(status_code=204)


def _put(
    context: Context,
    store: ArtefactStore,
    dataset: str,
    number: int,
    options: ImageFileOptions,
    form: str,
    body: bytes,
    limits: Limits,
) -> Shard:
    sent = read_upload(options, form, body, limits, shard=True)
    most, in_all = limits.max_bytes, context.settings.max_sharded_bytes
    return shards.put(store, dataset, number, sent.images, sent.labels, most, in_all, *sent[2:])
