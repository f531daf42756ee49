"""Following the job of a call that streams: what it says while it runs, and how it ended.

A caller who hangs up cancels the job.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT
from starlette.concurrency import run_in_threadpool

from api import stream
from api.openai import calls
from api.state import Service
from orchestrator.jobs import JobView

LOOK_S = 2.0


async def notices(
    request: Request, here: Service, tenant: str, job: str
) -> AsyncIterator[dict[str, Any] | JobView | bytes]:
    """What passes through the job's channel (previews, pieces of text), heartbeats as bytes for the
    stream, and at last the job as it ended.
    """
    ended = False
    beat = time.monotonic()
    try:
        async with here.feed.listen(job) as listener, calls.hung_up(request) as gone:
            while not gone.done():
                view = await run_in_threadpool(calls.load, here, tenant, job)
                wait = 0.0 if view.ended else LOOK_S if here.feed.alive else 0.5
                for _, notice in await listener.hear(wait):
                    yield notice
                if view.ended:
                    ended = True
                    yield view
                    return
                if time.monotonic() - beat > stream.HEARTBEAT_S:
                    beat = time.monotonic()
                    yield KEEPALIVE_COMMENT
    finally:
        if not ended:  # no waiting here: the stream may be on its way down
            asyncio.get_running_loop().run_in_executor(None, calls.cancel, here, tenant, job)
