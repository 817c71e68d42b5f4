"""Everything that can go wrong, as one tree of exceptions.

LatentaugError
├── Problem         the service refused the request, and says why
│   ├── Invalid     400, 413, 415, 422, 431: the request itself is wrong
│   ├── Denied      401, 403, 421: the API key is missing or unknown, or may not do this; or none is set, and the
│   │               service answers to another name only
│   ├── NotFound    404: there is no such model, data set or job
│   ├── Conflict    409: the name is taken, or the present state does not allow it
│   ├── Busy        429, 503: try again in `retry_after` seconds; the client has already tried several times
│   └── TooLate     504: the answer was not ready in time
├── Unreachable     there was no answer at all
└── JobFailed       a job failed or was cancelled
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class LatentaugError(Exception):
    """Any error of this package."""


class Problem(LatentaugError):
    """The service refused the request; the message says what is wrong and what to do.

    Attributes:
        status: the HTTP status.
        code: a short name for programs that does not change, such as `invalid_input`.
        detail: the service's message.
        errors: pairs of (field, message) for the fields that are wrong.
        retry_after: seconds until it is worth trying again, or None.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: list[tuple[str, str]], retry_after: float | None
    ) -> None:
        super().__init__(status, code, detail, errors, retry_after)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.detail} ({self.status} {self.code})"


class Invalid(Problem):
    """The request itself is wrong."""


class Denied(Problem):
    """The API key is missing or unknown, or may not do this."""


class NotFound(Problem):
    """There is no such model, data set or job.

    Attributes:
        missing: `models`, `datasets` or `jobs`, and the name that none of them has; None where something else is
            missing.
    """

    missing: tuple[str, str] | None = None


class Conflict(Problem):
    """The name is taken, or the present state does not allow it."""


class Busy(Problem):
    """The service has too much to do or is not ready, even after several attempts."""


class TooLate(Problem):
    """The answer was not ready within the time allowed."""


class Unreachable(LatentaugError):
    """There was no answer: nothing listens at the URL, or the connection broke."""


class JobFailed(LatentaugError):
    """A job failed or was cancelled while it was waited for.

    Attributes:
        record: the job's record.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        error = record.get("error") or {}
        why = f": {error.get('detail')} ({error.get('code')})" if error else ""
        super().__init__(f"the {record['kind']} job {record['id']} {record['status']}{why}")
        self.record = record

    def __reduce__(self) -> tuple[type[JobFailed], tuple[Mapping[str, Any]]]:
        return JobFailed, (self.record,)


_NAMED = {"models": "model named", "datasets": "data set named", "jobs": "job with the id"}
_KINDS: dict[int, type[Problem]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    421: Denied,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Busy,
    431: Invalid,
    503: Busy,
    504: TooLate,
}


def problem(response: httpx.Response) -> Problem:
    """The exception for an answer with an error status."""
    try:
        said = response.json()
        if "missing" in said:
            return not_found((str(said["missing"]["list"]), str(said["missing"]["name"])))
        code, detail = str(said["code"]), str(said["detail"])
        errors = [(str(entry["loc"]), str(entry["msg"])) for entry in said.get("errors", [])]
    except (ValueError, KeyError, TypeError):  # the answer is a proxy's, not the service's
        code, detail, errors = "unknown", response.text[:200] or response.reason_phrase, []
    kind = _KINDS.get(response.status_code, Problem)
    return kind(response.status_code, code, detail, errors, retry_after(response))


def not_found(missing: tuple[str, str]) -> NotFound:
    """The exception for a model, a data set or a job that is not there; `missing` is that of `NotFound`."""
    error = NotFound(404, "not_found", f"{nothing_named(missing)}; client.{missing[0]}() lists what there is", [], None)
    error.missing = missing
    return error


def nothing_named(missing: tuple[str, str]) -> str:
    """That there is no model, data set or job of a name."""
    listed, name = missing
    return f"there is no {_NAMED[listed]} {name!r}"


def retry_after(response: httpx.Response) -> float | None:
    """Seconds in the `Retry-After` header, or None."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
