"""The values of the chart: all of them said, and no others taken."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from docs import chart as page
from latentaug.runtime.jobs import KINDS
from latentaug.runtime.settings import PREFIX, Settings
from tests.deploy.rendering import CHART, COMBINATIONS, RENDERED, ROOT, Refused, files, pods, variables
from tests.system.composition import COMPOSE

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
OF_ONE_MACHINE = {"LATENTAUG_DATA_DIR", "LATENTAUG_AUDIT_FILE", "LATENTAUG_TRAIN_PROCESSES"}
"""Settings that mean nothing here: folders of a machine, and how many of its GPUs one training takes."""
INSTEAD = {"LATENTAUG_API_KEYS"}
"""A setting that would hold what a Secret holds."""


def objects(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object that the schema describes, by where it does so."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield path, schema
        for name, part in schema.items():
            yield from objects(part, f"{path}/{name}")


def groups(values: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where values stand in values, the outermost included."""
    yield path
    for name, value in values.items():
        if isinstance(value, dict):
            yield from groups(value, (*path, name))


def nested(path: tuple[str, ...], value: Any) -> Any:
    return {path[0]: nested(path[1:], value)} if path else value


def closed_groups() -> list[tuple[str, ...]]:
    return [
        path
        for path in groups(DEFAULTS)
        if path[-1:] not in (("nodeSelector",), ("serviceAccountAnnotations",), ("labels",))
    ]


@pytest.mark.parametrize("path", closed_groups(), ids=lambda path: ".".join(path) or "outermost")
def test_a_value_that_nobody_knows_is_refused(path: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="additional properties 'misspelt' not allowed"):
        files(nested(path, {"misspelt": "1"}))


def test_the_schema_closes_every_object_but_labels_and_annotations() -> None:
    open_ones = {path for path, schema in objects(SCHEMA) if schema.get("additionalProperties") is not False}

    assert open_ones == {"/$defs/texts"}
    assert SCHEMA["$defs"]["texts"]["additionalProperties"] == {"type": "string"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"api": {"replicas": {"min": 0}}},
        {"api": {"resources": {"requests": {"cpu": "many"}}}},
        {"apiKeysSecret": ""},
        {"keda": {"enabled": "yes"}},
        {"modelServer": {"gpu": 2}},
        {"modelServer": {"replicas": 0}},
        {"modelServer": {"replicas": 65}},
        {"store": {"url": "file:///data"}},
        {"valkey": {"external": {"port": 0}}},
        {"workers": {"sort": {"replicas": 1}}},
        {"workers": {"train": {"replicas": 0}}},
        {"networkPolicy": {"callers": [{}]}},
    ],
    ids=str,
)
def test_a_value_that_cannot_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        files(wrong)


def test_every_value_has_a_default_and_a_meaning() -> None:
    rows = page.render().splitlines()

    assert page.TARGET.read_text() == page.render(), "run `make docs`"
    assert DEFAULTS.keys() == SCHEMA["properties"].keys()
    assert all(row.count("|") == 4 and not row.endswith("|  |") for row in rows if row.startswith("| `"))


def test_there_are_workers_for_every_queue() -> None:
    assert DEFAULTS["workers"].keys() == set(KINDS)


def test_every_setting_is_the_charts_own_or_may_be_given() -> None:
    given = SCHEMA["properties"]["settings"]["properties"].keys()
    set_by_chart = {
        name for rendered in RENDERED.values() for pod in pods(rendered).values() for name in variables(pod)
    }
    own = {name for name in set_by_chart if name.startswith(PREFIX)} - given
    every = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}

    assert given.isdisjoint(OF_ONE_MACHINE | INSTEAD)
    assert given | own | OF_ONE_MACHINE | INSTEAD == every


def test_numbers_reach_the_service_as_they_were_written() -> None:
    given = variables(pods(RENDERED["settings"])["api"])

    assert COMBINATIONS["settings"]["settings"].keys() <= given.keys()
    assert given["LATENTAUG_MAX_BODY_BYTES"] == "134217728"
    assert given["LATENTAUG_DRAIN_SECONDS"] == "2.5"
    assert given["LATENTAUG_TENANTS"] == "true"


def test_the_chart_is_of_this_version_and_runs_the_same_valkey_as_the_containers() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])
    assert chart["description"] == project["description"]
    assert DEFAULTS["valkey"]["image"] == COMPOSE["services"]["redis"]["image"]
    image = f"{DEFAULTS['image']['repository']}:{chart['appVersion']}"
    assert image == COMPOSE["services"]["api"]["image"]
