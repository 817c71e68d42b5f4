"""`make docs`: writes docs/options.md from `latentaug.options`; a test keeps it fresh."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from latentaug import options

TARGET = Path(__file__).with_suffix(".md")
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("Augment, a request: `POST /v1/models/{model}/augment`", options.AugmentOptions),
    ("Interpolate: `POST /v1/models/{model}/interpolate`", options.InterpolateOptions),
    ("Encode: `POST /v1/models/{model}/encode`", options.ImageOptions),
    ("Quality: `POST /v1/models/{model}/quality`", options.ImageOptions),
    ("Train: `POST /v1/jobs/train`", options.TrainParams),
    ("Augment a data set: `POST /v1/jobs/augment`", options.AugmentParams),
    ("Label, a request: `POST /v1/models/{model}/label`", options.LabelRequest),
    ("Label a data set: `POST /v1/jobs/label`", options.LabelParams),
    ("Evaluate: `POST /v1/jobs/evaluate`", options.EvaluateParams),
    ("The best training set: `POST /v1/jobs/recommend`", options.RecommendParams),
    ("A recipe: `recipe` of an augment job", options.Recipe),
    ("Spreading labels: `spread` of a recipe", options.Spreading),
    ("New images: one of the `parts` of a recipe", options.Part),
    ("Ranges of affine copies: `affine` of evaluate", options.AffineRanges),
)


def render() -> str:
    """Return the page: one table for each thing that takes options."""
    lines = [
        "# Options",
        "",
        "Every option of requests and jobs, with its default and its bounds. The Python client and the command line",
        "call them by the same names.",
        "",
    ]
    for title, schema in SECTIONS:
        lines += [f"## {title}", "", "| option | default | takes | meaning |", "|---|---|---|---|"]
        described = schema.model_json_schema()
        for name, field in schema.model_fields.items():
            default = "required" if field.is_required() else f"`{json.dumps(_plain(field.default))}`"
            takes = _takes(described["properties"][name])
            lines.append(f"| `{name}` | {default} | {takes} | {' '.join((field.description or '').split())} |")
        lines.append("")
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    return value.model_dump() if isinstance(value, BaseModel) else value


def _takes(schema: dict[str, Any]) -> str:
    """What a value must be, in words."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return " or ".join(dict.fromkeys(_kind(kind) for kind in kinds))


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"a list of: {_kind(schema['items'])}"
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    words = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "text"}
    kind = words.get(schema.get("type", ""), "an object")
    if low is not None and high is not None:
        return f"{kind}, {low:g} to {_number(high)}" if high < 2**53 else f"{kind}, {low:g} or more"
    return f"{kind}, {low:g} or more" if low is not None else kind


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


if __name__ == "__main__":
    TARGET.write_text(render())
