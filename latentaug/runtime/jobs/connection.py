"""The way to Redis or Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from latentaug.errors import Away, Unavailable
from latentaug.runtime.settings import Settings

_GONE = (RedisConnectionError, RedisTimeoutError, ReadOnlyError, OutOfMemoryError)


def connect(settings: Settings, *, socket_timeout: float | None = 5.0) -> Redis:
    """Connect to `settings.redis_url`: `redis://`, `rediss://` or `unix://`.

    Args:
        settings: the settings, which name the URL.
        socket_timeout: seconds to wait for an answer; None for RQ's blocking reads, whose worker sets its own.

    Raises:
        Unavailable: no URL is set.
        Away: nothing answers there.
    """
    if settings.redis_url is None:
        raise Unavailable("LATENTAUG_REDIS_URL is not set: set it, or start everything with `python -m service.stack`")
    redis = Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_connect_timeout=2,
        socket_timeout=socket_timeout,
        retry=Retry(NoBackoff(), 1),  # a connection may have gone stale; a caller waits for no more than that
    )
    with answering():
        redis.ping()
    return redis


@contextmanager
def answering() -> Iterator[None]:
    """Raise `Away` where Redis does not answer what is asked within."""
    try:
        yield
    except _GONE as error:
        raise Away("Redis does not answer; try again in a few seconds", retry_after=5) from error
    except ResponseError as error:
        if not str(error).startswith("MISCONF"):
            raise
        raise Away("Redis cannot write to its disk; make room there and try again", retry_after=5) from error
