"""Runs the service as `make run` does, for as long as a `with` block lasts, and calls its REST API."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.stack.local import local_service


class Service:
    """A running service, as a caller sees it: a URL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "*/*",
        key: str | None = None,
    ) -> bytes:
        """Send one request and return the body of the answer. `key` is sent as the `Idempotency-Key`.

        Raises:
            SystemExit: the answer has an error status; the message is the service's.
        """
        headers = {"Content-Type": content_type, "Accept": accept} | ({"Idempotency-Key": key} if key else {})
        request = urllib.request.Request(  # noqa: S310 (our own http address)
            self.url + path, data=body, method=verb, headers=headers
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{verb} {path} answered {error.code}: {error.read().decode()}") from error

    def find(self, path: str) -> bytes | None:
        """Send a GET request and return the body of the answer; None if the status is 404."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=60) as answer:  # noqa: S310
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
            return None

    def json(self, verb: str, path: str, body: dict[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """Send and receive JSON."""
        content = json.dumps(body).encode() if body else None
        answer: dict[str, Any] = json.loads(self.call(verb, path, content, key=key))
        return answer

    def ready(self) -> bool:
        """Return whether the service is ready for requests."""
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    def job(self, kind: str, params: dict[str, Any], timeout: float = 600.0, key: str | None = None) -> dict[str, Any]:
        """Start a job, print its progress, and return its record when it has succeeded.

        Args:
            kind: train, evaluate or augment.
            params: the job's parameters.
            timeout: most seconds to wait.
            key: an idempotency key; with the key and the parameters of an earlier call, this waits for that call's job.

        Raises:
            SystemExit: the job failed, was cancelled, or has not ended in time.
        """
        record = self.json("POST", f"/v1/jobs/{kind}", params, key)
        print(f"\n{kind} job {record['id']}")
        shown, deadline = "", time.monotonic() + timeout
        while record["status"] in ("queued", "running"):
            if time.monotonic() > deadline:
                raise SystemExit(f"the {kind} job did not end within {timeout:.0f} s")
            time.sleep(0.5)
            record = self.json("GET", f"/v1/jobs/{record['id']}")
            progress = record["progress"]
            line = f"  {record['status']:9} {progress['fraction']:4.0%} {progress['stage']}"
            if line != shown:
                print(line, flush=True)
                shown = line
        if record["status"] != "succeeded":
            raise SystemExit(f"the {kind} job {record['status']}: {record['error']}")
        return record


@contextmanager
def running_service(home: Path, **settings: str) -> Iterator[Service]:
    """Start `python -m service.stack` on a free port, yield it once it is ready, and stop it at the end.

    Args:
        home: folder for what the service writes; its log is the file `service.log` in it.
        settings: further settings, such as `threads="1"` for `LATENTAUG_THREADS`.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
    values = {"log_level": "warning"} | settings
    environment |= {f"LATENTAUG_{name.upper()}": value for name, value in values.items()}
    with local_service(home, environment) as url:
        yield Service(url)
