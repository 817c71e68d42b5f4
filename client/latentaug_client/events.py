"""Server-sent events: lines to events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Event:
    """One event of a job.

    Attributes:
        type: `progress`, `metrics` or `end`.
        id: where to go on after it.
        data: what it says.
    """

    type: str
    id: str
    data: dict[str, Any]


@dataclass
class EventLines:
    """Collects the lines of one event after the other."""

    _fields: dict[str, str] = field(default_factory=dict)

    def take(self, line: str) -> Event | None:
        """Take one line without its end; return the event that it completes."""
        if line:
            name, _, value = line.partition(":")
            if name in ("id", "event", "data"):
                value = value.removeprefix(" ")
                self._fields[name] = f"{self._fields[name]}\n{value}" if name in self._fields else value
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields:  # a comment that keeps the connection open
            return None
        return Event(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
