"""The logs of every process: lines of text or of JSON, each with the ids of the request and the job it belongs to."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from contextvars import ContextVar
from datetime import UTC, datetime

from latentaug.runtime.settings import Settings

TALKATIVE = ("sklearnex",)
"""Libraries that tell of each fit and each prediction, thousands of lines a job: only their warnings are logged."""
_PILLOW = r"PIL\."
"""Modules whose warnings hold numbers of a caller's file: each new one is a line, and Python remembers all of them."""

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)


def fields(record: logging.LogRecord) -> dict[str, object]:
    """Return what a line says besides its message: the ids, and the fields in the call's `extra={"fields": {...}}`."""
    ids = {"request_id": request_id.get(), "job_id": job_id.get()}
    return {name: value for name, value in ids.items() if value is not None} | getattr(record, "fields", {})


class JsonLines(logging.Formatter):
    """One JSON object per record."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextLines(logging.Formatter):
    """Lines for people: the message, followed by the fields."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (the base class's name)
        """Return the record's line, before any traceback."""
        said = "".join(f" {name}={value}" for name, value in fields(record).items())
        return super().formatMessage(record) + said


def configure(settings: Settings) -> None:
    """Send this process's logs to standard error, in the settings' format and from the settings' level on."""
    # No line shows these, but they would be looked up for every line (the logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    level = settings.log_level.upper()
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)  # here too, because some libraries, such as RQ, set their own loggers' level
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for library in TALKATIVE:
        logging.getLogger(library).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module=_PILLOW)
