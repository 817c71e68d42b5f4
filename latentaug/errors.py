"""Everything that can go wrong, as one tree.

    LatentaugError
    ├── MalformedInput          400  bytes that are not what they claim to be
    ├── Unauthenticated         401  no key, or a key that is not known
    ├── Forbidden               403  a known key without the scope
    │   └── ForeignSite         403  a page of another site, where there are no keys
    ├── NotFound                404  no such model, data set or job
    ├── NotAcceptable           406  an answer form that this endpoint cannot give
    ├── Stalled                 408  a body that stopped coming
    ├── Conflict                409  the name is taken, or the state does not allow it
    │   ├── Damaged             409  what is stored is not what was written
    │   └── Newer               409  what is stored was written by a newer service
    ├── TooLarge                413  over a limit on bytes, images or pixels
    │   └── HeadTooLarge        431  more headers than a request may have
    ├── UnsupportedMediaType    415  a request form that this endpoint cannot read
    ├── Misdirected             421  a request for another host
    ├── InvalidInput            422  well formed but wrong
    │   └── TooFewImages        422  a class or data set too small for what was asked
    ├── TooManyRequests         429  over the caller's rate or a queue's bound
    ├── Unavailable             503  not ready, or draining
    │   └── Away                503  Redis or the store does not answer; whoever can waits for it
    ├── DeadlineExceeded        504  no answer within the caller's time
    └── NotStored               507  no room left, or no right to write

    Cancelled                   (BaseException: no `except Exception` may swallow it)

Each class carries the HTTP status and a stable `code`; the API turns any of them into one `application/problem+json`
answer. Every message says what to do next.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Listed = Literal["models", "datasets", "jobs"]
"""What callers can list, by the word that the API, the client and the command line have for the list."""
_NAMED: dict[Listed, str] = {"models": "model is named", "datasets": "data set is named", "jobs": "job has the id"}
MOST_SHOWN = 80
"""Characters of a name, at most, that an error shows."""


class LatentaugError(Exception):
    """The root of the tree.

    Args:
        detail: what is wrong and what to do next, for a person.
        fields: pairs of (location, message) where single fields are at fault, e.g. `[("k", "must be at least 1")]`.
        retry_after: seconds until it is worth trying again, or None.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"

    def __init__(
        self, detail: str, *, fields: list[tuple[str, str]] | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields or []
        self.retry_after = retry_after


class MalformedInput(LatentaugError):
    """Bytes that are not what they claim to be: a broken PNG, a pickled npy, a zip that escapes its folder."""

    status, code, title = 400, "malformed_input", "Malformed input"


class Unauthenticated(LatentaugError):
    """No key, or a key that is not known."""

    status, code, title = 401, "unauthenticated", "Key missing or unknown"


class Forbidden(LatentaugError):
    """A known key that lacks the scope."""

    status, code, title = 403, "forbidden", "Key lacks the scope"


class ForeignSite(Forbidden):
    """A page of another site wants something done by a service that has no keys."""

    code, title = "foreign_site", "A page of another site asks"


class NotFound(LatentaugError):
    """No such model, data set, job or file.

    Attributes:
        missing: what is listed under `Listed`, and the name that none of it has; None where something else is missing.
    """

    status, code, title = 404, "not_found", "Not found"
    missing: tuple[Listed, str] | None = None

    @classmethod
    def named(cls, listed: Listed, name: str) -> NotFound:
        """There is none of this name. Where all are listed is for each caller's own words."""
        error = cls(f"no {_NAMED[listed]} {name[:MOST_SHOWN]!r}")
        error.missing = listed, name[:MOST_SHOWN]
        return error


class NotAcceptable(LatentaugError):
    """The `Accept` header names no form that this endpoint can answer in."""

    status, code, title = 406, "not_acceptable", "Answer form not available"


class Stalled(LatentaugError):
    """The request's body stopped coming, or comes too slowly."""

    status, code, title = 408, "stalled", "The request stopped coming"


class Conflict(LatentaugError):
    """The name is taken, or the present state does not allow it."""

    status, code, title = 409, "conflict", "Conflict"


class Damaged(Conflict):
    """What is stored is not what was written, or a part of it is missing."""

    code, title = "damaged", "Damaged"


class Newer(Conflict):
    """What is stored was written by a newer service, in a format that this one does not read."""

    code, title = "newer_format", "Written by a newer service"


class TooLarge(LatentaugError):
    """Over a limit on bytes, images or pixels."""

    status, code, title = 413, "too_large", "Too large"


class HeadTooLarge(TooLarge):
    """More or longer headers than a request may have, or too long a first line."""

    status, code, title = 431, "head_too_large", "Headers too large"


class UnsupportedMediaType(LatentaugError):
    """The `Content-Type` names no form that this endpoint can read."""

    status, code, title = 415, "unsupported_media_type", "Request form not supported"


class Misdirected(LatentaugError):
    """A request for a host that this service is not, as one from a page whose site took on this machine's address."""

    status, code, title = 421, "misdirected", "Another host was asked for"


class InvalidInput(LatentaugError):
    """Well formed but wrong: a size the model does not take, NaN latents, k = 0."""

    status, code, title = 422, "invalid_input", "Invalid input"


class TooFewImages(InvalidInput):
    """A class or data set is too small for what was asked; the message names the largest usable value."""

    code, title = "too_few_images", "Too few images"


class TooManyRequests(LatentaugError):
    """Over the caller's rate, or a queue is full."""

    status, code, title = 429, "too_many_requests", "Too many requests"


class Unavailable(LatentaugError):
    """A part of the service is not ready, is draining or is gone."""

    status, code, title = 503, "unavailable", "Not available now"


class Away(Unavailable):
    """Redis or the store does not answer now, and will again: a job waits for it and goes on."""


class DeadlineExceeded(LatentaugError):
    """No answer within the caller's time."""

    status, code, title = 504, "deadline_exceeded", "Deadline exceeded"


class NotStored(LatentaugError):
    """No room is left where the service keeps its files, or it may not write there. Nothing was kept."""

    status, code, title = 507, "not_stored", "Cannot be kept"


class Cancelled(BaseException):
    """The job was cancelled. Derives from BaseException so that no `except Exception` swallows it."""


BY_CODE: dict[str, type[LatentaugError]] = {
    kind.code: kind
    for kind in list(vars().values())
    if isinstance(kind, type) and issubclass(kind, LatentaugError) and "code" in vars(kind)
}
"""The class of each code, for errors that come from another process."""
