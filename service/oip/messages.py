"""The Open Inference Protocol, version 2, with its binary tensor extension: bytes <-> named arrays.

Both ends of the hop between the API and the model server use this module, so it needs NumPy and JSON only.

    body = JSON head, then the raw tensors in the order in which the head names them, without separators
    Inference-Header-Content-Length: bytes of the JSON head; absent: everything is JSON; 0: one raw tensor and no head

Everything in a body is checked before anything is allocated for it. A binary tensor is a read-only view of the body.
Source: kserve/open-inference-protocol, `inference_rest.md`, and the binary tensor data extension.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from latentaug.errors import MalformedInput, TooLarge
from service.oip.tensors import (
    DTYPES,
    MAX_ELEMENTS,
    Array,
    Buffer,
    Parameters,
    TensorSpec,
    from_bytes,
    read_flag,
    read_named,
    read_parameters,
    read_tensors,
    refuse,
    write_tensors,
)

HEADER_LENGTH = "Inference-Header-Content-Length"
BINARY = "application/octet-stream"
JOINED = "requests"
"""Our own parameter of every operation: how many requests the rows are, one after the other, all of equal size and with
equal parameters. Each is answered as it would be alone, to the last bit."""
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)  # made once, not for each head
# Numbers in JSON take ten times as much memory once they are parsed, so larger tensors must be sent as binary.
MAX_HEAD_BYTES = 16 * 2**20


@dataclass(frozen=True)
class InferenceRequest:
    """What a client asks for."""

    inputs: dict[str, Array]
    id: str | None = None
    parameters: Parameters = field(default_factory=dict)
    outputs: dict[str, bool] | None = None
    """Each wanted output, and whether it is wanted as binary; None: all of them, as `binary_output` says."""
    binary_output: bool = False


@dataclass(frozen=True)
class InferenceResponse:
    """What a server answers."""

    model_name: str
    outputs: dict[str, Array]
    model_version: str | None = None
    id: str | None = None
    parameters: Parameters = field(default_factory=dict)


def parse_request(
    body: bytes | memoryview, header_length: str | None, raw: TensorSpec | None = None
) -> InferenceRequest:
    """Read an inference request.

    Args:
        body: the HTTP body.
        header_length: value of `Inference-Header-Content-Length`, or None where it is absent.
        raw: the model's only required input; a body without a head is read as its values.

    Raises:
        MalformedInput: the bytes are not such a request; nothing that they claim was allocated.
        TooLarge: the JSON part is over 16 MiB.
    """
    if header_length is not None and header_length.strip() == "0":
        return InferenceRequest(inputs=_raw_input(body, raw), binary_output=True)
    head, rest = _split(body, header_length)
    parameters = read_parameters(head, "the request")
    return InferenceRequest(
        inputs=read_tensors(head, "inputs", rest),
        id=_optional_text(head, "id"),
        parameters=parameters,
        outputs=_wanted(head, read_flag(parameters, "binary_data_output")),
        binary_output=read_flag(parameters, "binary_data_output"),
    )


def write_request(
    tensors: Mapping[str, Array], parameters: Parameters | None = None, outputs: Sequence[str] | None = None
) -> tuple[dict[str, str], list[Buffer]]:
    """Write an inference request with binary tensors that asks for binary outputs.

    Returns:
        HTTP headers, and the body as buffers to be sent one after the other.
    """
    head: dict[str, Any] = {"parameters": {**(parameters or {}), "binary_data_output": True}}
    if outputs is not None:
        head["outputs"] = [{"name": name} for name in outputs]
    head["inputs"], buffers = write_tensors(tensors, dict.fromkeys(tensors, True))
    return _assemble(head, buffers)


def parse_response(body: bytes | memoryview, header_length: str | None) -> InferenceResponse:
    """Read an inference response.

    Raises:
        MalformedInput: the bytes are not such a response.
    """
    head, rest = _split(body, header_length)
    model_name = _optional_text(head, "model_name")
    if model_name is None:
        refuse("the response names no model_name")
    return InferenceResponse(
        model_name=model_name,
        outputs=read_tensors(head, "outputs", rest),
        model_version=_optional_text(head, "model_version"),
        id=_optional_text(head, "id"),
        parameters=read_parameters(head, "the response"),
    )


def write_response(response: InferenceResponse, binary: Mapping[str, bool]) -> tuple[dict[str, str], list[Buffer]]:
    """Write an inference response, its outputs in the order of `response.outputs`.

    Args:
        response: the answer.
        binary: whether each output is sent as binary; one that is not named here is sent as JSON.

    Returns:
        HTTP headers, and the body as buffers to be sent one after the other.

    Raises:
        MalformedInput: an output has no JSON form (FP16, or a number that is not finite).
    """
    head: dict[str, Any] = {"model_name": response.model_name}
    if response.model_version is not None:
        head["model_version"] = response.model_version
    if response.id is not None:
        head["id"] = response.id
    if response.parameters:
        head["parameters"] = response.parameters
    head["outputs"], buffers = write_tensors(response.outputs, binary)
    return _assemble(head, buffers)


def _split(body: bytes | memoryview, header_length: str | None) -> tuple[dict[str, Any], memoryview]:
    """Cut a body into its JSON head, which is parsed, and the binary rest."""
    length = len(body) if header_length is None else _length(header_length, len(body))
    if length > MAX_HEAD_BYTES:
        raise TooLarge(f"the JSON part has {length} bytes, over the {MAX_HEAD_BYTES} taken; send tensors as binary")
    try:
        head = _DECODER.decode(str(body[:length], "utf-8"))
    except (ValueError, RecursionError) as error:
        raise MalformedInput(f"the body's JSON part cannot be read: {_brief(error)}") from error
    if not isinstance(head, dict):
        refuse("the body must be a JSON object")
    return head, memoryview(body)[length:]


def _length(text: str, total: int) -> int:
    digits = text.strip()
    # int() is slow with many digits, and refuses too many; no body has 10**18 bytes.
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18) or int(digits) > total:
        refuse(f"{HEADER_LENGTH} must be a whole number from 0 to the body's {total} bytes")
    return int(digits)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number; send tensors that hold it as binary")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _brief(error: BaseException) -> str:
    return str(error)[:200]


def _optional_text(head: dict[str, Any], key: str) -> str | None:
    value = head.get(key)
    if value is not None and not isinstance(value, str):
        refuse(f"{key} must be a string")
    return value


def _wanted(head: dict[str, Any], binary_output: bool) -> dict[str, bool] | None:
    if head.get("outputs") is None:
        return None
    return {
        name: read_flag(read_parameters(entry, f"output {name[:80]!r}"), "binary_data", binary_output)
        for name, entry in read_named(head, "outputs")
    }


def _raw_input(body: bytes | memoryview, spec: TensorSpec | None) -> dict[str, Array]:
    """The body as the one input of a model; its only variable extent is found from the body's size."""
    if spec is None or spec.shape.count(-1) > 1:
        refuse("this model does not take a raw binary request: name its inputs in a JSON head")
    dtype = DTYPES[spec.datatype]
    count, left = divmod(len(body), spec.row_bytes)
    if left or count > MAX_ELEMENTS:
        refuse(f"a raw binary request for {spec.name} takes a multiple of {spec.row_bytes} bytes")
    shape = tuple(count if extent == -1 else extent for extent in spec.shape)
    return {spec.name: from_bytes(memoryview(body), shape, dtype, f"tensor {spec.name!r}")}


def _assemble(head: dict[str, Any], buffers: list[Buffer]) -> tuple[dict[str, str], list[Buffer]]:
    text = _ENCODER.encode(head).encode()
    total = str(len(text) + sum(len(buffer) for buffer in buffers))
    if not buffers:
        return {"Content-Type": "application/json", "Content-Length": total}, [text]
    headers = {"Content-Type": BINARY, "Content-Length": total, HEADER_LENGTH: str(len(text))}
    return headers, [text, *buffers]
