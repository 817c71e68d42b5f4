"""Encode, decode and augment any number of images, once for code that waits and once for code that awaits.

What one request can answer in time is one request. More images are encoded part by part; new images of more are made
by a job, so that neighbours are still looked for among all of them: a data set is uploaded for the job, and deleted
afterwards whatever happens.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client import calls, large
from latentaug_client.calls import Record
from latentaug_client.connection import AsyncConnection, Connection
from latentaug_client.errors import LatentaugError, Problem
from latentaug_client.images import Images, gathered
from latentaug_client.jobs import LIVING, AsyncJob, Job
from latentaug_client.large import Batch
from latentaug_client.payloads import Augmented, Encoded, read_augmented

CANCEL_SECONDS = 20.0
"""Seconds within which a job that was cancelled leaves its data set alone."""

Options = Mapping[str, Any]


def encode(connection: Connection, model: str, images: Images, *, resize: bool | None) -> Encoded:
    """As `Client.encode`."""
    batch, answers = gathered(images), []
    for part in large.parts(batch):
        with large.counted_from(part.start):
            answers.append(connection.send(calls.encode(model, batch[part], resize=resize)))
    return large.joined_encoded(answers)


async def encode_awaited(connection: AsyncConnection, model: str, images: Images, *, resize: bool | None) -> Encoded:
    """As `encode`."""
    batch, answers = gathered(images), []
    for part in large.parts(batch):
        with large.counted_from(part.start):
            answers.append(await connection.send(calls.encode(model, batch[part], resize=resize)))
    return large.joined_encoded(answers)


def decode(connection: Connection, model: str, latents: ArrayLike) -> NDArray[Any]:
    """As `Client.decode`."""
    batch = np.asarray(latents)
    return np.concatenate([connection.send(calls.decode(model, batch[part])) for part in large.parts(batch)])


async def decode_awaited(connection: AsyncConnection, model: str, latents: ArrayLike) -> NDArray[Any]:
    """As `decode`."""
    batch = np.asarray(latents)
    return np.concatenate([await connection.send(calls.decode(model, batch[part])) for part in large.parts(batch)])


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
    return _augment_by_job(connection, model, batch, labels, options)


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
    return await _augment_by_awaited_job(connection, model, batch, labels, options)


def _augment_by_job(
    connection: Connection, model: str, batch: Batch, labels: ArrayLike | None, options: Options
) -> Augmented:
    """Make new images by a job; raises `JobFailed` if that fails."""
    size = _size(connection.send(calls.model(model))) if options.get("resize") else None
    name = large.dataset_name()
    folders = large.labels_of(batch, labels)
    connection.send(calls.upload(name, batch, folders, None, size, bits=options.get("bits")))
    try:
        params = calls.augment_params(name, model, large.job_options(options))
        job = Job(connection, connection.send(calls.submit("augment", params, None)))
        try:
            job.wait()
        except BaseException:  # Ctrl-C too: nobody would fetch what the job makes
            if job.status in LIVING:
                with suppress(LatentaugError, TimeoutError):
                    job.cancel().wait(timeout=CANCEL_SECONDS)
            raise
        return read_augmented(job.result("npz"), labels, large.decode_of(job.result()))
    finally:
        try:
            connection.send(calls.delete_dataset(name))
        except LatentaugError as error:
            _left_behind(name, error)


async def _augment_by_awaited_job(
    connection: AsyncConnection, model: str, batch: Batch, labels: ArrayLike | None, options: Options
) -> Augmented:
    """As `_augment_by_job`."""
    size = _size(await connection.send(calls.model(model))) if options.get("resize") else None
    name = large.dataset_name()
    folders = large.labels_of(batch, labels)
    await connection.send(calls.upload(name, batch, folders, None, size, bits=options.get("bits")))
    try:
        params = calls.augment_params(name, model, large.job_options(options))
        job = AsyncJob(connection, await connection.send(calls.submit("augment", params, None)))
        try:
            await job.wait()
        except BaseException:
            if job.status in LIVING:
                with suppress(LatentaugError, TimeoutError):
                    await (await job.cancel()).wait(timeout=CANCEL_SECONDS)
            raise
        return read_augmented(await job.result("npz"), labels, large.decode_of(await job.result()))
    finally:
        try:
            await connection.send(calls.delete_dataset(name))
        except LatentaugError as error:
            _left_behind(name, error)


def _size(model: Record) -> tuple[int, int]:
    return model["height"], model["width"]


def _left_behind(name: str, error: LatentaugError) -> None:
    warnings.warn(f"the data set {name} is left on the service; delete it there: {error}", stacklevel=4)
