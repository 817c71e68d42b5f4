"""Which work waits for which."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from latentaug.runtime.settings import Settings
from service.api.context import Context


def test_data_sets_that_take_minutes_to_read_hold_up_no_request() -> None:
    others: dict[str, Any] = dict.fromkeys(
        (
            "store",
            "descriptions",
            "loaded",
            "model_servers",
            "joiner",
            "jobs",
            "keys",
            "quotas",
            "holding",
            "metrics",
            "siblings",
        )
    )
    context = Context(settings=Settings(), **others)
    read = threading.Event()

    async def run() -> None:
        uploads = [asyncio.create_task(context.on_upload(lambda: read.wait(10))) for _ in range(20)]
        await asyncio.sleep(0.1)
        assert await asyncio.wait_for(context.on_pixels(lambda: 42), 5) == 42
        assert await asyncio.wait_for(context.on_jobs(lambda: 42), 5) == 42
        read.set()
        await asyncio.gather(*uploads)

    asyncio.run(run())
