"""The OpenAPI document, the metrics and the fuzzed surface: what is promised is there, and nothing gives a 500."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.bodies import NPY, NPZ, TINY, ZIP, npy, npz, pictures, png, post, zipped

FORMS = [NPY, NPZ, ZIP, "application/json", "image/png", "multipart/form-data; boundary=x"]
VALID = {
    NPY: npy(pictures(3)),
    NPZ: npz(images=pictures(3)),
    ZIP: zipped(pictures(3), ["a", "b", "b"]),
    "application/json": b'{"images": ["aGVsbG8="], "labels": [1], "k": 1}',
    "image/png": png(pictures(1)[0]),
    FORMS[5]: b'--x\r\nContent-Disposition: form-data; name="labels"\r\n\r\n[1]\r\n--x--\r\n',
}
ENDPOINTS = {
    "/v1/models/{model}/encode": {"post"},
    "/v1/models/{model}/decode": {"post"},
    "/v1/models/{model}/augment": {"post"},
    "/v1/models/{model}/interpolate": {"post"},
    "/v1/models/{model}/quality": {"post"},
    "/v1/models": {"get"},
    "/v1/models/{model}": {"get", "delete"},
    "/v1/models/{model}/projection": {"get"},
    "/v1/datasets": {"get", "post"},
    "/v1/datasets/{dataset}": {"get", "delete"},
    "/v1/datasets/{dataset}/images": {"get"},
    "/v1/jobs/train": {"post"},
    "/v1/jobs/evaluate": {"post"},
    "/v1/jobs/augment": {"post"},
    "/v1/jobs": {"get"},
    "/v1/jobs/{job}": {"get", "delete"},
    "/v1/jobs/{job}/result": {"get"},
    "/v1/jobs/{job}/events": {"get"},
}


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def test_every_endpoint_is_documented_with_problems_and_keys(document: dict[str, Any]) -> None:
    for path, methods in ENDPOINTS.items():
        assert set(document["paths"][path]) == methods
        for method in methods:
            operation = document["paths"][path][method]
            assert operation["security"] == [{"bearer": []}]
            for status in ("401", "403", "422", "429"):
                assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
            assert method != "post" or operation["requestBody"]["content"]


def test_augment_is_documented_with_all_forms_and_options(document: dict[str, Any]) -> None:
    operation = document["paths"]["/v1/models/{model}/augment"]["post"]

    assert {"application/json", NPY, NPZ, ZIP, "image/png", "multipart/form-data"} <= set(
        operation["requestBody"]["content"]
    )
    assert set(operation["responses"]["200"]["content"]) == {"application/json", NPY, NPZ, ZIP, "image/png"}
    names = {parameter["name"] for parameter in operation["parameters"]}
    assert {"method", "alpha", "k", "copies", "neighbours", "decode", "seed", "resize", "X-Request-Timeout"} <= names


def test_operations_have_stable_names(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]

    assert len(set(ids)) == len(ids)
    assert {"encode", "decode", "augment", "interpolate", "label", "submit_label", "submit_train", "job_events"} <= set(
        ids
    )


def test_metrics_count_by_route_template_and_jobs_by_state(api: httpx.Client) -> None:
    api.get("/v1/models/tiny")
    api.get("/v1/models/nobody")
    api.get("/no/such/path")

    text = api.get("/metrics").text

    assert 'http_requests_total{method="GET",route="/v1/models/{model}",status="200"}' in text
    assert 'http_requests_total{method="GET",route="/v1/models/{model}",status="404"}' in text
    assert 'route="unmatched"' in text
    assert "nobody" not in text
    assert "http_requests_in_flight 1.0" in text
    assert 'jobs{kind="train",status="queued"}' in text


fuzzed = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(
    operation=st.sampled_from(["encode", "decode", "augment", "interpolate", "label", "quality"]),
    form=st.sampled_from(FORMS),
    cut=st.tuples(st.integers(0, 300), st.binary(max_size=12)),
    query=st.dictionaries(
        st.sampled_from(["method", "alpha", "k", "copies", "seed", "decode", "neighbours", "resize", "steps", "x"]),
        st.sampled_from(
            ["noise", "extrapolation", "1", "0", "-1", "1e400", "nan", "true", "dataset", "residual", "\x00"]
        ),
        max_size=3,
    ),
)
def test_no_body_and_no_option_gives_a_fault(
    api: httpx.Client, operation: str, form: str, cut: tuple[int, bytes], query: dict[str, str]
) -> None:
    at, noise = cut
    body = VALID[form][:at] + noise + VALID[form][at + len(noise) :]

    answer = post(api, f"{TINY}/{operation}", body, form, "*/*", **query)

    assert answer.status_code in (200, 400, 413, 415, 422), answer.text
    assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["images", "labels", "latents", "k", "dataset", "model", "name", "epochs", "draws", "decode"])


@fuzzed
@given(
    path=st.sampled_from(
        [f"{TINY}/encode", f"{TINY}/decode", f"{TINY}/augment", "/v1/jobs/train", "/v1/jobs/evaluate"]
    ),
    fields=st.dictionaries(names, json_values, max_size=4),
)
def test_no_json_gives_a_fault(api: httpx.Client, path: str, fields: dict[str, Any]) -> None:
    body = json_text(fields)

    answer = api.post(path, content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (200, 400, 404, 413, 422), answer.text
    assert answer.status_code == 200 or answer.headers["content-type"] == "application/problem+json"


def json_text(value: object) -> bytes:
    """JSON with whatever Python writes: NaN, Infinity and lone surrogates among it."""
    return json.dumps(value).encode()


@fuzzed
@given(text=st.text(max_size=20))
def test_no_path_gives_a_fault(api: httpx.Client, text: str) -> None:
    quoted = quote(text, errors="replace")

    for prefix in ("/v1/models/", "/v1/datasets/", "/v1/jobs/", "/v1/jobs?cursor=", "/v1/jobs?kind="):
        assert api.get(f"{prefix}{quoted}").status_code < 500


def test_no_reference_leads_nowhere(document: dict[str, Any]) -> None:
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))

    for reference in references:
        node = document
        for name in reference.split("/"):
            node = node[name]
