"""A job's events as a stream that a browser's EventSource reads, resumes and ends."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
from sse_starlette import ServerSentEvent

from latentaug.errors import InvalidInput, LatentaugError
from latentaug.runtime.jobs import Event
from service.api.http.request_log import logger

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15
_EVENT_ID = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


def check_event_id(sent: str | None) -> str | None:
    """Return a `Last-Event-ID` after checking its form; None where it is missing or empty.

    Raises:
        InvalidInput: it is not an id that this stream gives.
    """
    if not sent:
        return None
    if not _EVENT_ID.fullmatch(sent):
        raise InvalidInput(
            "Last-Event-ID is not an id of this stream; leave it out to start from the beginning",
            fields=[("Last-Event-ID", "must look like 1700000000000-0")],
        )
    return sent


def only_the_end_again(events: list[Event], after: str | None) -> bool:
    """Return whether a caller that has seen `after` has seen everything, so that only the end would be sent again."""
    if after is None:
        return False
    return all(event.type == "end" and _order(event.id) <= _order(after) for event in events)


async def stream(
    job_id: str,
    events: list[Event],
    after: str | None,
    read: Callable[[str | None], Awaitable[list[Event]]],
) -> AsyncIterator[ServerSentEvent]:
    """Send `events`, then those that `read` returns after the last one sent, until `end` has been sent.

    Where Redis goes away the stream breaks off; the caller's EventSource comes back with the last id that it saw.
    """
    while True:
        for event in events:
            after = event.id
            yield ServerSentEvent(json.dumps(event.data), event=event.type, id=event.id, sep="\n")
            if event.type == "end":
                return
        await anyio.sleep(POLL_SECONDS)
        try:
            events = await read(after)
        except LatentaugError as error:
            logger.warning("the events of job %s break off: %s", job_id, error.detail)
            return


def _order(event_id: str) -> tuple[int, int]:
    milliseconds, number = event_id.split("-")
    return int(milliseconds), int(number)
