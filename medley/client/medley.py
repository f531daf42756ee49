"""The two clients. What they can do is in `rooms`; here is only how a request is sent."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Self, TypeVar

import httpx2
from tenacity import AsyncRetrying, Retrying

from medley.client.asset import Asset, AsyncAsset
from medley.client.calls import Call, Driven, Flow, Part, again, away, connection, judge
from medley.client.events import Event, Following
from medley.client.job import AsyncJob, Job
from medley.client.operation import Async, Sync
from medley.client.rooms import Rooms
from medley.errors import MedleyError
from medley.status import TERMINAL_JOB, JobStatus

Result = TypeVar("Result")
_STILL = frozenset({*TERMINAL_JOB, JobStatus.WAITING})


class Medley(Rooms[Job, Asset], Sync):
    """A service, for threads. Its methods raise `Refused` and its kinds, or `Unavailable`."""

    _job, _asset = Job, Asset

    def __init__(
        self,
        url: str = "http://127.0.0.1:8484",
        api_key: str | None = None,
        *,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, api_key)
        self._http = httpx2.Client(**connection(self.url, api_key), transport=transport)

    def events(
        self, job_id: str, after: int | None = None, *, timeout_s: float | None = None
    ) -> Iterator[Event]:
        """A job's events until its end; a broken stream is taken up where it broke.

        Raises `Unavailable` when nobody answers for a minute, `TimeoutError`.
        """
        following = Following(job_id, after, timeout_s)
        while not following.over:
            call = following.call()
            try:
                with (
                    call.arguments() as given,
                    self._http.stream("GET", call.path, **given) as reply,
                ):
                    if reply.status_code >= 400:
                        reply.read()
                    if following.opened(reply):
                        for sent in httpx2.EventSource(reply):
                            event = following.take(sent)
                            if event is not None:
                                yield event
                            if following.over or following.late():
                                break
                if following.over or self.job(job_id).status in _STILL:
                    return
                pause = following.pause()
            except (httpx2.TransportError, MedleyError) as error:
                pause = following.broke(error)
            time.sleep(pause)

    def _perform(self, flow: Flow[Result]) -> Result:
        driven = Driven(flow)
        while driven.call is not None:
            try:
                response = self._send(driven.call)
            except (MedleyError, OSError) as error:
                driven.failed(error)
            else:
                driven.answered(response)
        return driven.result

    def _send(self, call: Call) -> httpx2.Response:
        for attempt in Retrying(**again(call)):
            with attempt:
                return self._once(call)
        raise AssertionError("tenacity raises what was raised last")

    def _once(self, call: Call) -> httpx2.Response:
        try:
            with (
                call.arguments() as given,
                self._http.stream(call.method, call.path, **given) as response,
            ):
                if call.into is None or response.status_code >= 400:
                    response.read()
                    judge(response)
                    return response
                with Part(call.into, response) as part:
                    for chunk in response.iter_bytes():
                        part.write(chunk)
                return response
        except httpx2.TransportError as error:
            raise away(self.url, error) from error

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class AsyncMedley(Rooms[AsyncJob, AsyncAsset], Async):
    """A service, for an event loop: what `Medley` returns is awaited here."""

    _job, _asset = AsyncJob, AsyncAsset

    def __init__(
        self,
        url: str = "http://127.0.0.1:8484",
        api_key: str | None = None,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, api_key)
        self._http = httpx2.AsyncClient(**connection(self.url, api_key), transport=transport)

    async def events(
        self, job_id: str, after: int | None = None, *, timeout_s: float | None = None
    ) -> AsyncIterator[Event]:
        """See `Medley.events`."""
        following = Following(job_id, after, timeout_s)
        while not following.over:
            call = following.call()
            try:
                with call.arguments() as given:
                    async with self._http.stream("GET", call.path, **given) as reply:
                        if reply.status_code >= 400:
                            await reply.aread()
                        if following.opened(reply):
                            async for sent in httpx2.EventSource(reply):
                                event = following.take(sent)
                                if event is not None:
                                    yield event
                                if following.over or following.late():
                                    break
                if following.over or (await self.job(job_id)).status in _STILL:
                    return
                pause = following.pause()
            except (httpx2.TransportError, MedleyError) as error:
                pause = following.broke(error)
            await asyncio.sleep(pause)

    async def _perform(self, flow: Flow[Result]) -> Result:
        driven = Driven(flow)
        while driven.call is not None:
            try:
                response = await self._send(driven.call)
            except (MedleyError, OSError) as error:
                driven.failed(error)
            else:
                driven.answered(response)
        return driven.result

    async def _send(self, call: Call) -> httpx2.Response:
        async for attempt in AsyncRetrying(**again(call)):
            with attempt:
                return await self._once(call)
        raise AssertionError("tenacity raises what was raised last")

    async def _once(self, call: Call) -> httpx2.Response:
        try:
            with call.arguments() as given:
                async with self._http.stream(call.method, call.path, **given) as response:
                    if call.into is None or response.status_code >= 400:
                        await response.aread()
                        judge(response)
                        return response
                    with Part(call.into, response) as part:
                        async for chunk in response.aiter_bytes():
                            part.write(chunk)
                    return response
        except httpx2.TransportError as error:
            raise away(self.url, error) from error

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
