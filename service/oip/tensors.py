"""Tensors of the Open Inference Protocol: entries of a JSON head, with their values there or in raw bytes behind it.

Everything that an entry claims (shape, datatype, size) is checked before anything is allocated for it. A binary tensor
is read as a view of the body, without a copy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from latentaug.errors import MalformedInput

Array: TypeAlias = NDArray[Any]
Parameters: TypeAlias = dict[str, str | int | float | bool]
Buffer: TypeAlias = bytes | memoryview

MAX_RANK = 8
MAX_ELEMENTS = 2**31

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "INT8": np.dtype("i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "UINT8": np.dtype("u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
# The types that a JSON value may have, by the kind of its tensor; a bool does not count as a number.
JSON_TYPES: dict[str, set[type]] = {"b": {bool}, "i": {int}, "u": {int}, "f": {int, float}}


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of a model: its name, datatype and shape, where -1 stands for any extent."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, which is all that stands at one place of the variable extent."""
        return math.prod(extent for extent in self.shape if extent != -1) * DTYPES[self.datatype].itemsize

    def to_json(self) -> dict[str, Any]:
        """Return the form that the metadata answer gives it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def read_tensors(head: dict[str, Any], key: str, rest: memoryview) -> dict[str, Array]:
    """Read every tensor under `key`, from the head's JSON or from the binary rest, of which nothing may be left over.

    Raises:
        MalformedInput: an entry is not what the protocol says, or claims more or fewer bytes than there are.
    """
    tensors: dict[str, Array] = {}
    offset = 0
    for name, entry in read_named(head, key):
        where = f"tensor {name[:80]!r}"
        shape, dtype = _shape(entry.get("shape"), where), _dtype(entry.get("datatype"), where)
        size = read_parameters(entry, where).get("binary_data_size")
        if (size is None) == ("data" not in entry):
            refuse(f"{where} needs either data or the parameter binary_data_size")
        if size is None:
            tensors[name] = _from_json(entry["data"], shape, dtype, where)
            continue
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(rest) - offset:
            refuse(f"binary_data_size of {where} must be from 0 to the {len(rest) - offset} bytes that are left")
        tensors[name] = from_bytes(rest[offset : offset + size], shape, dtype, where)
        offset += size
    if offset != len(rest):
        refuse(f"{len(rest) - offset} bytes follow the last binary tensor")
    return tensors


def _shape(shape: Any, where: str) -> tuple[int, ...]:
    if not isinstance(shape, list) or not all(type(extent) is int and extent >= 0 for extent in shape):
        refuse(f"shape of {where} must be a list of whole numbers, none negative")
    if len(shape) > MAX_RANK:
        refuse(f"shape of {where} has {len(shape)} dimensions; at most {MAX_RANK} are taken")
    # Zeros do not count, or an empty tensor could have an extent that NumPy cannot hold.
    if math.prod(extent for extent in shape if extent) > MAX_ELEMENTS:
        refuse(f"shape of {where} has too many elements; at most {MAX_ELEMENTS} are taken")
    return tuple(shape)


def _dtype(datatype: Any, where: str) -> np.dtype[Any]:
    if not isinstance(datatype, str) or datatype not in DTYPES:
        refuse(f"datatype of {where} must be one of {', '.join(DTYPES)}")
    return DTYPES[datatype]


def from_bytes(data: memoryview, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> Array:
    """Return a read-only view of `data` as an array.

    Raises:
        MalformedInput: `data` is larger or smaller than the shape says, or a BOOL is neither 0 nor 1.
    """
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        refuse(f"{where} of shape {list(shape)} takes {expected} bytes, but binary_data_size says {len(data)}")
    if dtype.kind == "b" and np.any(np.frombuffer(data, np.uint8) > 1):
        refuse(f"{where}: a BOOL is one byte, 0 or 1")
    return np.frombuffer(data, dtype).reshape(shape)


def _from_json(data: Any, shape: tuple[int, ...], dtype: np.dtype[Any], where: str) -> Array:
    if dtype == np.float16:
        refuse(f"{where}: FP16 has no JSON form; send it as binary")
    values = _flat(data, shape, where)
    if not {type(value) for value in values} <= JSON_TYPES[dtype.kind]:
        refuse(f"{where}: data must hold {DATATYPES[dtype]} values only")
    try:
        if dtype.kind != "f":
            return np.array(values, dtype).reshape(shape)
        with np.errstate(over="ignore"):
            array = np.array(values, np.float64).astype(dtype).reshape(shape)
    except OverflowError as error:
        raise MalformedInput(f"{where}: a number is outside the range of {DATATYPES[dtype]}") from error
    if not np.isfinite(array).all():
        refuse(f"{where}: a number is outside the range of {DATATYPES[dtype]}")
    return array


def _flat(data: Any, shape: tuple[int, ...], where: str) -> list[Any]:
    """Row-major values of `data`, which is flat or nested just as `shape` says."""
    if not isinstance(data, list):
        refuse(f"data of {where} must be a list")
    values: list[Any] = data
    if values and isinstance(values[0], list):
        level: list[Any] = [values]
        for extent in shape:
            if not all(isinstance(row, list) and len(row) == extent for row in level):
                refuse(f"data of {where} is not nested as its shape {list(shape)} says")
            level = list(chain.from_iterable(level))
        values = level
    if len(values) != math.prod(shape):
        refuse(f"data of {where} must hold the {math.prod(shape)} values of its shape {list(shape)}")
    return values


def write_tensors(
    tensors: Mapping[str, Array], binary: Mapping[str, bool]
) -> tuple[list[dict[str, Any]], list[Buffer]]:
    """Return each tensor's entry in the head, and the buffers of the binary ones.

    Raises:
        MalformedInput: a tensor that is not to be binary has no JSON form.
    """
    entries: list[dict[str, Any]] = []
    buffers: list[Buffer] = []
    for name, array in tensors.items():
        little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        entry: dict[str, Any] = {"name": name, "datatype": DATATYPES[little.dtype], "shape": list(array.shape)}
        if binary.get(name, False):
            entry["parameters"] = {"binary_data_size": little.nbytes}
            buffers.append(little.reshape(-1).view(np.uint8).data)
        else:
            entry["data"] = _json_values(name, little)
        entries.append(entry)
    return entries, buffers


def _json_values(name: str, array: Array) -> list[Any]:
    if array.dtype == np.float16 or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        refuse(f"output {name} has no JSON form; ask for it with binary_data")
    values: list[Any] = array.ravel().tolist()
    return values


def read_parameters(holder: dict[str, Any], where: str) -> Parameters:
    """Read the flat `parameters` object of a head, a tensor or an output.

    Raises:
        MalformedInput: it is no object, or a value is not a string, a finite number or a boolean.
    """
    parameters = holder.get("parameters", {})
    if not isinstance(parameters, dict):
        refuse(f"parameters of {where} must be an object")
    for key, value in parameters.items():
        if not isinstance(value, str | int | float) or value in (math.inf, -math.inf):
            refuse(f"parameter {key[:80]!r} of {where} must be a string, a finite number or a boolean")
    return parameters


def read_flag(parameters: Parameters, key: str, default: bool = False) -> bool:
    """Read a parameter that is true or false.

    Raises:
        MalformedInput: it is something else.
    """
    value = parameters.get(key, default)
    if not isinstance(value, bool):
        refuse(f"parameter {key} must be true or false")
    return value


def read_named(head: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    """Read the objects listed under `key`, each with its name.

    Raises:
        MalformedInput: it is not a list of objects, or one has no name of its own.
    """
    entries = head.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        refuse(f"{key} must be a list of objects")
    named = [(entry.get("name"), entry) for entry in entries]
    for name, _ in named:
        if not isinstance(name, str) or not name:
            refuse(f"each entry of {key} needs a name")
    if len({name for name, _ in named}) < len(named):
        refuse(f"{key} names one tensor twice")
    return named


def refuse(message: str) -> NoReturn:
    """Raise `MalformedInput`."""
    raise MalformedInput(message)
