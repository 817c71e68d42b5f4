"""How good new images are, in words for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latentaug_client import Client, LatentaugError

from service.cli import names
from service.cli.manifest import Manifest


def measured(client: Client, model: str, written: Manifest) -> str:
    """Have some of the new images measured. Where that fails, the images are there all the same, so it is only said."""
    files, labels = written.some()
    known = {None, *names.description(client, model)["classes"]}
    named = [label or "" for label in labels] if any(labels) and set(labels) <= known else None
    try:
        return in_words(client.quality(files, named, model=model))
    except LatentaugError as error:
        return f"How good they are could not be measured: {error}"


def in_words(report: Mapping[str, Any]) -> str:
    """What a report says, and its warning where it has one."""
    return "\n".join(filter(None, (report["sentence"], report["warning"])))
