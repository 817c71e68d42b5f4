"""Triton's own client against the model server over TCP: the protocol is theirs, not ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.model_server.conftest import Process, Start, save_model


@pytest.fixture(scope="module")
def server(start: Start, unused_port: int) -> Process:
    process = start(url=f"http://127.0.0.1:{unused_port}")
    save_model(process.store, "m")
    save_model(process.store, "other")
    return process


@pytest.fixture
def client(server: Process) -> Iterator[Any]:
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    yield client
    client.close()


def tensor(name: str, array: Any, *, binary: bool) -> Any:
    made = triton.InferInput(name, list(array.shape), {"u": "UINT8", "f": "FP32", "i": "INT64"}[array.dtype.kind])
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def images(n: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), np.uint8)


def test_server_and_model_metadata(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    server = client.get_server_metadata()
    assert server["name"] == "latentaug"
    assert {"binary_tensor_data", "model_repository", "statistics"} <= set(server["extensions"])
    metadata = client.get_model_metadata("m.augment", "v1")
    assert metadata["versions"] == ["v1"]
    assert metadata["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, 8, 8, 1]},
        {"name": "labels", "datatype": "INT64", "shape": [-1]},
        {"name": "counts", "datatype": "INT64", "shape": [-1]},
    ]
    names = [output["name"] for output in metadata["outputs"]]
    assert names == ["images", "source", "neighbour", "child", "step", "refused", "latents"]


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_inference_is_the_same_in_json_and_in_binary(client: Any, binary_in: bool, binary_out: bool) -> None:
    names = ["latents", "reconstruction_error"]
    answer = client.infer(
        "m.encode",
        [tensor("images", images(5), binary=binary_in)],
        outputs=[triton.InferRequestedOutput(name, binary_data=binary_out) for name in names],
        request_id="42",
    )
    assert answer.get_response()["id"] == "42"
    assert [output["name"] for output in answer.get_response()["outputs"]] == names
    expected = client.infer("m.encode", [tensor("images", images(5), binary=True)])
    for name in names:
        np.testing.assert_array_equal(answer.as_numpy(name), expected.as_numpy(name))


def test_mixed_inputs_options_and_all_outputs(client: Any) -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    answer = client.infer(
        "m.augment",
        [tensor("images", images(6), binary=True), tensor("labels", labels, binary=False)],
        model_version="v1",
        parameters={"method": "extrapolation", "k": 2, "alpha": 0.3, "decode": "residual"},
        timeout=20_000_000,
        priority=1,
    )
    assert answer.as_numpy("images").shape == (12, 8, 8, 1)
    source, neighbour = answer.as_numpy("source"), answer.as_numpy("neighbour")
    assert (labels[source] == labels[neighbour]).all()
    assert answer.as_numpy("latents").dtype == np.float32


def test_asynchronous_inference(client: Any, server: Process) -> None:
    concurrent = triton.InferenceServerClient(server.url.removeprefix("http://"), concurrency=4)
    x = np.zeros((3, 4), np.float32)
    pending = [concurrent.async_infer("m.decode", [tensor("latents", x, binary=True)]) for _ in range(8)]
    answers = [one.get_result().as_numpy("images") for one in pending]
    assert all(answer.tobytes() == answers[0].tobytes() for answer in answers)
    concurrent.close()


@pytest.mark.parametrize(
    ("model", "version", "array", "status", "message"),
    [
        ("nothing.encode", "", images(1), "404", "no model is named"),
        ("m.encode", "v9", images(1), "404", "no version"),
        ("m.encode", "", images(1)[:, :7], "422", "this model takes"),
        ("m.encode", "", images(1).astype(np.float32), "400", "must be UINT8"),
    ],
)
def test_errors_are_the_client_s_exceptions(
    client: Any, model: str, version: str, array: Any, status: str, message: str
) -> None:
    with pytest.raises(InferenceServerException, match=message) as raised:
        client.infer(model, [tensor("images", array, binary=True)], model_version=version)
    assert raised.value.status() == status


def test_the_repository_can_be_listed_loaded_and_unloaded(client: Any) -> None:
    def states() -> dict[str, str]:
        return {entry["name"]: entry["state"] for entry in client.get_model_repository_index()}

    assert states()["other.decode"] == "UNAVAILABLE"
    assert not client.is_model_ready("other.decode")
    client.load_model("other")
    assert states()["other.decode"] == "READY"
    assert client.is_model_ready("other.decode", "v1")
    client.load_model("other.decode")
    client.unload_model("other")
    assert states()["other.decode"] == "UNAVAILABLE"
    with pytest.raises(InferenceServerException, match="no model is named"):
        client.load_model("nothing")
    with pytest.raises(InferenceServerException, match="takes no parameters"):
        client.load_model("other", config="{}")


def test_statistics_count_requests_and_batches(client: Any) -> None:
    def statistics() -> Any:
        return client.get_inference_statistics("m.decode", "v1")["model_stats"]

    x = tensor("latents", np.zeros((2, 4), np.float32), binary=True)
    client.infer("m.decode", [x])
    (before,) = statistics()
    client.infer("m.decode", [x])
    (after,) = statistics()
    assert after["inference_count"] == before["inference_count"] + 1
    assert after["execution_count"] == before["execution_count"] + 1
    assert after["inference_stats"]["success"]["count"] == before["inference_stats"]["success"]["count"] + 1
    assert after["last_inference"] >= before["last_inference"]
    everything = client.get_inference_statistics()["model_stats"]
    assert after["name"] in {entry["name"] for entry in everything}
