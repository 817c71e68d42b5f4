"""The service's options as options of a command: name, bounds, default and help are those of `latentaug.options`.

A command passes on only what it was given, so that the service's own default holds where it was given nothing. Bounds
are checked as the command is parsed, before anything is read, uploaded or trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.markup import escape

from service.cli.errors import fault_words
from service.cli.progress import console

Check = Callable[[Any], object]


def option(options: type[BaseModel], name: str, *flags: str, before: str = "", own: str | None = None) -> Any:
    """A typer option that says what `options` says of one of its fields, and takes only what the field does.

    Args:
        options: has the field.
        name: of the field.
        flags: how it is typed, if not like its name; a list's may be given repeatedly.
        before: what to say before the field's own words.
        own: what to say instead of them.
    """
    field = options.model_fields[name]
    shown = "" if field.is_required() or field.default is None else f" Default: {_plain(field.default)}."
    said = own or before + " ".join((field.description or "").split()) + shown
    return typer.Option(*flags, help=said, **_taking(Annotated[field.annotation, name, *field.metadata]))


def choice(words: Any, said: str) -> Any:
    """A typer option that takes one of some words.

    Args:
        words: a `Literal` of them.
        said: its help.
    """
    return typer.Option(help=said, **_taking(words))


def _taking(annotation: Any) -> dict[str, Any]:
    """How typer is told of an option that takes what pydantic makes of an annotation."""
    how = {"show_default": False, "callback": checked(TypeAdapter[Any](annotation).validate_python)}
    if words := _choices(annotation):
        how |= {"metavar": f"[{'|'.join(words)}]", "parser": str}  # which of them it is, the callback looks at
    return how


def checked(check: Check) -> Callable[[typer.Context, typer.CallbackParam, Any], Any]:
    """What typer calls with a value that was typed: it ends the command where `check` raises an error of the value."""

    def look(context: typer.Context, parameter: typer.CallbackParam, value: Any) -> Any:
        if context.resilient_parsing or value in (None, []):
            return value
        flag = parameter.opts[0]
        try:
            check(value)
        except ValidationError as error:
            told = "; ".join(fault_words(fault, flag) for fault in error.errors())
        except ValueError as error:
            told = f"{flag} {error}"
        else:
            return value
        console.print(f"[red]error:[/] {escape(told)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)

    return look


def given(**values: Any) -> dict[str, Any]:
    """Those options that the command was given."""
    return {name: value for name, value in values.items() if value not in (None, [])}


def _choices(annotation: Any) -> list[str]:
    """The words that a field takes, be it one of them, a list of them or None; none where it takes something else."""
    if get_origin(annotation) is Literal:
        return [word for word in get_args(annotation) if isinstance(word, str)]
    return list(dict.fromkeys(word for inner in get_args(annotation) for word in _choices(inner)))


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value).strip('"')
