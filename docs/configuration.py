"""`make docs`: writes docs/configuration.md from the `Settings` class; a test keeps it fresh."""

from __future__ import annotations

from pathlib import Path

from latentaug.runtime.settings import PREFIX, Settings

TARGET = Path(__file__).with_suffix(".md")
# Defaults that are computed from the machine, in words.
COMPUTED = {"home": "`~/.local/share/latentaug`", "threads": "half the cores"}


def render() -> str:
    """Return the page: one table row for each setting."""
    rows = [
        "# Configuration",
        "",
        "Environment variables, read once at start by every process. A variable with the prefix that names no setting",
        "is refused. `python -m service.stack`, `make run` and the containers read the same ones.",
        "",
        "| variable | default | meaning |",
        "|---|---|---|",
    ]
    for name, field in Settings.model_fields.items():
        default = COMPUTED.get(name) or ("none" if field.default is None else f"`{_plain(field.default)}`")
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(rows) + "\n"


def _plain(value: object) -> str:
    return str(list(value)).replace("'", '"') if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    TARGET.write_text(render())
