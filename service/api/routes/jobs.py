"""The jobs: work that takes minutes or hours."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query
from fastapi.routing import APIRoute
from sse_starlette import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response

from latentaug.errors import Conflict
from latentaug.options import (
    AugmentParams,
    EvaluateParams,
    LabelParams,
    Notifying,
    Recipe,
    RecommendParams,
    TrainParams,
)
from latentaug.runtime.jobs import Event, JobRecord, Kind
from latentaug.storage import models
from latentaug.storage.objects import ArtefactStore
from service.api.access import Documented, guarded
from service.api.context import Context, FromContext, context_of
from service.api.http import contract
from service.api.http.json_bodies import BoundedJson
from service.api.http.options import JobFilter, NoOptions, Once
from service.api.jobs.events import HEARTBEAT_SECONDS, check_event_id, only_the_end_again, stream
from service.api.jobs.feasibility import (
    check_augment,
    check_beside,
    check_evaluate,
    check_label,
    check_recipe,
    check_recommend,
    check_train,
    check_webhook,
    recipe_of,
)
from service.api.own import FromOwn, Own
from service.api.routes.datasets import describe as describe_dataset
from service.asgi.endpoint import Answer

MAX_BODY_BYTES = 2**20
MAX_BODY_VALUES = 10_000


class JobRoute(APIRoute):
    """A route for callers whose key may train, and whose body is bounded before FastAPI reads it.

    FastAPI reads and parses a whole body before it looks at any dependency, so neither of these can be one.
    """

    def get_route_handler(self) -> Answer:
        """What answers a request."""
        answer = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            if self.body_field is not None:
                slowest = context_of(request).settings.min_upload_rate
                request = BoundedJson(request, MAX_BODY_BYTES, slowest, MAX_BODY_VALUES)
                await request.json()  # here, for FastAPI would hide what is wrong with it
            return await answer(request)

        return guarded("train", bounded)


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JobRoute, dependencies=[Documented])

IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,255}$",
        description="Any text of your own. For a day, a request with the same key gives the job of the first one.",
    ),
]

_SUBMIT_PROBLEMS = contract.problems(400, 404, 408, 409, 413, 415, 503, 507)


@router.post("/train", status_code=202, dependencies=[NoOptions], responses=_SUBMIT_PROBLEMS)
async def submit_train(
    params: TrainParams,
    response: Response,
    context: FromContext,
    own: FromOwn,
    idempotency_key: IdempotencyKey = None,
) -> JobRecord:
    """Train a model on a data set, without its labels."""
    check_train(await to_thread.run_sync(describe_dataset, params.dataset, own.store))
    if idempotency_key is None:
        await to_thread.run_sync(_check_free, own.store, params.name)
    record, created = await _submit(response, context, own, "train", params, idempotency_key, reserve=params.name)
    if created or record.status == "cancelled":
        # Look again now that the name is reserved, as another job may have made the model just now. With a key this is
        # the first look, as the model of that name may be the one that this very request asked for before.
        try:
            await to_thread.run_sync(_check_free, own.store, params.name)
        except Conflict:
            await context.on_jobs(lambda: own.jobs.cancel(record.id))
            raise
    return record


@router.post("/evaluate", status_code=202, dependencies=[NoOptions], responses=_SUBMIT_PROBLEMS)
async def submit_evaluate(
    params: EvaluateParams,
    response: Response,
    context: FromContext,
    own: FromOwn,
    idempotency_key: IdempotencyKey = None,
) -> JobRecord:
    """Measure whether augmentation helps SVM, kNN and MLP on a data set, over repeated paired draws."""
    dataset = await to_thread.run_sync(describe_dataset, params.dataset, own.store)
    check_evaluate(params, dataset, [await own.model(name) for name in params.model or []])
    for other in await context.on_jobs(lambda: [own.jobs.get(job) for job in params.beside]):
        check_beside(other, dataset)
    record, _ = await _submit(response, context, own, "evaluate", params, idempotency_key)
    return record


@router.post("/augment", status_code=202, dependencies=[NoOptions], responses=_SUBMIT_PROBLEMS)
async def submit_augment(
    params: AugmentParams,
    response: Response,
    context: FromContext,
    own: FromOwn,
    idempotency_key: IdempotencyKey = None,
) -> JobRecord:
    """Augment the whole training part of a data set, or make the training set of a recipe."""
    dataset = await to_thread.run_sync(describe_dataset, params.dataset, own.store)
    if isinstance(params.recipe, str):
        # The recipe itself is what the job goes by, so that it does not depend on how long the other job is kept.
        recommend = await context.on_jobs(partial(own.jobs.get, params.recipe))
        params = params.model_copy(update={"recipe": recipe_of(recommend)})
    recipe = params.recipe if isinstance(params.recipe, Recipe) else None
    named = params.model if recipe is None else recipe.model
    model = None if named is None else await own.model(named)
    if recipe is not None:
        check_recipe(params, recipe, dataset, model, context.settings.max_result_bytes)
    elif model is not None:
        check_augment(params, dataset, model, context.settings.max_result_bytes)
    record, _ = await _submit(response, context, own, "augment", params, idempotency_key)
    return record


@router.post("/label", status_code=202, dependencies=[NoOptions], responses=_SUBMIT_PROBLEMS)
async def submit_label(
    params: LabelParams,
    response: Response,
    context: FromContext,
    own: FromOwn,
    idempotency_key: IdempotencyKey = None,
) -> JobRecord:
    """Spread the labels of a data set's training part, or of all of it, over its unlabelled images."""
    dataset = await to_thread.run_sync(describe_dataset, params.dataset, own.store)
    check_label(params, dataset, await own.model(params.model))
    record, _ = await _submit(response, context, own, "label", params, idempotency_key)
    return record


@router.post("/recommend", status_code=202, dependencies=[NoOptions], responses=_SUBMIT_PROBLEMS)
async def submit_recommend(
    params: RecommendParams,
    response: Response,
    context: FromContext,
    own: FromOwn,
    idempotency_key: IdempotencyKey = None,
) -> JobRecord:
    """Look for the training set that serves classifiers best, and measure it beside no new images and affine copies."""
    dataset = await to_thread.run_sync(describe_dataset, params.dataset, own.store)
    model = None if params.model is None else await own.model(params.model)
    check_recommend(params, dataset, model)
    record, _ = await _submit(response, context, own, "recommend", params, idempotency_key)
    return record


@router.get("", dependencies=[Once], responses=contract.problems(503))
async def list_jobs(
    wanted: Annotated[JobFilter, Query()], context: FromContext, own: FromOwn
) -> dict[str, list[JobRecord] | str | None]:
    """List jobs, newest first. `next` is the `cursor` of the following page, or null."""
    found, following = await context.on_jobs(
        lambda: own.jobs.page(wanted.kind, wanted.status, wanted.limit, wanted.cursor)
    )
    return {"jobs": found, "next": following}


@router.get("/{job}", responses=contract.problems(404, 503))
async def describe_job(job: str, context: FromContext, own: FromOwn) -> JobRecord:
    """Get the record of one job."""
    return await context.on_jobs(lambda: own.jobs.get(job))


@router.get(
    "/{job}/events",
    response_class=Response,
    responses=contract.event_stream() | contract.problems(404, 503),
)
async def job_events(
    job: str, context: FromContext, own: FromOwn, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Follow a job: `progress` and `metrics` as they come, and `end` last. `Last-Event-ID` resumes after an event."""

    async def read(after: str | None) -> list[Event]:
        return await context.on_jobs(lambda: own.jobs.events(job, after))

    after = check_event_id(last_event_id)
    events = await read(after)
    if events and only_the_end_again(events, after):
        return Response(status_code=204)  # no other answer makes an EventSource stop reconnecting
    return EventSourceResponse(stream(job, events, after, read), ping=HEARTBEAT_SECONDS)


@router.delete("/{job}", responses=contract.problems(404, 409, 503))
async def cancel_job(job: str, context: FromContext, own: FromOwn) -> JobRecord:
    """Cancel a job: one that waits never starts, and one that runs stops within seconds."""
    return await context.on_jobs(lambda: own.jobs.cancel(job))


async def _submit(
    response: Response,
    context: Context,
    own: Own,
    kind: Kind,
    params: Notifying,
    idempotency_key: str | None,
    reserve: str | None = None,
) -> tuple[JobRecord, bool]:
    check_webhook(params.webhook, context.settings)
    record, created = await context.on_jobs(
        lambda: own.jobs.submit(kind, params, idempotency_key=idempotency_key, reserve=reserve)
    )
    response.headers["Location"] = f"/v1/jobs/{record.id}"
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return record, created


def _check_free(store: ArtefactStore, name: str | None) -> None:
    if name is not None and store.exists(models.describe_path(name)):
        raise Conflict(f"there is a model named {name!r}; choose another name or delete that model first")
