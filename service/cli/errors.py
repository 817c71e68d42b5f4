"""What went wrong, in words for somebody who types commands and never sees a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from json import JSONDecodeError
from pathlib import Path

from latentaug_client import Busy, Denied, JobFailed, NotFound, Problem, TooLate, Unreachable
from latentaug_client.errors import nothing_named
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from latentaug.errors import LatentaugError

FULL = (ENOSPC, EDQUOT, EFBIG)
"""What the system says where there is no room for a file."""
_QUERY = re.compile(r"\??\b([a-z_]+)=([A-Za-z0-9.]+)")
"""An option as a request spells it: `?size=28x28`, `resize=true`."""
_NUMBERED = re.compile(r"\bimage (\d+)\b")
"""An image as the service names it: `image 3 (not a readable image)`."""


@contextmanager
def naming(files: Sequence[Path]) -> Iterator[None]:
    """Name the file where the service speaks of an image by its number in the request."""
    try:
        yield
    except Problem as error:
        error.detail = _NUMBERED.sub(lambda found: str(files[int(found[1])]), error.detail)
        raise


def words(error: Exception, options: Mapping[str, str]) -> str:
    """Return a sentence for the terminal.

    Args:
        error: what was raised.
        options: how the service's parameters are typed for this command: `{"latent_dim": "--latent-dim"}`.
    """
    match error:
        case JSONDecodeError() | Problem(code="unknown"):
            return "what answers at this address is no latentaug service; correct --url, or see to the proxy before it"
        case NotFound(missing=(str(listed), _) as missing):
            return f"{nothing_named(missing)}; `latentaug {listed}` lists what there is"
        case NotFound(code="not_found") if error.detail.startswith("there is nothing at "):
            return "the service answers, but not at this address; give the one of its page as --url, without /v1"
        case Unreachable():
            return f"{error}; start the service, or correct --url"
        case Denied(status=401):
            return "the service needs a valid API key; give it with --key or in LATENTAUG_KEY"
        case Busy():
            return f"the service cannot do this now: {_typed(error.detail, options)}"
        case TooLate():
            return "the service did not answer in time; try fewer images, or try again later"
        case Problem():
            return _typed(_by_option(error, options) or error.detail, options)
        case ValidationError():
            return _typed("; ".join(fault_words(fault, _option(fault, options)) for fault in error.errors()), options)
        case JobFailed(record={"status": "cancelled", "kind": kind, "id": job}):
            return f"the {kind} job {job} was cancelled"
        case JobFailed() | LatentaugError():
            return _typed(str(error), options)
        case OSError():
            return _of_system(error)
        case _:
            return str(error)


def _of_system(error: OSError) -> str:
    """What the operating system says, and of which file, where it says that."""
    if error.errno in FULL:
        return "the disk is full, and nothing is kept of what was not whole; make room, or write to another disk"
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def _by_option(problem: Problem, options: Mapping[str, str]) -> str | None:
    """The faults of single values, each with its option, if the service's answer says nothing else."""
    listed = "; ".join(f"{name}: {fault}" for name, fault in problem.errors)
    if not listed or not problem.detail.endswith(listed):
        return None
    return "; ".join(f"{options.get(name.partition('.')[0], name)}: {fault}" for name, fault in problem.errors)


def fault_words(fault: ErrorDetails, flag: str | None) -> str:
    """What pydantic found wrong with a value, in a sentence that says what is allowed.

    Args:
        fault: one of those that it found.
        flag: the option as it is typed; None for a fault of several together.
    """
    bound = fault.get("ctx", {})
    match fault["type"]:
        case "greater_than_equal":
            allowed = f"at least {_shown(bound['ge'])}"
        case "greater_than":
            allowed = f"more than {_shown(bound['gt'])}"
        case "less_than_equal":
            allowed = f"at most {_shown(bound['le'])}"
        case "less_than":
            allowed = f"less than {_shown(bound['lt'])}"
        case "finite_number":
            allowed = "a finite number"
        case "literal_error":
            allowed = str(bound["expected"]).replace("'", "")
        case _:  # a rule of our own is a whole sentence
            return (f"{flag}: " if flag else "") + fault["msg"].removeprefix("Value error, ")
    return f"{flag or 'this'} is {allowed}, and not {_shown(fault['input'])}"


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _option(fault: ErrorDetails, options: Mapping[str, str]) -> str | None:
    """The option in which pydantic found a fault; a fault of several together has no place."""
    return options.get(str(fault["loc"][0]), str(fault["loc"][0])) if fault["loc"] else None


def _typed(detail: str, options: Mapping[str, str]) -> str:
    """The detail, with each option as it is typed."""

    def typed(found: re.Match[str]) -> str:
        name, value = found.groups()
        if name not in options:
            return found[0]
        return options[name] if value == "true" else f"{options[name]} {value}"

    return _QUERY.sub(typed, detail)
