"""Requests of every kind that /openapi.json tells of, right and wrong, with keys and without, to real processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis.errors import Unsatisfiable

from service.api.http import media
from tests.api import services
from tests.fuzz import files
from tests.fuzz.mutation import CASES, EXAMPLES, broken, fuzzed

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis: pip install -e '.[slow]'")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")
from schemathesis.checks import not_a_server_error  # noqa: E402  (where it is installed)

pytestmark = pytest.mark.slow
KEY = "a-key-for-everything"
KEPT: dict[str, Any] = {"max_body_bytes": 2**20, "max_dataset_bytes": 2**20, "max_images": 64, "max_queued_jobs": 20}
WHOLE: dict[str, dict[str, bytes]] = {
    media.NPY: files.NPY,
    media.NPZ: files.NPZ,
    media.ZIP: files.ZIPS,
    media.PNG: {"png": files.IMAGES["png"]},
    media.JPEG: {"jpeg": files.IMAGES["jpeg"]},
    media.WEBP: {"webp": files.IMAGES["webp"]},
    "image/avif": {"avif": files.IMAGES["avif"]},
    "image/bmp": {"bmp": files.IMAGES["bmp"]},
    "image/gif": {"gif": files.IMAGES["gif"]},
    "image/tiff": {"tiff": files.IMAGES["tiff, raw"]},
}
for form, seeds in WHOLE.items():
    schemathesis.openapi.media_type(form, broken(seeds))

CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
KNOWN = {"model": "tiny", "dataset": "digits"}


@pytest.fixture(scope="module")
def stack() -> Iterator[tuple[str, str]]:
    """The addresses of two APIs of one home, with a model server: one without keys and one with."""
    with services.home() as home:
        services.save_model(home.store, "tiny", 12, 10, 1, places=services.PLACES)
        with (
            services.model_server(home),
            services.api(home, **KEPT) as plain,
            services.api(home, api_keys=f"{KEY}:infer+train+admin", **KEPT) as keyed,
        ):
            services.wait_until(lambda: plain.get("/readyz").status_code == 200)
            yield str(plain.base_url), str(keyed.base_url)


def ask(name: str, case: Any, **headers: str) -> None:
    """Send a request and look at the answer; every second one is for what there is, if nothing would be deleted."""
    CASES[name] += 1
    if CASES[name] % 2 and case.method != "DELETE":
        case.path_parameters = {
            **(case.path_parameters or {}),
            **{parameter: known for parameter, known in KNOWN.items() if parameter in (case.path_parameters or {})},
        }
    case.validate_response(case.call(headers=headers, timeout=60), checks=CHECKS)


def run(name: str, url: str, examples: int, **headers: str) -> None:
    """Try each operation with right requests and with wrong ones."""
    for operation in schemathesis.openapi.from_url(f"{url}/openapi.json").get_all_operations():
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):

            @settings(fuzzed, max_examples=examples)
            @given(case=operation.ok().as_strategy(generation_mode=mode))
            def check(case: Any) -> None:
                ask(name, case, **headers)

            with suppress(Unsatisfiable):  # where there is nothing to do wrong
                check()


def test_without_keys(stack: tuple[str, str]) -> None:
    run("contract without keys", stack[0], max(10, EXAMPLES // 8))


def test_with_keys(stack: tuple[str, str]) -> None:
    run("contract with keys", stack[1], max(10, EXAMPLES // 8), Authorization=f"Bearer {KEY}")


def test_with_keys_and_none_sent(stack: tuple[str, str]) -> None:
    run("contract with keys, none sent", stack[1], 10)


def test_the_services_are_well_afterwards(stack: tuple[str, str]) -> None:
    for url in stack:
        assert httpx.get(f"{url}/readyz").status_code == 200
