"""What a model offers in the Open Inference Protocol: `<model>.encode`, `.decode`, `.augment`, `.label`, `.quality`.

Each operation takes and gives named tensors.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Literal, TypeAlias, get_args

from latentaug.errors import MalformedInput, NotFound
from latentaug.options import FILTERS
from latentaug.storage.models import ModelDescription
from service.model_server import measuring
from service.oip.messages import InferenceRequest
from service.oip.tensors import TensorSpec

Operation: TypeAlias = Literal["encode", "decode", "augment", "label", "quality"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
OPTIONAL = {"augment": {"labels", "counts"}, "quality": {"labels"}}
"""Inputs that may be left out."""
OF_COUNTS = {"child", "step", "refused"}
"""Outputs that there are where the input `counts` is."""


def parse_name(name: str) -> tuple[str, Operation]:
    """Split `<model>.<operation>`.

    Raises:
        NotFound: it names no operation.
    """
    model, _, operation = name.rpartition(".")
    if not model or operation not in OPERATIONS:
        raise NotFound(f"no model is named {name[:80]!r}; models are <name>.{', <name>.'.join(OPERATIONS)}")
    return model, operation


def inputs(description: ModelDescription, operation: Operation) -> tuple[TensorSpec, ...]:
    """What an operation takes, `OPTIONAL` inputs too."""
    return _inputs(*_shapes(description), operation)


@cache
def _inputs(image: tuple[int, ...], latent: tuple[int, ...], operation: Operation) -> tuple[TensorSpec, ...]:
    images = TensorSpec("images", "UINT8", image)
    if operation == "encode":
        return (images,)
    if operation == "decode":
        return (TensorSpec("latents", "FP32", latent),)
    labels = TensorSpec("labels", "INT64", (-1,))
    return (images, labels, TensorSpec("counts", "INT64", (-1,))) if operation == "augment" else (images, labels)


def outputs(description: ModelDescription, operation: Operation) -> tuple[TensorSpec, ...]:
    """What an operation gives."""
    return _outputs(*_shapes(description), operation)


@cache
def _outputs(image: tuple[int, ...], latent: tuple[int, ...], operation: Operation) -> tuple[TensorSpec, ...]:
    images, latents = TensorSpec("images", "UINT8", image), TensorSpec("latents", "FP32", latent)
    if operation == "encode":
        log_variances = TensorSpec("log_variances", "FP32", latents.shape)
        return latents, log_variances, TensorSpec("reconstruction_error", "FP32", (-1,))
    if operation == "decode":
        return (images,)
    if operation == "label":
        labels, nearest = (TensorSpec(name, "INT64", (-1,)) for name in ("labels", "nearest"))
        return labels, TensorSpec("confidence", "FP32", (-1,)), TensorSpec("kept", "BOOL", (-1,)), nearest
    if operation == "quality":
        return tuple(TensorSpec(name, datatype, (-1,)) for name, datatype in measuring.OUTPUTS.items())
    rows = [TensorSpec(name, "INT64", (-1,)) for name in ("source", "neighbour", "child")]
    refused = TensorSpec("refused", "INT64", (-1, len(FILTERS)))
    return images, *rows, TensorSpec("step", "FP32", (-1,)), refused, latents


def _shapes(description: ModelDescription) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the tensors that hold images and those that hold latents."""
    return (-1, description.height, description.width, description.channels), (-1, description.latent_dim)


def metadata(description: ModelDescription, operation: Operation) -> dict[str, Any]:
    """The Open Inference Protocol's metadata answer."""
    return {
        "name": f"{description.name}.{operation}",
        "versions": [description.version],
        "platform": "pytorch_latentaug",
        "inputs": [spec.to_json() for spec in inputs(description, operation)],
        "outputs": [spec.to_json() for spec in outputs(description, operation)],
    }


def wanted_outputs(description: ModelDescription, operation: Operation, request: InferenceRequest) -> dict[str, bool]:
    """Outputs to answer with, in order, and whether each travels as binary.

    Raises:
        MalformedInput: an output that the operation does not have.
    """
    names = [spec.name for spec in outputs(description, operation)]
    if operation == "augment" and "counts" not in request.inputs:
        names = [name for name in names if name not in OF_COUNTS]
    if request.outputs is None:
        return dict.fromkeys(names, request.binary_output)
    if unknown := request.outputs.keys() - set(names):
        raise MalformedInput(f"{operation} has no output {listed(unknown)}; it has {listed(names)}")
    return request.outputs


def listed(names: Iterable[str]) -> str:
    """Some of these names, in a sentence."""
    return ", ".join(repr(name[:80]) for name in sorted(names)[:8])
