"""Turns a parsed request into checked work for the engine.

Wrong names, types and parameters are 400; values of the right form that the model cannot use are 422; more than the
limits allow is 413.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from latentaug.augment.effort import MOST, effort
from latentaug.augment.labelling import MAX_REQUEST_VALUES, check_labels
from latentaug.augment.spreading import Told, spread
from latentaug.datasets import UNLABELLED
from latentaug.errors import InvalidInput, MalformedInput, TooLarge
from latentaug.options import Decode, LabelOptions, Options, RenderingOptions
from latentaug.storage.models import ModelDescription
from service.model_server import measuring
from service.model_server.engine import Augmentation, Key
from service.model_server.loaded import LoadedModel, Outputs
from service.model_server.specs import OPTIONAL, Operation, inputs, listed, wanted_outputs
from service.oip.messages import JOINED, InferenceRequest
from service.oip.tensors import DTYPES, Array, Parameters

_Chosen = TypeVar("_Chosen", bound=Options)
OUTPUTS_PER_INPUT = 8
SAMPLE_EFFORT = 2**19
"""Multiplications of a search for neighbours that take about as long as a sample."""
WARP_SAMPLES = 27
"""What a warped image counts in the queue: it takes about as long as so many decoded ones (`python -m bench.warps`)."""
RESERVED = {"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers", "binary_data_output"}
PARAMETERS: dict[Operation, type[Options]] = {"augment": RenderingOptions, "label": LabelOptions}
"""What else the operations take."""


@dataclass(frozen=True)
class Work:
    """One request, ready for the batcher."""

    key: Key
    payload: Array | Augmentation
    size: int
    """Images and latents that the network computes for it, and what takes as long as so many."""
    finish: Callable[[Outputs, Told], Outputs] | None = None
    """Makes the outputs of those of the batcher, beside the engine's thread, and tells how far it has come."""


def prepare(model: LoadedModel, operation: Operation, request: InferenceRequest, max_rows: int) -> Work:
    """Check a request against its model.

    Args:
        model: the model asked.
        operation: what to do with it.
        request: as parsed.
        max_rows: most images or latents taken; an answer may have 8 times as many images.

    Raises:
        MalformedInput: a tensor or parameter is unknown, missing or of the wrong type.
        InvalidInput: shapes or values that this model cannot use.
        TooLarge: more rows than allowed.
    """
    _check_inputs(model.description, operation, request, max_rows)
    wanted = wanted_outputs(model.description, operation, request)
    options = {name: value for name, value in request.parameters.items() if not _reserved(name)}
    joined = _joined(options.pop(JOINED, 1))
    known = PARAMETERS[operation].model_fields if operation in PARAMETERS else {}
    if unknown := options.keys() - known.keys():
        raise MalformedInput(f"{operation} has no parameter {listed(unknown)}")
    rows = len(request.inputs["latents" if operation == "decode" else "images"])
    if rows % joined:
        raise InvalidInput(
            f"{rows} rows are not {joined} requests of equal size", fields=[(JOINED, "must divide rows")]
        )
    if operation == "encode":
        images = request.inputs["images"]
        tiles, checked = model.family(rows // joined), "reconstruction_error" in wanted
        return Work(Key(model, "encode", tiles, tiles if checked else ()), images, len(images) * (1 + checked))
    if operation == "decode":
        latents = request.inputs["latents"]
        if not np.isfinite(latents).all():
            raise InvalidInput("latents must be finite numbers", fields=[("latents", "must be finite")])
        return Work(Key(model, "decode", (), model.family(rows // joined)), latents, rows)
    if operation == "label":
        return _prepare_label(model, request, options, joined)
    if operation == "quality":
        return _prepare_quality(model, request, joined)
    return _prepare_augment(model, request, options, "images" in wanted, max_rows, joined)


def _prepare_augment(
    model: LoadedModel, request: InferenceRequest, options: Parameters, decoded: bool, max_rows: int, joined: int
) -> Work:
    images, labels, counts = (request.inputs.get(name) for name in ("images", "labels", "counts"))
    assert images is not None  # noqa: S101 (checked before)
    for name, each in (("labels", labels), ("counts", counts)):
        if each is not None and len(each) != len(images):
            raise InvalidInput(f"there are {len(images)} images but {len(each)} {name}", fields=[(name, "one each")])
    most = OUTPUTS_PER_INPUT * max_rows
    if counts is not None and not ((counts >= 0) & (counts <= most)).all():
        raise InvalidInput(f"counts must be 0 to {most}", fields=[("counts", f"0 to {most}")])
    asked = _options(RenderingOptions, options)
    decode = model.description.decode(asked.decode)
    if counts is None and (asked.filters or "retries" in options):
        raise InvalidInput("filters go with counts; send them too", fields=[("counts", "missing")])
    if counts is not None and joined > 1:
        raise InvalidInput("requests with counts come one by one", fields=[(JOINED, "must be 1 with counts")])
    augmentation = Augmentation(images=images, labels=labels, options=asked, counts=counts, requests=joined)
    named = labels is not None and bool((labels != UNLABELLED).any())
    if asked.neighbours == "dataset" and named and model.projected.labels is None:
        raise InvalidInput("the model's data set has no labels to match; leave labels out or use neighbours=batch")
    children = len(images) * asked.children if counts is None else int(counts.sum())
    if children > most:
        raise TooLarge(f"{children} images were asked for; at most {most} are made at once")
    key = Key(
        model,
        "augment",
        model.family(len(images) // joined),
        _decode_tiles(model, decode, children // joined) if decoded else (),
        decode,
    )
    again = decoded and decode == "residual"  # the sources are decoded too
    size = len(images) * (1 + again) + children * decoded * (WARP_SAMPLES if decode == "warp" else 1)
    return Work(key, augmentation, size + _search(model, augmentation) // SAMPLE_EFFORT)


def _decode_tiles(model: LoadedModel, decode: Decode, children: int) -> tuple[int, ...]:
    """The tiles for the children of a request; warps in tiles of several sizes are not known to agree."""
    return (model.tile(children),) if decode == "warp" else model.family(children)


def _search(model: LoadedModel, asked: Augmentation) -> int:
    """How much work it is to find neighbours and to filter, in multiplications.

    Raises:
        TooLarge: more than one request may need.
    """
    options, images = asked.options, len(asked.images) // asked.requests
    reference = model.reference if options.neighbours == "dataset" else None
    labels = asked.labels if asked.requests == 1 else None
    found = asked.requests * effort(options, len(model.sigma), labels, images, asked.counts, reference)
    if found > MOST:
        raise TooLarge(
            f"to find and compare neighbours for these images takes {found / MOST:.1f} times the work that one request "
            "may take; send fewer images, allow fewer retries, or augment a data set by a job"
        )
    return found


def _prepare_label(model: LoadedModel, request: InferenceRequest, options: Parameters, joined: int) -> Work:
    """Labels are spread once the images are encoded."""
    images, labels = request.inputs["images"], request.inputs["labels"]
    _check_aside(images, labels, joined, "label")
    classes = check_labels(labels, MAX_REQUEST_VALUES)
    given, found = labels != UNLABELLED, labels.copy()
    names, found[given] = np.unique(labels[given], return_inverse=True)
    asked = _options(LabelOptions, options)

    def finish(encoded: Outputs, tell: Told) -> Outputs:
        made = spread(images, found, classes, latents=encoded["latents"], **asked.model_dump(), progress=tell)
        spread_labels = np.where(made.labels == UNLABELLED, UNLABELLED, names[made.labels])
        return {"labels": spread_labels, "confidence": made.confidence, "kept": made.kept, "nearest": made.nearest}

    return Work(Key(model, "encode", model.family(len(images))), images, len(images), finish)


def _prepare_quality(model: LoadedModel, request: InferenceRequest, joined: int) -> Work:
    """Images are set beside those that the model was trained on once they are encoded."""
    images, labels = request.inputs["images"], request.inputs.get("labels")
    _check_aside(images, labels, joined, "measure quality")
    key = Key(model, "encode", model.family(len(images)))
    finish = partial(measuring.measure, model, labels)
    return Work(key, images, len(images), finish)


def _check_aside(images: Array, labels: Array | None, joined: int, doing: str) -> None:
    """Refuse labels that do not fit their images, and several requests at once."""
    if labels is not None and len(labels) != len(images):
        raise InvalidInput(f"there are {len(images)} images but {len(labels)} labels", fields=[("labels", "one each")])
    if labels is not None and labels.min() < UNLABELLED:
        raise InvalidInput("labels must be -1 or more", fields=[("labels", "-1 for none, or 0 and more")])
    if joined > 1:
        raise InvalidInput(f"requests to {doing} come one by one", fields=[(JOINED, f"must be 1 to {doing}")])


def _check_inputs(
    description: ModelDescription, operation: Operation, request: InferenceRequest, max_rows: int
) -> None:
    specs = {spec.name: spec for spec in inputs(description, operation)}
    if unknown := request.inputs.keys() - specs.keys():
        raise MalformedInput(f"{operation} takes no input {listed(unknown)}; it takes {listed(specs)}")
    for name, spec in specs.items():
        tensor = request.inputs.get(name)
        if tensor is None:
            if name in OPTIONAL.get(operation, set()):
                continue
            raise MalformedInput(f"{operation} needs the input {name}")
        if tensor.dtype != DTYPES[spec.datatype]:
            raise MalformedInput(f"input {name} must be {spec.datatype}")
        if tensor.ndim != len(spec.shape) or tensor.shape[1:] != spec.shape[1:]:
            raise InvalidInput(
                f"input {name} has shape {list(tensor.shape)}; this model takes {list(spec.shape)}",
                fields=[(name, f"must have shape {list(spec.shape)}")],
            )
        if not 1 <= len(tensor) <= max_rows:
            kind = TooLarge if len(tensor) else InvalidInput
            raise kind(f"input {name} has {len(tensor)} rows; from 1 to {max_rows} are taken at once")


def _reserved(name: str) -> bool:
    return name in RESERVED or name.startswith("triton_")


def _joined(value: object) -> int:
    """How many requests the rows are."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedInput(f"parameter {JOINED} must be a whole number")
    if value < 1:
        raise InvalidInput(f"{JOINED} must be at least 1", fields=[(JOINED, "must be at least 1")])
    return value


def _options(schema: type[_Chosen], options: Parameters) -> _Chosen:
    """The parameters of an operation, checked against its schema."""
    try:
        return schema.model_validate(options, strict=True)
    except ValidationError as error:
        faults = [(".".join(map(str, fault["loc"])), fault) for fault in error.errors(include_url=False)]
    named = [(name, str(fault["msg"]).removeprefix("Value error, ")) for name, fault in faults]
    detail = "; ".join(f"parameter {name}: {message}" if name else message for name, message in named)
    if any(_of_wrong_type(fault) for _, fault in faults):
        raise MalformedInput(detail)
    raise InvalidInput(detail, fields=named)


def _of_wrong_type(fault: ErrorDetails) -> bool:
    """Whether a value is of another type than the parameter's, rather than out of its range."""
    if fault["type"] == "literal_error":
        return not isinstance(fault["input"], str)
    return fault["type"].endswith("_type")
