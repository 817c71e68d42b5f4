"""`make docs`: writes deploy/chart/README.md from the schema of the chart's values; a test keeps it fresh."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[1] / "deploy" / "chart"
TARGET = CHART / "README.md"
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
WHOLE = {"settings", "resources"}
"""Values that are an object, and one thing to whoever reads: they have a row of their own."""
EMPTY = {"", "[]", "{}"}


def render() -> str:
    """Return the page: one table for each group of values, after that of the values without a group."""
    groups = {name: part for name, part in SCHEMA["properties"].items() if _is_group(name, part)}
    alone = {name: part for name, part in SCHEMA["properties"].items() if name not in groups}
    lines = [
        "# The values of the chart",
        "",
        "What they are for, and how to install the chart, stands in docs/kubernetes.md. A value that is not listed",
        "here is refused. `make docs` writes this page from values.schema.json and values.yaml.",
        "",
        *_table(alone, "", DEFAULTS),
    ]
    for name, group in groups.items():
        lines += [f"## {name}", "", group["description"], "", *_table(group["properties"], f"{name}.", DEFAULTS[name])]
    return "\n".join(lines)


def _table(properties: dict[str, Any], prefix: str, defaults: dict[str, Any]) -> list[str]:
    if _are_alike(properties):
        first = next(iter(properties))
        properties, defaults = {"QUEUE": properties[first]}, {"QUEUE": defaults[first]}
    rows = [row for name, schema in properties.items() for row in _rows(f"{prefix}{name}", schema, defaults[name])]
    return ["| value | default | meaning |", "|---|---|---|", *rows, ""]


def _rows(path: str, schema: dict[str, Any], default: Any) -> Iterator[str]:
    """The row of a value, or those of the values in it."""
    schema = _resolved(schema)
    if _is_group(path.rpartition(".")[2], schema):
        for name, part in schema["properties"].items():
            yield from _rows(f"{path}.{name}", part, default[name])
    else:
        text = default if isinstance(default, str) else json.dumps(default)
        yield f"| `{path}` | {'empty' if text in EMPTY else f'`{text}`'} | {schema['description']} |"


def _is_group(name: str, schema: dict[str, Any]) -> bool:
    return "properties" in schema and name not in WHOLE


def _are_alike(properties: dict[str, Any]) -> bool:
    """Whether these are the same values for each of several parts, as for the workers of each queue."""
    return len(properties) > 1 and {part.get("$ref") for part in properties.values()} == {"#/$defs/worker"}


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what it refers to; what it says itself counts."""
    if "$ref" not in schema:
        return schema
    return {**_resolved(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]]), **schema}


if __name__ == "__main__":
    TARGET.write_text(render())
