"""The service's options as options of a command: name, bounds, default and help are those of `latentaug.options`.

A command passes on only what it was given, so that the service's own default holds where it was given nothing.
"""

from __future__ import annotations

import json
from typing import Any

import typer
from pydantic import BaseModel


def option(options: type[BaseModel], name: str, *flags: str, before: str = "") -> Any:
    """A typer option that says what `options` says of one of its fields; a list's `flags` may be given repeatedly.

    Args:
        options: has the field.
        name: of the field.
        flags: how it is typed, if not like its name.
        before: what to say before the field's own words.
    """
    field = options.model_fields[name]
    shown = "" if field.is_required() or field.default is None else f" Default: {_plain(field.default)}."
    return typer.Option(*flags, help=before + " ".join((field.description or "").split()) + shown, show_default=False)


def given(**values: Any) -> dict[str, Any]:
    """Those options that the command was given."""
    return {name: value for name, value in values.items() if value not in (None, [])}


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value).strip('"')
