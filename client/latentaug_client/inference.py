"""Encode, decode, augment and label any number of images, once for code that waits and once for code that awaits.

What one request can answer in time is one request. More images are encoded part by part. New images and labels of more
are made by a job, so that neighbours are still looked for among all of them: a data set is uploaded for the job, and
deleted afterwards whatever happens. How good images are is told of as many as one request holds.
"""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls, large, remarks
from latentaug_client.calls import Record
from latentaug_client.connection import AsyncConnection, Connection
from latentaug_client.errors import LatentaugError, Problem
from latentaug_client.images import Images, gathered
from latentaug_client.jobs import LIVING, AsyncJob, Job
from latentaug_client.large import Batch
from latentaug_client.payloads import Augmented, Encoded, SpreadLabels, read_augmented

CANCEL_SECONDS = 20.0
"""Seconds within which a job that was cancelled leaves its data set alone."""

Options = Mapping[str, Any]


def encode(connection: Connection, model: str, images: Images, options: Options) -> Encoded:
    """As `Client.encode`."""
    batch, answers = gathered(images), []
    for part in large.parts(batch):
        with large.counted_from(part.start):
            answers.append(connection.send(calls.encode(model, batch[part], options)))
    return large.joined_encoded(answers)


async def encode_awaited(connection: AsyncConnection, model: str, images: Images, options: Options) -> Encoded:
    """As `encode`."""
    batch, answers = gathered(images), []
    for part in large.parts(batch):
        with large.counted_from(part.start):
            answers.append(await connection.send(calls.encode(model, batch[part], options)))
    return large.joined_encoded(answers)


def decode(connection: Connection, model: str, latents: ArrayLike) -> NDArray[Any]:
    """As `Client.decode`."""
    batch = np.asarray(latents)
    return np.concatenate([connection.send(calls.decode(model, batch[part])) for part in large.parts(batch)])


async def decode_awaited(connection: AsyncConnection, model: str, latents: ArrayLike) -> NDArray[Any]:
    """As `decode`."""
    batch = np.asarray(latents)
    return np.concatenate([await connection.send(calls.decode(model, batch[part])) for part in large.parts(batch)])


def quality(connection: Connection, model: str, images: Images, labels: ArrayLike | None, options: Options) -> Record:
    """As `Client.quality`."""
    with large.in_one_request():
        return connection.send(calls.quality(model, images, labels, options))


async def quality_awaited(
    connection: AsyncConnection, model: str, images: Images, labels: ArrayLike | None, options: Options
) -> Record:
    """As `quality`."""
    with large.in_one_request():
        return await connection.send(calls.quality(model, images, labels, options))


def augment(
    connection: Connection, model: str, images: Images, labels: ArrayLike | None, options: Options
) -> Augmented:
    """As `Client.augment`."""
    batch = gathered(images)
    if not large.needs_job(batch, options):
        try:
            return connection.send(calls.augment(model, batch, labels, options))
        except Problem as problem:
            if not large.helps(problem, options):
                raise
    with _borrowed(connection, model, batch, labels, options) as name:
        params = calls.augment_params(name, model, large.job_options(options))
        job = _waited(Job(connection, connection.send(calls.submit("augment", params, None))))
        return read_augmented(job.result("npz"), labels, large.decode_of(job.result()))


async def augment_awaited(
    connection: AsyncConnection, model: str, images: Images, labels: ArrayLike | None, options: Options
) -> Augmented:
    """As `augment`."""
    batch = gathered(images)
    if not large.needs_job(batch, options):
        try:
            return await connection.send(calls.augment(model, batch, labels, options))
        except Problem as problem:
            if not large.helps(problem, options):
                raise
    async with _borrowed_awaited(connection, model, batch, labels, options) as name:
        params = calls.augment_params(name, model, large.job_options(options))
        job = await _awaited(AsyncJob(connection, await connection.send(calls.submit("augment", params, None))))
        return read_augmented(await job.result("npz"), labels, large.decode_of(await job.result()))


def label(connection: Connection, model: str, images: Images, labels: ArrayLike, options: Options) -> SpreadLabels:
    """As `Client.label`."""
    batch = gathered(images)
    if not large.is_large(batch):
        try:
            return connection.send(calls.label(model, batch, labels, options))
        except Problem as problem:
            if problem.status not in large.TOO_MUCH:
                raise
    with _borrowed(connection, model, batch, labels, options) as name:
        params = {"dataset": name, "model": model, **large.job_options(options)}
        job = _waited(Job(connection, connection.send(calls.submit("label", params, None))))
        return large.spread_of(job.result(), batch, labels)


async def label_awaited(
    connection: AsyncConnection, model: str, images: Images, labels: ArrayLike, options: Options
) -> SpreadLabels:
    """As `label`."""
    batch = gathered(images)
    if not large.is_large(batch):
        try:
            return await connection.send(calls.label(model, batch, labels, options))
        except Problem as problem:
            if problem.status not in large.TOO_MUCH:
                raise
    async with _borrowed_awaited(connection, model, batch, labels, options) as name:
        params = {"dataset": name, "model": model, **large.job_options(options)}
        job = await _awaited(AsyncJob(connection, await connection.send(calls.submit("label", params, None))))
        return large.spread_of(await job.result(), batch, labels)


@contextmanager
def _borrowed(
    connection: Connection, model: str, batch: Batch, labels: ArrayLike | None, options: Options
) -> Iterator[str]:
    """A data set of the images, for as long as a job needs it."""
    size = _size(connection.send(calls.model(model))) if options.get("resize") else None
    name = large.dataset_name()
    folders = large.labels_of(batch, labels)
    connection.send(calls.upload(name, batch, folders, None, size, bits=options.get("bits")))
    try:
        yield name
    finally:
        try:
            connection.send(calls.delete_dataset(name))
        except LatentaugError as error:
            _left_behind(name, error)


@asynccontextmanager
async def _borrowed_awaited(
    connection: AsyncConnection, model: str, batch: Batch, labels: ArrayLike | None, options: Options
) -> AsyncIterator[str]:
    """As `_borrowed`."""
    size = _size(await connection.send(calls.model(model))) if options.get("resize") else None
    name = large.dataset_name()
    folders = large.labels_of(batch, labels)
    await connection.send(calls.upload(name, batch, folders, None, size, bits=options.get("bits")))
    try:
        yield name
    finally:
        try:
            await connection.send(calls.delete_dataset(name))
        except LatentaugError as error:
            _left_behind(name, error)


def _waited(job: Job) -> Job:
    """A job once it has succeeded; it is cancelled where nobody waits for it any more."""
    try:
        return job.wait()
    except BaseException:  # Ctrl-C too: nobody would fetch what the job makes
        if job.status in LIVING:
            with suppress(LatentaugError, TimeoutError):
                job.cancel().wait(timeout=CANCEL_SECONDS)
        raise


async def _awaited(job: AsyncJob) -> AsyncJob:
    """As `_waited`."""
    try:
        return await job.wait()
    except BaseException:
        if job.status in LIVING:
            with suppress(LatentaugError, TimeoutError):
                await (await job.cancel()).wait(timeout=CANCEL_SECONDS)
        raise


def _size(model: Record) -> tuple[int, int]:
    return model["height"], model["width"]


def _left_behind(name: str, error: LatentaugError) -> None:
    warnings.warn(f"the data set {name} is left on the service; delete it there: {error}", stacklevel=remarks.level())
