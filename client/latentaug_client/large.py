"""More images than one request should hold: parts of them, one request each, or a data set that a job works on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentaug_client.errors import Problem
from latentaug_client.labels import as_array, as_list, unlabelled
from latentaug_client.payloads import Encoded, SpreadLabels
from latentaug_client.zips import folder_labels

MOST_IMAGES = 1024
"""Most images, or latents, in one of several requests."""
MOST_VALUES = 2**22
"""Most values of pixels in one of several requests."""
MOST_BYTES = 2**24
"""Most bytes of image files in one of several requests, and most of which one request is asked for new images: how many
pixels they hold is not known here."""
MOST_WORK = 2**26
"""Most values of pixels, of images and new ones together, that one request is asked for: about ten seconds' work of a
residual network on two cores. A service takes no more bytes either."""
TOO_MUCH = {413, 504}
"""Statuses that say that a request was too large, or took too long."""
OF_REQUESTS = {"neighbours", "resize", "bits"}
"""Options that a job does not have: what they ask for is done at the upload, or needs no job."""
CHILDREN = 3
"""New images of each image where nothing is said; only an estimate, as the service has the default."""
_NUMBERED = re.compile(r"\bimage (\d+)\b")

Batch = NDArray[Any] | list[bytes]


def parts(batch: Batch) -> list[slice]:
    """Where to cut images or latents, so that each part is small enough for one request."""
    if isinstance(batch, np.ndarray):
        most = max(1, min(MOST_IMAGES, MOST_VALUES // max(1, int(np.prod(batch.shape[1:])))))
        starts = list(range(0, len(batch), most)) or [0]  # a batch of none is one part, for the service to refuse
    else:
        starts, size = [0], 0
        for i, file in enumerate(batch):
            size += len(file)
            if i - starts[-1] == MOST_IMAGES or (size > MOST_BYTES and i > starts[-1]):
                starts.append(i)
                size = len(file)
    return [slice(start, stop) for start, stop in pairwise([*starts, len(batch)])]


@contextmanager
def counted_from(first: int) -> Iterator[None]:
    """Have an image that the service names by its number in a request named by its number among all images."""
    try:
        yield
    except Problem as problem:
        problem.detail = _NUMBERED.sub(lambda found: f"image {first + int(found[1])}", problem.detail)
        raise


def joined_encoded(answers: Sequence[Encoded]) -> Encoded:
    """The answers to parts of one batch as one answer."""
    if len(answers) == 1:
        return answers[0]
    return Encoded(
        np.concatenate([answer.latents for answer in answers]),
        np.concatenate([answer.log_variances for answer in answers]),
        np.concatenate([answer.reconstruction_error for answer in answers]),
    )


def needs_job(batch: Batch, options: Mapping[str, Any]) -> bool:
    """Whether a job should make new images of these, because one request could hardly be answered in time."""
    if not _can_be_job(options):
        return False
    each = next((options[name] for name in ("per_image", "copies", "k") if options.get(name)), CHILDREN)
    if isinstance(batch, np.ndarray):
        return bool(max(batch.size * (1 + each), batch.nbytes) > MOST_WORK)
    return sum(map(len, batch)) > MOST_BYTES or len(batch) * (1 + each) > 4 * MOST_IMAGES


def is_large(batch: Batch) -> bool:
    """Whether images are more than one request should hold, whatever is done with them."""
    if isinstance(batch, np.ndarray):
        return batch.nbytes > MOST_WORK
    return sum(map(len, batch)) > MOST_BYTES


@contextmanager
def in_one_request() -> Iterator[None]:
    """Say what to do where the service finds a request too large, or too long, and no job does the same."""
    try:
        yield
    except Problem as problem:
        if problem.status in TOO_MUCH:
            problem.detail = (
                "these images are more than one request can measure; give some of them, drawn at random, such as "
                "images[np.random.default_rng(0).permutation(len(images))[:500]], which tell as much"
            )
        raise


def helps(problem: Problem, options: Mapping[str, Any]) -> bool:
    """Whether a job can make what a request could not: it was too large, or took too long."""
    return problem.status in TOO_MUCH and _can_be_job(options)


def job_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a request that are a job's too; the job takes all images that are uploaded for it."""
    return {"whole": True} | {name: value for name, value in options.items() if name not in OF_REQUESTS}


def labels_of(batch: Batch, labels: ArrayLike | None) -> ArrayLike | None:
    """The labels that images have in the data set; those of files name folders there."""
    return labels if labels is None or isinstance(batch, np.ndarray) else folder_labels(labels)


def dataset_name() -> str:
    """A name for a data set that lives as long as the job."""
    return f"augment-{uuid4().hex}"


def decode_of(result: bytes) -> str:
    """How a job's altered latents became images, from its result as JSON."""
    return str(json.loads(result)["decode"])


def spread_of(result: bytes, batch: Batch, labels: ArrayLike) -> SpreadLabels:
    """The labels that a job spread, as an answer to a request has them.

    Args:
        result: of the job, as JSON; its rows are the places of the images.
        batch: the images.
        labels: what was given for them.
    """
    given = as_array(labels)
    gaps = unlabelled(given)
    names = as_list(labels if isinstance(batch, np.ndarray) else folder_labels(labels))
    known = {str(names[i]): given[i] for i in np.flatnonzero(~gaps)}
    found, confidence, kept = given.copy(), (~gaps).astype(np.float32), ~gaps
    for row in json.loads(result)["rows"]:
        place = row["row"]
        if row["label"] is not None:
            found[place] = known[row["label"]]
        confidence[place], kept[place] = row["confidence"], row["kept"]
    return SpreadLabels(found, confidence, kept)


def _can_be_job(options: Mapping[str, Any]) -> bool:
    """Whether neighbours are looked for among the images themselves, as a job does."""
    return bool(options.get("neighbours", "batch") == "batch")
