"""The events of a job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from httpx_sse import ServerSentEvent


@dataclass(frozen=True)
class Event:
    """One event of a job.

    Attributes:
        type: `progress`, `metrics` or `end`.
        id: its place among the job's events; the next connection goes on after it.
        data: what it says.
    """

    type: str
    id: str
    data: dict[str, Any]


def read(message: ServerSentEvent) -> Event | None:
    """The event in a message of the stream, or None for one without data, which only keeps the connection open."""
    return Event(message.event, message.id, message.json()) if message.data else None
