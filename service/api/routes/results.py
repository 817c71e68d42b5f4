"""The results of jobs, each in the forms of its kind, and images in the layouts that other tools read."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from latentaug.datasets import Dataset
from latentaug.datasets.layouts import convert
from latentaug.errors import Conflict, Damaged, InvalidInput, NotFound, TooManyRequests
from latentaug.imaging.archives import BROKEN_ZIP
from latentaug.options import Converted
from latentaug.runtime.jobs import JobRecord, Kind
from latentaug.storage.files import StoredFile
from service.api.access import Documented
from service.api.context import Context, FromContext
from service.api.http import contract, media
from service.api.http.options import Once, ResultOptions
from service.api.own import FromOwn
from service.api.routes.jobs import JobRoute
from service.api.stored import made, stored

RETRY_SECONDS = 2.0
_PLACES = threading.BoundedSemaphore(4)
"""For results that are being laid out anew."""

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=JobRoute, dependencies=[Documented])

RESULTS: dict[Kind, dict[str, str]] = {
    "train": {media.JSON: "result.json", media.PNG: "curve.png"},
    "evaluate": {
        media.JSON: "result.json",
        media.CSV: "report.csv",
        media.MARKDOWN: "report.md",
        media.PNG: "report.png",
    },
    "augment": {
        media.JSON: "result.json",
        media.PNG: "report.png",
        media.NPZ: "images.npz",
        media.ZIP: "images.zip",
    },
    "label": {
        media.JSON: "result.json",
        media.CSV: "rows.csv",
        media.NPZ: "images.npz",
        media.ZIP: "images.zip",
    },
    "recommend": {
        media.JSON: "result.json",
        media.CSV: "report.csv",
        media.MARKDOWN: "report.md",
        media.PNG: "report.png",
    },
}
IN_SHARDS = {"images.npz", "images.zip"}
"""The files that are several where there are very many images."""
LAYOUTS: dict[Converted, str] = {"huggingface": media.PARQUET, "webdataset": media.TAR, "yolo": media.ZIP}
"""The media type of each layout that is made of a job's zip."""
_NOT_AS_WRITTEN = (*BROKEN_ZIP, LookupError, TypeError, csv.Error)
"""What reading files of a job raises that are not what the job wrote."""
_FIGURES = {"quality": {media.PNG: "quality.png", media.JSON: "quality.json"}}
_RESULT_FORMS = list(dict.fromkeys([*(form for files in RESULTS.values() for form in files), *LAYOUTS.values()]))


@router.get(
    "/{job}/result",
    response_class=Response,
    dependencies=[Once],
    responses=contract.answer(_RESULT_FORMS)
    | contract.answer(_RESULT_FORMS, status=206)
    | contract.problems(404, 406, 409, 413, 416, 503),
)
async def job_result(
    request: Request, job: str, options: Annotated[ResultOptions, Query()], context: FromContext, own: FromOwn
) -> Response:
    """Get the result of a job that has succeeded: JSON, and by kind a table, a page of text, a plot or the images.

    With `layout`, images come as other tools read them. Without it, `Range` gives a part of the bytes, so that a broken
    download can go on.
    """
    figure, layout, shard = options.figure, options.layout, options.shard
    record = await context.on_jobs(lambda: own.jobs.get(job))
    if layout != "folders":
        return await _in_layout(request, record, layout, shard, context)
    files = RESULTS[record.kind] if figure is None else _FIGURES.get(figure, {media.PNG: f"figures/{figure}.png"})
    form = media.answer_form(request, list(files))
    _check_succeeded(record)
    what = "result" if figure is None else f"figure {figure!r}"
    try:
        return await stored(request, context, f"jobs/{record.id}/{_shard(record, files[form], shard)}", form)
    except NotFound as error:
        raise _no_longer(record, what) from error


async def _in_layout(
    request: Request, record: JobRecord, layout: Converted, shard: int | None, context: Context
) -> Response:
    """The images of a job, laid out for another tool."""
    form = media.answer_form(request, [LAYOUTS[layout]])
    if media.ZIP not in RESULTS[record.kind]:
        raise InvalidInput(
            f"a job of the kind {record.kind} makes no images; name an augment or label job, or leave out layout"
        )
    _check_succeeded(record)
    folder, files = f"jobs/{record.id}", RESULTS[record.kind]
    images = f"{folder}/{_shard(record, files[media.ZIP], shard)}"
    try:
        zipped = await context.on_store(lambda: StoredFile(context.store, images))
        told = await context.on_store(lambda: context.store.get(f"{folder}/{files[media.JSON]}"))
    except NotFound as error:
        raise _no_longer(record, "result") from error
    try:
        dataset = await _unchanged(context, record, json.loads(told)["dataset_checksum"])
        parts = convert(layout, io.BufferedReader(zipped), dataset)
        return await made(_one_of_few(parts), context.on_pixels, form)
    except _NOT_AS_WRITTEN as error:
        raise Damaged(f"the result of job {record.id} is damaged in the store; run the job again") from error


async def _unchanged(context: Context, record: JobRecord, checksum: str) -> Dataset:
    """The data set that a job used, with its classes and parts.

    Raises:
        NotFound: it was deleted, or another one has its name now.
    """
    name = str(record.params["dataset"])
    gone = f"the data set {name!r}, which the layout needs, was deleted or replaced; take the job's images as folders"
    try:
        dataset = await context.loaded.get(name, record.tenant)
    except NotFound as error:
        raise NotFound(gone) from error
    if await context.on_pixels(lambda: dataset.checksum) != checksum:
        raise NotFound(gone)
    return dataset


def _one_of_few(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The same parts, in one of few places, as each conversion has the directory of a zip in memory."""
    if not _PLACES.acquire(blocking=False):
        raise TooManyRequests("other results are being laid out; try again soon", retry_after=RETRY_SECONDS)
    try:
        yield from parts
    finally:
        _PLACES.release()


def _shard(record: JobRecord, file: str, shard: int | None) -> str:
    """The file's name, where images are in several shards that of the one that is asked for.

    Raises:
        InvalidInput: none of the shards is named, or one that there is not.
    """
    shards = (record.result or {}).get("shards") if file in IN_SHARDS else None
    count = shards if isinstance(shards, int) else 1
    if count == 1 and not shard:
        return file
    if shard is None or shard >= count:
        told = (
            f"the images are in {count} files; name one by shard=0 to {count - 1}" if count > 1 else "leave shard out"
        )
        raise InvalidInput(told, fields=[("shard", told)])
    stem, dot, form = file.rpartition(".")
    return f"{stem}-{shard}{dot}{form}"


def _no_longer(record: JobRecord, what: str) -> NotFound:
    return NotFound(f"job {record.id} has no {what}, or no longer has it; run the job again")


def _check_succeeded(record: JobRecord) -> None:
    if not record.ended:
        raise Conflict(f"the job is {record.status}; it has a result once it has succeeded", retry_after=RETRY_SECONDS)
    if record.status == "failed" and record.error is not None:
        raise Conflict(f"the job failed ({record.error.code}): {record.error.detail}")
    if record.status != "succeeded":
        raise Conflict(f"the job was {record.status}, so it has no result; submit it again")
