"""How inputs are altered: by libFuzzer, and mostly so that what refuses them before much is read finds no fault."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import atheris

from service.oip.tensors import DTYPES
from tests.fuzz.decoders import headed

Alter = Callable[[bytes, int, Random], bytes]


def altering(form: str) -> Callable[[bytes, int, int], bytes]:
    """What alters inputs of a form: takes one, how long it may become, and a seed."""
    fit = _FITTED.get(form)

    def altered(data: bytes, most: int, seed: int) -> bytes:
        if fit is None or seed % 4 == 0:
            return bytes(atheris.Mutate(data, most))
        return fit(data, most, Random(seed))[:most]  # noqa: S311

    return altered


def _png(data: bytes, most: int, _: Random) -> bytes:
    """Each chunk has the checksum that it must have."""
    new = bytearray(atheris.Mutate(data, most))
    at = len(_PNG)
    while new.startswith(_PNG) and at + 12 <= len(new):
        end = at + 8 + int.from_bytes(new[at : at + 4], "big")
        if end + 4 <= len(new):
            new[end : end + 4] = struct.pack(">I", zlib.crc32(new[at + 4 : end]))
        at = end + 4
    return bytes(new)


def _json(data: bytes, most: int, random: Random) -> bytes:
    """JSON stays JSON, but for one value in it."""
    try:
        document, end = json.JSONDecoder().raw_decode(data.decode("latin-1"))
    except (ValueError, RecursionError):
        return bytes(atheris.Mutate(data, most))
    return json.dumps(_edited(document, random)).encode() + data[end:]


def _frame(data: bytes, most: int, random: Random) -> bytes:
    """The header tells how long the JSON before the tensors is."""
    new = _json(data.partition(b"\n")[2], most, random)
    try:
        _, end = json.JSONDecoder().raw_decode(new.decode("latin-1"))
    except (ValueError, RecursionError):
        return headed(None, new)
    return headed(str(end), new)


def _edited(value: Any, random: Random) -> Any:
    """A JSON value in which one other is replaced, left out or given twice."""
    if not value or not isinstance(value, dict | list) or random.random() < 0.1:
        return random.choice(_VALUES)
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    at = random.randrange(len(entries))
    key, inner = entries[at]
    how = random.random()
    if how < 0.7:
        entries[at] = key, _edited(inner, random)
    elif how < 0.8:
        del entries[at]
    elif how < 0.9:
        entries.insert(at, entries[at])
    else:
        entries[at] = random.choice(_NAMES), inner
    return dict(entries) if isinstance(value, dict) else [inner for _, inner in entries]


_PNG = b"\x89PNG\r\n\x1a\n"
_NAMES = ["images", "labels", "latents", "inputs", "outputs", "data", "parameters", "binary_data", "binary_data_size"]
_VALUES: list[Any] = [None, True, False, 0, 1, -1, 2, 4, 255, 256, 2**31, 2**63, 10**400, -0.0, 0.5, 1e308, math.inf]
_VALUES += [math.nan, "", "x", "\ud800", "images", *DTYPES, [], {}, [[]], [[0, 0, 0, 0]], [0] * 8, {"name": "x"}]
_FITTED: dict[str, Alter] = {"png": _png, "json": _json, "frames": _frame}
