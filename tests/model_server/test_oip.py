"""The protocol's bytes: what is read, what is written, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from latentaug.errors import LatentaugError, MalformedInput, TooLarge
from service.oip import messages as oip
from service.oip.tensors import DTYPES, TensorSpec

ROW = TensorSpec("images", "UINT8", (-1, 2, 2, 1))


def join(written: tuple[dict[str, str], list[bytes | memoryview]]) -> tuple[bytes, str | None]:
    headers, buffers = written
    body = b"".join(buffers)
    assert int(headers["Content-Length"]) == len(body)
    return body, headers.get(oip.HEADER_LENGTH)


def as_json(**entry: Any) -> bytes:
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", **entry}
    return json.dumps({"inputs": [{key: value for key, value in tensor.items() if value is not ...}]}).encode()


def with_binary(raw: bytes, **entry: Any) -> tuple[bytes, str]:
    head = as_json(data=..., **entry)
    return head + raw, str(len(head))


dtypes = st.sampled_from([dtype for dtype in DTYPES.values() if dtype.kind != "b"])
tensors = st.dictionaries(
    st.text(min_size=1, max_size=8),
    dtypes.flatmap(lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=4, min_side=0))),
    min_size=1,
    max_size=4,
)


@given(tensors)
def test_a_request_comes_back_bit_for_bit(given_tensors: dict[str, Any]) -> None:
    body, length = join(oip.write_request(given_tensors, {"k": 3}, ["images"]))
    request = oip.parse_request(body, length)
    assert list(request.inputs) == list(given_tensors)
    for name, tensor in given_tensors.items():
        assert request.inputs[name].dtype == tensor.dtype
        assert request.inputs[name].shape == tensor.shape
        assert request.inputs[name].tobytes() == tensor.tobytes()
    assert request.parameters["k"] == 3
    assert request.outputs == {"images": True}


@given(tensors, st.booleans())
def test_a_response_comes_back_equal_in_json_and_in_binary(given_tensors: dict[str, Any], binary: bool) -> None:
    finite = {
        name: np.nan_to_num(tensor, posinf=1, neginf=0) if tensor.dtype.kind == "f" else tensor
        for name, tensor in given_tensors.items()
        if binary or tensor.dtype != np.float16
    }
    response = oip.InferenceResponse("m.encode", finite, "v1", "id-7")
    body, length = join(oip.write_response(response, dict.fromkeys(finite, binary)))
    again = oip.parse_response(body, length)
    assert (again.model_name, again.model_version, again.id) == ("m.encode", "v1", "id-7")
    assert list(again.outputs) == list(finite)
    for name, tensor in finite.items():
        np.testing.assert_array_equal(again.outputs[name], tensor)
        assert again.outputs[name].dtype == tensor.dtype


def test_json_and_binary_inputs_may_be_mixed() -> None:
    head = json.dumps(
        {
            "id": "a",
            "inputs": [
                {"name": "a", "shape": [2], "datatype": "INT64", "data": [5, -1]},
                {"name": "b", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
                {"name": "c", "shape": [2, 1], "datatype": "BOOL", "data": [[True], [False]]},
                {"name": "d", "shape": [3], "datatype": "UINT8", "parameters": {"binary_data_size": 3}},
            ],
        }
    ).encode()
    body = head + np.array([1.5, np.nan], "<f4").tobytes() + bytes([7, 8, 9])
    request = oip.parse_request(body, str(len(head)))
    np.testing.assert_array_equal(request.inputs["a"], [5, -1])
    np.testing.assert_array_equal(request.inputs["b"], [[1.5, np.nan]])
    np.testing.assert_array_equal(request.inputs["c"], [[True], [False]])
    np.testing.assert_array_equal(request.inputs["d"], [7, 8, 9])
    assert not request.inputs["d"].flags.writeable


def test_flat_and_nested_data_mean_the_same() -> None:
    flat = oip.parse_request(as_json(shape=[2, 1, 2], data=[1, 2, 3, 4]), None).inputs["x"]
    nested = oip.parse_request(as_json(shape=[2, 1, 2], data=[[[1, 2]], [[3, 4]]]), None).inputs["x"]
    np.testing.assert_array_equal(flat, nested)


def test_answers_carry_flat_data() -> None:
    response = oip.InferenceResponse("m", {"y": np.array([[1, 2], [3, 4]], np.int32)})
    body, length = join(oip.write_response(response, {}))
    assert length is None
    assert json.loads(body)["outputs"] == [{"name": "y", "datatype": "INT32", "shape": [2, 2], "data": [1, 2, 3, 4]}]


def test_the_setting_of_an_output_wins_over_that_of_the_request() -> None:
    head: dict[str, Any] = json.loads(as_json(data=[1, 2]))
    head["parameters"] = {"binary_data_output": True}
    head["outputs"] = [{"name": "a"}, {"name": "b", "parameters": {"binary_data": False}}]
    request = oip.parse_request(json.dumps(head).encode(), None)
    assert request.outputs == {"a": True, "b": False}
    assert request.binary_output


def test_a_header_of_zero_makes_the_body_one_raw_tensor() -> None:
    request = oip.parse_request(bytes(range(12)), "0", ROW)
    np.testing.assert_array_equal(request.inputs["images"], np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1))
    assert request.binary_output
    with pytest.raises(MalformedInput, match="multiple of 4 bytes"):
        oip.parse_request(bytes(13), "0", ROW)
    with pytest.raises(MalformedInput, match="raw binary request"):
        oip.parse_request(bytes(12), "0", None)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "cannot be read"),
        (b"[]", "must be a JSON object"),
        (b"{}", "inputs must be a list"),
        (b'{"inputs": [1]}', "inputs must be a list of objects"),
        (b'{"inputs": [{"shape": [1]}]}', "needs a name"),
        (b'{"inputs": [], "id": 3}', "id must be a string"),
        (b'{"inputs": [], "parameters": []}', "must be an object"),
        (b'{"inputs": [], "parameters": {"a": {}}}', "must be a string, a finite number"),
        (b'{"inputs": [], "parameters": {"a": 1e999}}', "must be a string, a finite number"),
        (b'{"inputs": [], "parameters": {"binary_data_output": 1}}', "must be true or false"),
        (b"[" * 100_000, "cannot be read"),
        (b'{"a": ' + b"9" * 5000 + b"}", "cannot be read"),
        (as_json(data=[1, 2], shape=[1] * 9), "at most 8"),
        (as_json(data=[1, 2], shape=[2**62, 2**62]), "too many elements"),
        (as_json(data=[], shape=[0, 2**62, 2**62]), "too many elements"),
        (as_json(data=[1, 2], shape=[-2, -1]), "none negative"),
        (as_json(data=[1, 2], shape=[True, 2]), "whole numbers"),
        (as_json(data=[1, 2], shape=[2.0]), "whole numbers"),
        (as_json(data=[1, 2], shape=None), "shape of"),
        (as_json(data=["a", "b"], datatype="BYTES"), "datatype of"),
        (as_json(data=[1, 2], datatype=[]), "datatype of"),
        (as_json(data=[1, 2], datatype="FP16"), "FP16 has no JSON form"),
        (as_json(data=[1, 2, 3]), "must hold the 2 values"),
        (as_json(data=[[1], [2]]), "FP32 values only"),
        (as_json(data=[[1, 2], 3], shape=[2, 2]), "not nested as its shape"),
        (as_json(data=5), "must be a list"),
        (as_json(data=[1, True]), "FP32 values only"),
        (as_json(data=[1, "2"]), "FP32 values only"),
        (as_json(data=[1, None]), "FP32 values only"),
        (as_json(data=[1.5, 1], datatype="INT64"), "INT64 values only"),
        (as_json(data=[1, 0], datatype="BOOL"), "BOOL values only"),
        (as_json(data=[1, 256], datatype="UINT8"), "outside the range of UINT8"),
        (as_json(data=[1, -1], datatype="UINT64"), "outside the range of UINT64"),
        (as_json(data=[1, 1e300]), "outside the range of FP32"),
        (as_json(data=[1, 10**400], datatype="FP64"), "outside the range of FP64"),
        (as_json(data=[1, float("nan")]), "NaN is not a JSON number"),
        (as_json(data=[1, 2], parameters={"binary_data_size": 8}), "either data or"),
        (as_json(data=...), "either data or"),
        (json.dumps({"inputs": json.loads(as_json(data=[1, 2]))["inputs"] * 2}).encode(), "names one tensor twice"),
    ],
)
def test_a_bad_head_is_refused_by_name(body: bytes, message: str) -> None:
    with pytest.raises(MalformedInput, match=message):
        oip.parse_request(body, None)


@pytest.mark.parametrize("length", ["-1", "1e3", "9999999", "x", "", "٣", "9" * 5000])
def test_a_bad_header_length_is_refused(length: str) -> None:
    with pytest.raises(MalformedInput, match=oip.HEADER_LENGTH):
        oip.parse_request(as_json(data=[1, 2]), length)


@pytest.mark.parametrize(
    ("raw", "entry", "message"),
    [
        (bytes(8), {"parameters": {"binary_data_size": 9}}, "from 0 to the 8 bytes"),
        (bytes(8), {"parameters": {"binary_data_size": -8}}, "from 0 to the 8 bytes"),
        (bytes(8), {"parameters": {"binary_data_size": True}}, "from 0 to the 8 bytes"),
        (bytes(8), {"parameters": {"binary_data_size": 8.0}}, "from 0 to the 8 bytes"),
        (bytes(8), {"parameters": {"binary_data_size": 4}}, "takes 8 bytes"),
        (bytes(9), {"parameters": {"binary_data_size": 8}}, "1 bytes follow"),
        (bytes([1, 2]), {"parameters": {"binary_data_size": 2}, "datatype": "BOOL"}, "0 or 1"),
    ],
)
def test_bad_binary_sizes_are_refused(raw: bytes, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedInput, match=message):
        oip.parse_request(*with_binary(raw, **entry))


def test_a_head_over_its_limit_is_refused_unparsed() -> None:
    with pytest.raises(TooLarge, match="send tensors as binary"):
        oip.parse_request(b" " * (oip.MAX_HEAD_BYTES + 1), None)


def test_numbers_without_a_json_form_are_not_written_as_json() -> None:
    for array in (np.array([np.nan], np.float32), np.array([1], np.float16)):
        with pytest.raises(MalformedInput, match="ask for it with binary_data"):
            oip.write_response(oip.InferenceResponse("m", {"y": array}), {})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {"name": st.text(max_size=3) | json_values},
    optional={
        "shape": st.lists(st.integers(-1, 3), max_size=3) | json_values,
        "datatype": st.sampled_from([*DTYPES, "BYTES"]),
        "data": st.lists(st.integers(-1, 300), max_size=4) | json_values,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-1, 9) | json_values}),
    },
)


@settings(max_examples=300)
@given(st.lists(entries, max_size=3), st.binary(max_size=12), st.none() | st.integers(-2, 20) | st.text(max_size=3))
def test_whatever_comes_is_read_or_refused(inputs: list[Any], raw: bytes, shift: Any) -> None:
    head = json.dumps({"inputs": inputs, "model_name": "m", "outputs": inputs}).encode()
    length = str(len(head) + shift) if isinstance(shift, int) else shift
    for parse in (oip.parse_request, oip.parse_response):
        try:
            parse(head + raw, length)
        except LatentaugError as error:
            assert error.status in (400, 413)


@given(st.binary(max_size=64), st.none() | st.integers(0, 64).map(str))
def test_random_bytes_are_refused(body: bytes, length: str | None) -> None:
    with pytest.raises(MalformedInput):
        oip.parse_request(body, length, None)
