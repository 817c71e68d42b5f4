"""What can go wrong, as one tree.

LatentaugError
├── Problem         the service said no, and why
│   ├── Invalid     400, 413, 415, 422: the request itself is wrong
│   ├── Denied      401, 403: the key is missing, unknown or lacks the scope
│   ├── NotFound    404
│   ├── Conflict    409: the name is taken, or the state does not allow it
│   ├── Busy        429, 503: come back in `retry_after` seconds; the client has already tried
│   └── TooLate     504: no answer within the time
├── Unreachable     no answer at all
└── JobFailed       the job ended in another way than by success
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx


class LatentaugError(Exception):
    """The root of the tree."""


class Problem(LatentaugError):
    """An answer that says what is wrong and what to do next.

    Attributes:
        status: of HTTP.
        code: stable, for programs; such as `invalid_input`.
        detail: in words.
        errors: pairs of (field, message) where single fields are at fault.
        retry_after: seconds until it is worth trying again, or None.
    """

    def __init__(
        self, status: int, code: str, detail: str, errors: list[tuple[str, str]], retry_after: float | None
    ) -> None:
        super().__init__(f"{detail} ({status} {code})")
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after


class Invalid(Problem):
    """The request itself is wrong."""


class Denied(Problem):
    """The key is missing, unknown or lacks the scope."""


class NotFound(Problem):
    """No such model, data set or job."""


class Conflict(Problem):
    """The name is taken, or the present state does not allow it."""


class Busy(Problem):
    """Too much at once, or not ready; still so after all attempts."""


class TooLate(Problem):
    """No answer within the time allowed."""


class Unreachable(LatentaugError):
    """No answer at all: nothing listens there, or the connection broke."""


class JobFailed(LatentaugError):
    """A job that was waited for failed or was cancelled.

    Attributes:
        record: the job's record.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        error = record.get("error") or {}
        why = f": {error.get('detail')} ({error.get('code')})" if error else ""
        super().__init__(f"the {record['kind']} job {record['id']} {record['status']}{why}")
        self.record = record


_KINDS: dict[int, type[Problem]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: Busy,
    503: Busy,
    504: TooLate,
}


def problem(response: httpx.Response) -> Problem:
    """The error that an answer with an error status stands for."""
    try:
        said = response.json()
        code, detail = str(said["code"]), str(said["detail"])
        errors = [(str(entry["loc"]), str(entry["msg"])) for entry in said.get("errors", [])]
    except (ValueError, KeyError, TypeError):  # a proxy's words, not the service's
        code, detail, errors = "unknown", response.text[:200] or response.reason_phrase, []
    kind = _KINDS.get(response.status_code, Problem)
    return kind(response.status_code, code, detail, errors, retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    """Seconds of the header `Retry-After`, or None."""
    try:
        return max(0.0, float(response.headers["Retry-After"]))
    except (KeyError, ValueError):
        return None
