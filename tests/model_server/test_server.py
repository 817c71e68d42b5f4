"""A real model server process on a Unix socket, asked through the API's own client."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from latentaug.errors import (
    Conflict,
    Damaged,
    DeadlineExceeded,
    InvalidInput,
    MalformedInput,
    NotFound,
    TooFewImages,
    TooLarge,
    TooManyRequests,
    Unavailable,
)
from latentaug.storage import models
from service.api.compute.client import Call, ModelServer, error_from
from tests.model_server.conftest import REPOSITORY, Process, Start, listening, save_model, wait_for

ALL = ["images", "source", "neighbour", "latents"]


@pytest.fixture(scope="module")
def server(start: Start) -> Process:
    process = start(max_images=600)
    save_model(process.store, "m")
    save_model(process.store, "colour", shape=(17, 23, 3))
    return process


@asynccontextmanager
async def connected(process: Process) -> AsyncIterator[ModelServer]:
    client = ModelServer(process.url)
    try:
        yield client
    finally:
        await client.close()


def ask(process: Process, *requests: Callable[[ModelServer], Awaitable[Any]]) -> list[Any]:
    """Run the requests at the same time on one client; exceptions are returned."""

    async def run() -> list[Any]:
        async with connected(process) as client:
            return list(await asyncio.gather(*(one(client) for one in requests), return_exceptions=True))

    return asyncio.run(run())


def call(
    operation: Any,
    tensors: dict[str, Any],
    outputs: list[str],
    *,
    model: str = "m",
    version: str | None = None,
    timeout: float = 20,
    **parameters: Any,
) -> Callable[[ModelServer], Coroutine[Any, Any, dict[str, Any]]]:
    asked = Call(model, operation, version, tensors, parameters, outputs, None)
    return lambda client: client.infer(asked, timeout)


def infer(process: Process, *arguments: Any, **options: Any) -> dict[str, Any]:
    (result,) = ask(process, call(*arguments, **options))
    if isinstance(result, BaseException):
        raise result
    assert isinstance(result, dict)
    return result


def images(n: int, shape: tuple[int, int, int] = (8, 8, 1), seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def latents(n: int) -> Any:
    return np.random.default_rng(0).standard_normal((n, 4), np.float32)


def get(process: Process, path: str, **options: Any) -> tuple[int, Any, dict[str, str]]:
    """One plain HTTP request: status, JSON or text, headers."""

    async def run() -> tuple[int, Any, dict[str, str]]:
        connector = aiohttp.UnixConnector(process.url.removeprefix("unix://"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(options.pop("method", "GET"), f"http://x{path}", **options) as response,
        ):
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text, dict(response.headers)

    return asyncio.run(run())


@pytest.mark.parametrize(("model", "shape"), [("m", (8, 8, 1)), ("colour", (17, 23, 3))])
def test_encode_gives_what_was_asked_for(server: Process, model: str, shape: tuple[int, int, int]) -> None:
    wanted = ["reconstruction_error", "latents", "log_variances"]
    answer = infer(server, "encode", {"images": images(5, shape)}, wanted, model=model)
    assert list(answer) == wanted
    assert answer["latents"].shape == answer["log_variances"].shape == (5, 4)
    assert answer["reconstruction_error"].shape == (5,)
    means = infer(server, "encode", {"images": images(5, shape)}, ["latents"], model=model, version="v1")
    assert list(means) == ["latents"]
    assert means["latents"].tobytes() == answer["latents"].tobytes()


@pytest.mark.parametrize("method", ["interpolation", "extrapolation"])
@pytest.mark.parametrize("decode", ["reconstruction", "residual"])
def test_augment_is_encode_the_equation_and_decode(server: Process, method: str, decode: str) -> None:
    x = images(20)
    labels = np.arange(20, dtype=np.int64) % 2
    answer = infer(server, "augment", {"images": x, "labels": labels}, ALL, method=method, alpha=0.4, decode=decode)
    z = infer(server, "encode", {"images": x}, ["latents"])["latents"]
    source, neighbour = answer["source"], answer["neighbour"]
    np.testing.assert_array_equal(source, np.repeat(np.arange(20), 3))
    assert (labels[source] == labels[neighbour]).all()
    assert (source != neighbour).all()
    sign = 1 if method == "interpolation" else -1
    expected = z[source] + sign * 0.4 * (z[neighbour] - z[source])
    np.testing.assert_allclose(answer["latents"], expected, atol=1e-5)
    new = infer(server, "decode", {"latents": answer["latents"]}, ["images"])["images"].astype(int)
    if decode == "residual":
        old = infer(server, "decode", {"latents": z}, ["images"])["images"].astype(int)
        new = np.clip(x[source] + new - old[source], 0, 255)
    # Two grey levels are rounded before they are subtracted here.
    assert np.abs(answer["images"] - new).max() <= (2 if decode == "residual" else 1)


def test_noise_has_the_model_s_spread_and_its_seed(server: Process) -> None:
    options = {"method": "noise", "alpha": 2.0, "copies": 64}
    one = infer(server, "augment", {"images": images(2)}, ["latents", "neighbour"], **options)
    z = infer(server, "encode", {"images": images(2)}, ["latents"])["latents"]
    assert (one["neighbour"] == -1).all()
    spread = (one["latents"].reshape(2, 64, 4) - z[:, None]).std(axis=(0, 1))
    np.testing.assert_allclose(spread, 2 * np.array([0.5, 1.0, 1.5, 2.0]), rtol=0.15)
    other = infer(server, "augment", {"images": images(2)}, ["latents"], seed=1, **options)
    assert other["latents"].tobytes() != one["latents"].tobytes()


def test_neighbours_of_the_data_set_are_rows_of_it(server: Process) -> None:
    answer = infer(server, "augment", {"images": images(3)}, ["neighbour"], neighbours="dataset")
    assert set(answer["neighbour"].tolist()) <= set(range(100, 160, 2))


def test_answers_are_the_same_bytes_alone_and_in_a_crowd(server: Process) -> None:
    requests = []
    for seed in range(60):
        x = images(1 + seed % 12, seed=seed)
        method = ["noise", "interpolation", "extrapolation"][seed % 3]
        requests += [
            call("augment", {"images": x}, ALL, method=method, k=1, seed=seed)
            if len(x) > 1
            else call("augment", {"images": x}, ALL, method="noise", seed=seed),
            call("encode", {"images": x}, ["latents", "reconstruction_error"]),
            call("decode", {"latents": latents(len(x))}, ["images"]),
        ]
    crowd = ask(server, *requests)
    for request, together in zip(requests, crowd, strict=True):
        (alone,) = ask(server, request)
        for name, array in alone.items():
            assert array.tobytes() == together[name].tobytes()


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        (("decode", {"latents": np.full((2, 4), np.nan, np.float32)}, ["images"]), {}, InvalidInput, "finite"),
        (("decode", {"latents": latents(2)[:, :3]}, ["images"]), {}, InvalidInput, r"takes \[-1, 4\]"),
        (("decode", {"latents": latents(0)}, ["images"]), {}, InvalidInput, "0 rows"),
        (("decode", {"latents": latents(601)}, ["images"]), {}, TooLarge, "from 1 to 600"),
        (("decode", {"latents": latents(2).astype(np.float64)}, ["images"]), {}, MalformedInput, "must be FP32"),
        (("decode", {"latents": latents(2)}, ["x"]), {}, MalformedInput, "no output 'x'"),
        (("decode", {"latents": latents(2)}, ["images"]), {"k": 3}, MalformedInput, "no parameter 'k'"),
        (("decode", {"x": latents(2)}, ["images"]), {}, MalformedInput, "takes no input 'x'"),
        (("decode", {}, ["images"]), {}, MalformedInput, "needs the input latents"),
        (("encode", {"images": images(2, (8, 9, 1))}, ["latents"]), {}, InvalidInput, r"takes \[-1, 8, 8, 1\]"),
        (("encode", {"images": images(2)}, ["latents"]), {"model": "nothing"}, NotFound, "nothing"),
        (("encode", {"images": images(2)}, ["latents"]), {"model": "m m"}, NotFound, "no model is named"),
        (("encode", {"images": images(2)}, ["latents"]), {"version": "v0"}, NotFound, "no version 'v0'"),
        (("magic", {"images": images(2)}, ["latents"]), {}, NotFound, "no model is named"),
        (("augment", {"images": images(2)}, ["images"]), {"k": 3}, TooFewImages, "use k up to 1"),
        (("augment", {"images": images(2)}, ["images"]), {"k": 0}, InvalidInput, "k: .*greater than or equal to 1"),
        (("augment", {"images": images(2)}, ["images"]), {"k": 1.5}, MalformedInput, "k: .*integer"),
        (("augment", {"images": images(2)}, ["images"]), {"k": 2**70}, InvalidInput, "k: .*less than or equal to 64"),
        (("augment", {"images": images(600)}, ["images"]), {"k": 64}, TooLarge, "38400 images were asked"),
        (("augment", {"images": images(2)}, ["images"]), {"method": "magic"}, InvalidInput, "method: .*'noise'"),
        (("augment", {"images": images(2)}, ["images"]), {"method": 1}, MalformedInput, "method"),
        (("augment", {"images": images(4)}, ["images"]), {"alpha": 1.5}, InvalidInput, "alpha must be at most 1"),
        (("augment", {"images": images(4)}, ["images"]), {"alpha": 10**400}, MalformedInput, "alpha"),
        (("augment", {"images": images(4)}, ["images"]), {"sigma": 1.0}, MalformedInput, "no parameter 'sigma'"),
        (
            ("decode", {"latents": latents(4)}, ["images"]),
            {"requests": 3},
            InvalidInput,
            "not 3 requests of equal size",
        ),
        (
            ("decode", {"latents": latents(4)}, ["images"]),
            {"requests": 8},
            InvalidInput,
            "not 8 requests of equal size",
        ),
        (("decode", {"latents": latents(4)}, ["images"]), {"requests": 0}, InvalidInput, "requests must be"),
        (("encode", {"images": images(4)}, ["latents"]), {"requests": "2"}, MalformedInput, "whole number"),
        (
            ("augment", {"images": images(4), "counts": np.ones(4, np.int64)}, ["images"]),
            {"requests": 2},
            InvalidInput,
            "one by one",
        ),
        (
            ("augment", {"images": images(4), "labels": np.zeros(3, np.int64)}, ["images"]),
            {},
            InvalidInput,
            "4 images but 3 labels",
        ),
    ],
)
def test_each_mistake_is_told_by_its_own_error(
    server: Process, arguments: Any, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as raised:
        infer(server, *arguments, **options)
    assert type(raised.value) is kind


def test_a_bad_timeout_is_refused(server: Process) -> None:
    body = {"inputs": [{"name": "latents", "shape": [1, 4], "datatype": "FP32", "data": [0, 0, 0, 0]}]}
    for timeout in (0, -1, "soon", True, 1.5):
        request = {**body, "parameters": {"timeout": timeout}}
        status, answer, _ = get(server, "/v2/models/m.decode/infer", method="POST", json=request)
        assert (status, answer["code"]) == (400, "malformed_input")


def test_a_json_request_gets_a_json_answer_with_its_id(server: Process) -> None:
    tensor = {"name": "latents", "shape": [1, 4], "datatype": "FP32", "data": [[0, 0.5, -1, 2]]}
    status, answer, _ = get(server, "/v2/models/m.decode/infer", method="POST", json={"id": "7", "inputs": [tensor]})
    expected = infer(server, "decode", {"latents": np.array([[0, 0.5, -1, 2]], np.float32)}, ["images"])
    assert (status, answer["id"], answer["model_name"], answer["model_version"]) == (200, "7", "m.decode", "v1")
    assert answer["outputs"][0]["data"] == expected["images"].ravel().tolist()


def test_a_large_json_request_is_answered_too(server: Process) -> None:
    tensor = {"name": "images", "shape": [400, 8, 8, 1], "datatype": "UINT8", "data": images(400).ravel().tolist()}
    status, answer, _ = get(server, "/v2/models/m.augment/infer", method="POST", json={"inputs": [tensor]})
    assert status == 200
    assert [output["shape"][0] for output in answer["outputs"]] == [1200] * 4


@pytest.mark.parametrize("framing", ["Content-Length: 9999999999", "Transfer-Encoding: chunked"])
def test_a_body_over_the_limit_is_refused_before_its_end(server: Process, framing: str) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(server.url.removeprefix("unix://"))
        client.settimeout(10)
        client.sendall(f"POST /v2/models/m.encode/infer HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
        for _ in range(24 if "chunked" in framing else 0):
            client.sendall(b"100000\r\n" + bytes(2**20) + b"\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_unknown_paths_and_verbs_are_told_in_the_protocol_s_form(server: Process) -> None:
    assert get(server, "/v3")[:2] == (404, {"error": "Not Found", "code": "not_found"})
    assert get(server, "/v2/models/m.encode/infer")[0] == 405


def test_a_new_version_is_loaded_when_it_is_asked_for(server: Process) -> None:
    save_model(server.store, "again", version="v1", seed=1)
    request = ("decode", {"latents": latents(3)}, ["images"])
    old = infer(server, *request, model="again")
    models.delete(server.store, "again")
    save_model(server.store, "again", version="v2", seed=2)
    assert infer(server, *request, model="again")["images"].tobytes() == old["images"].tobytes()
    new = infer(server, *request, model="again", version="v2")
    assert new["images"].tobytes() != old["images"].tobytes()
    with pytest.raises(NotFound, match="no version 'v1'"):
        infer(server, *request, model="again", version="v1")


def test_a_deleted_model_is_gone_once_it_is_unloaded(server: Process) -> None:
    save_model(server.store, "gone")
    request = call("decode", {"latents": latents(1)}, ["images"], model="gone")
    assert isinstance(ask(server, request)[0], dict)
    models.delete(server.store, "gone")
    assert ask(server, lambda client: client.unload("gone")) == [None]
    assert isinstance(ask(server, request)[0], NotFound)


def test_an_unloaded_model_leaves_no_metrics_behind(server: Process) -> None:
    save_model(server.store, "counted", shape=(70, 70, 1))
    save_model(server.store, "kept")

    async def run() -> None:
        async with connected(server) as client:
            for model, shape in (("counted", (70, 70, 1)), ("kept", (8, 8, 1))):
                await call("encode", {"images": images(1, shape)}, ["latents"], model=model)(client)
            assert 'model="counted"' in (await client.metrics()).decode()
            large = call("augment", {"images": images(600, (70, 70, 1))}, ["images"], model="counted")
            in_flight = asyncio.create_task(large(client))
            while "inflight_requests 1.0" not in (await client.metrics()).decode():
                await asyncio.sleep(0.01)
            await client.unload("counted")
            assert len((await in_flight)["images"]) == 1800  # finished, but counted no more
            told = (await client.metrics()).decode()
            assert "counted" not in told
            assert 'inference_requests_total{code="200",model="kept",op="encode"} 1.0' in told
            await call("encode", {"images": images(1, (70, 70, 1))}, ["latents"], model="counted")(client)
            assert (
                'inference_requests_total{code="200",model="counted",op="encode"} 1.0'
                in (await client.metrics()).decode()
            )

    asyncio.run(run())
    names = [entry["name"] for entry in get(server, "/v2/models/stats")[1]["model_stats"]]
    assert names.count("counted.encode") == 1


def test_a_model_whose_files_are_damaged_is_not_served(server: Process) -> None:
    save_model(server.store, "damaged")
    server.store.put("models/damaged/v1/weights.safetensors", b"not these")
    with pytest.raises(Damaged, match="is damaged: its file weights"):
        infer(server, "decode", {"latents": latents(1)}, ["images"], model="damaged")


def test_only_so_many_models_are_held(start: Start) -> None:
    process = start(model_cache_size=2)
    for name in ("a", "b", "c"):
        save_model(process.store, name)
        infer(process, "decode", {"latents": latents(1)}, ["images"], model=name)
    _, index, _ = get(process, "/v2/repository/index", method="POST", json={"ready": True})
    assert {entry["name"] for entry in index if entry["name"].endswith(".decode")} == {"b.decode", "c.decode"}


def test_an_expired_request_is_a_504(server: Process) -> None:
    with pytest.raises(DeadlineExceeded):
        infer(server, "augment", {"images": images(500)}, ["images"], timeout=1e-5)


def test_a_full_queue_is_a_429_with_retry_after(start: Start) -> None:
    process = start(max_queue_samples=300, max_batch_samples=64)
    save_model(process.store, "m", shape=(70, 70, 1))
    x = images(60, (70, 70, 1))
    answers = ask(process, *[call("augment", {"images": x}, ["images"]) for _ in range(30)])
    refused = [answer for answer in answers if isinstance(answer, TooManyRequests)]
    assert refused
    assert all(error.retry_after is not None and error.retry_after >= 1 for error in refused)
    assert len(refused) + sum(isinstance(answer, dict) for answer in answers) == 30
    assert "queue_samples 0.0" in get(process, "/metrics")[1]
    assert isinstance(ask(process, call("augment", {"images": x}, ["images"]))[0], dict)


def test_a_client_that_leaves_takes_its_request_along(start: Start) -> None:
    process = start(max_batch_samples=64)
    save_model(process.store, "m", shape=(70, 70, 1))
    x = images(100, (70, 70, 1))

    async def leave() -> None:
        async with connected(process) as client:
            requests = [call("augment", {"images": x}, ["images"], k=10)(client) for _ in range(10)]
            tasks = [asyncio.create_task(request) for request in requests]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(leave())
    wait_for(lambda: "inflight_requests 0.0" in get(process, "/metrics")[1])
    metrics = get(process, "/metrics")[1]
    assert "queue_samples 0.0" in metrics
    assert 'code="499"' in metrics
    computed = metrics.split('inference_batches_total{model="m",op="augment"} ')[1].split()[0]
    assert 1 <= float(computed) < 10


def test_metrics_count_samples_and_requests(server: Process) -> None:
    def total(line: str) -> float:
        return float(get(server, "/metrics")[1].split(line)[1].split()[0])

    line = 'inference_samples_total{model="m",op="decode"} '
    infer(server, "decode", {"latents": latents(1)}, ["images"])
    before = total(line)
    infer(server, "decode", {"latents": latents(7)}, ["images"])
    assert total(line) == before + 7
    assert total('inference_requests_total{code="200",model="m",op="decode"} ') >= 2


def test_the_socket_is_for_this_user_only(server: Process) -> None:
    assert stat.S_IMODE(os.stat(server.url.removeprefix("unix://")).st_mode) == 0o600


@pytest.mark.parametrize(
    ("setting", "message", "status"),
    [("", b"already listens", 1), ("abacus", b"there is no device 'abacus'", 2)],  # 2: no restart mends it
)
def test_a_server_that_cannot_start_says_why(
    server: Process, setting: str, message: bytes, status: int, tmp_path: Path
) -> None:
    environment = {**os.environ, "LATENTAUG_MODEL_SERVER_URL": server.url}
    if setting:
        environment |= {"LATENTAUG_DEVICE": setting, "LATENTAUG_MODEL_SERVER_URL": f"unix://{tmp_path}/s"}
    second = subprocess.run(
        [sys.executable, "-m", "service.model_server"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == status
    assert message in second.stderr
    assert ask(server, lambda client: client.ready()) == [True]


def test_a_killed_server_is_unavailable_and_its_stale_socket_no_hindrance(start: Start, tmp_path: Path) -> None:
    first = start(home=tmp_path)
    save_model(first.store, "m", shape=(70, 70, 1))
    x = images(600, (70, 70, 1))
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(infer, first, "augment", {"images": x}, ["images"], k=20)
        wait_for(lambda: "inflight_requests 1.0" in get(first, "/metrics")[1])
        time.sleep(0.1)
        killed = time.monotonic()
        first.process.kill()
        with pytest.raises(Unavailable) as raised:
            pending.result(timeout=10)
    assert time.monotonic() - killed < 1
    assert raised.value.retry_after == 1
    first.process.wait()
    assert ask(first, lambda client: client.ready()) == [False]
    assert isinstance(ask(first, call("augment", {"images": x}, ["images"]))[0], Unavailable)
    second = start(home=tmp_path)
    assert infer(second, "encode", {"images": x[:1]}, ["latents"])["latents"].shape == (1, 4)


def test_a_server_told_to_stop_answers_what_it_has_taken(start: Start) -> None:
    process = start(drain_seconds=20)
    save_model(process.store, "m", shape=(70, 70, 1))
    x = images(600, (70, 70, 1))
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(infer, process, "augment", {"images": x}, ["images"], k=5)
        wait_for(lambda: "inflight_requests 1.0" in get(process, "/metrics")[1])
        process.process.send_signal(signal.SIGTERM)
        wait_for(lambda: get(process, "/v2/health/ready")[0] == 503 or pending.done(), 5)
        assert isinstance(ask(process, call("encode", {"images": x[:1]}, ["latents"]))[0], Unavailable)
        assert pending.result(timeout=20)["images"].shape == (3000, 70, 70, 1)
    assert process.process.wait(timeout=10) == 0
    assert not Path(process.url.removeprefix("unix://")).exists()


def test_a_lost_device_ends_the_process_for_its_supervisor_to_start_anew(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "lost.py"
    program.write_text(
        "import sys\n"
        "from service.model_server import engine, __main__ as server\n"
        "def lost(*_):\n"
        "    raise engine.torch.AcceleratorError('device-side assert')\n"
        "engine.LoadedModel.encode_rows = lost\n"
        "sys.exit(server.main())\n"
    )
    process = start(program=program)
    save_model(process.store, "m")
    with pytest.raises(Unavailable):
        infer(process, "encode", {"images": images(1)}, ["latents"])
    assert process.process.wait(timeout=10) == 70


def test_an_idle_server_stops_at_once_and_uses_no_processor_time(start: Start) -> None:
    process = start()
    save_model(process.store, "m")
    infer(process, "decode", {"latents": latents(1)}, ["images"])

    def processor_seconds() -> float:
        fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = processor_seconds()
    time.sleep(2)
    assert processor_seconds() - before <= 0.04
    stopped = time.monotonic()
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(timeout=10) == 0
    assert time.monotonic() - stopped < 5


def test_the_client_waits_no_longer_than_its_timeout(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s"))
        silent.listen()
        url = f"unix://{tmp_path}/s"
        assert listening(url)

        async def run() -> None:
            client = ModelServer(url)
            started = time.monotonic()
            with pytest.raises(DeadlineExceeded):
                await call("decode", {"latents": latents(1)}, ["images"], timeout=0.1)(client)
            assert time.monotonic() - started < 2
            await client.close()

        asyncio.run(run())


def test_error_answers_become_the_errors_that_they_name() -> None:
    body = json.dumps({"error": "taken", "code": "conflict", "fields": [["name", "taken"]]}).encode()
    error = error_from(409, body, "3")
    assert isinstance(error, Conflict)
    assert (error.detail, error.fields, error.retry_after) == ("taken", [("name", "taken")], 3)
    for unreadable in (b"", b"[]", b'{"error": "x"}', b'{"error": "x", "code": "odd"}'):
        assert isinstance(error_from(500, unreadable, None), Unavailable)


def test_more_work_than_a_request_may_take_is_refused_before_it_is_queued(start: Start) -> None:
    process = start()
    save_model(process.store, "m")
    many: dict[str, Any] = {"images": images(4096), "counts": np.full(4096, 8), "labels": np.arange(4096) % 2}
    filters = {"reject_off_manifold": True, "reject_label": True, "retries": 100, "method": "noise"}

    with pytest.raises(TooLarge, match="times the work that one request may take"):
        infer(process, "augment", many, ["images"], **filters)


def test_a_large_request_holds_up_no_small_one_and_ends_with_its_caller(start: Start) -> None:
    process = start(max_batch_samples=64)
    save_model(process.store, "m", shape=(70, 70, 1))
    large = call("augment", {"images": images(4000, (70, 70, 1))}, ["images"], k=8, decode="residual", timeout=600)

    async def both() -> tuple[float, str]:
        async with connected(process) as client:
            asking = asyncio.create_task(large(client))
            await asyncio.sleep(1)
            began = time.monotonic()
            for _ in range(5):
                await call("encode", {"images": images(1, (70, 70, 1))}, ["latents"], timeout=5)(client)
            took = (time.monotonic() - began) / 5
            assert not asking.done()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await asyncio.sleep(1)
            await call("encode", {"images": images(65, (70, 70, 1))}, ["latents"], timeout=5)(client)
            return took, (await client.metrics()).decode()

    took, metrics = asyncio.run(both())
    assert took < 1
    assert 'inference_batches_total{model="m",op="augment"}' not in metrics, "it was given up"
