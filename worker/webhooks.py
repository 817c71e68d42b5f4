"""Tells the receivers that jobs name of the end of their jobs, again and again until they accept, or for some hours."""

from __future__ import annotations

import logging
import threading
import time
from urllib.parse import urlsplit

from latentaug import addresses
from latentaug.errors import Damaged, LatentaugError, Newer, NotFound
from latentaug.runtime import signatures
from latentaug.runtime.jobs import Attempts, JobRecord, connect
from latentaug.runtime.jobs.outbox import Outbox
from latentaug.runtime.settings import Settings
from latentaug.storage.objects import ArtefactStore
from worker.posting import SECONDS, Undelivered, post

AT_ONCE = 4
"""Webhooks that one worker sends at the same time, so that a slow receiver does not hold up all others."""
LOOK_EVERY = 1.0
"""Seconds between two looks for what is due."""
LEASE = SECONDS + 15
"""Seconds for which one who sends a webhook holds it."""
PAUSES = (5.0, 30.0, 120.0, 600.0, 3600.0, 4 * 3600.0)
"""Seconds to wait after each try but the last."""

_log = logging.getLogger(__name__)


def start_senders(stop: threading.Event, settings: Settings) -> None:
    """Send webhooks in threads of their own until `stop` is set; none where no secret is set to sign them with."""
    if settings.webhook_secret is None:
        return
    for number in range(AT_ONCE):
        name = f"webhooks-{number}"
        threading.Thread(target=_send_until, args=(stop, settings), name=name, daemon=True).start()


def _send_until(stop: threading.Event, settings: Settings) -> None:
    pause = 0.0
    while not stop.wait(pause):
        try:
            redis = connect(settings)
            with redis:
                attempts = Attempts(redis, ArtefactStore(settings.resolved_store_url), settings)
                while not stop.wait(LOOK_EVERY):
                    send_due(Outbox(redis), attempts, settings)
        except LatentaugError as error:
            _log.warning("cannot send webhooks: %s", error)
        except Exception:  # noqa: BLE001 (one webhook must not end all others)
            _log.exception("a webhook could not be sent")
        pause = settings.lease_seconds


def send_due(outbox: Outbox, attempts: Attempts, settings: Settings) -> None:
    """Send what is due, one after the other.

    Raises:
        Unavailable: Redis does not answer.
    """
    while (taken := outbox.take(LEASE)) is not None:
        job_id, number = taken
        try:
            record = attempts.get(job_id)
        except (NotFound, Damaged):  # deleted, so that there is nothing to tell of any more
            outbox.drop(job_id)
            continue
        except Newer as error:  # a newer worker sends it once it is due again
            _log.warning("%s", error)
            continue
        _send(record, number, outbox, attempts, settings)


def _send(record: JobRecord, number: int, outbox: Outbox, attempts: Attempts, settings: Settings) -> None:
    """Send one webhook, and write down what has become of it."""
    url = str(record.params["webhook"])
    body = record.model_dump_json().encode()
    secret = "" if settings.webhook_secret is None else settings.webhook_secret.get_secret_value()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "latentaug",
        **signatures.sign(secret, record.id, int(time.time()), body),
    }
    try:
        post(url, headers, body, addresses.networks(settings.webhook_networks or ""))
    except Undelivered as error:
        told = "the webhook of job %s to %s was not delivered: %s; %s"
        if error.final or number > len(PAUSES):
            outbox.drop(record.id)
            attempts.count(record.kind, webhooks_lost=1)
            _log.warning(told, record.id, receiver(url), error, "giving up")
        else:
            pause = PAUSES[number - 1]
            outbox.try_again(record.id, pause)
            _log.warning(told, record.id, receiver(url), error, f"trying again in {pause:g} seconds")
        return
    outbox.drop(record.id)
    attempts.count(record.kind, webhooks_sent=1)
    _log.info("told %s of the end of job %s", receiver(url), record.id)


def receiver(url: str) -> str:
    """The part of a URL that may stand in a log: its path and query may hold secrets of its owner."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
