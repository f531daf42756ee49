"""A client of the OpenAI chat protocol: streamed, so that a stop is heard at each token; patient,
but not for ever.

Busy or broken servers are asked again, after as long as their `Retry-After` says; a refusal of the
request is not, and a server that falls silent has had its time.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from hub.listening import BrokenOff, Reader, Said, events_of, reason_of
from medley.backend import Control
from medley.errors import BackendError, Unavailable
from medley.tasks import Sampling

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
MODELS_S = 10.0  #: for the list of models; nothing hears a stop meanwhile
LONGEST_WAIT = 60.0  #: seconds; a server that wants more is taken as unavailable


@dataclass(slots=True, kw_only=True)
class ChatServer:
    """One server and one model of it. It belongs to the event loop that first uses it."""

    url: str
    model: str = ""
    key: str = ""
    timeout: float = 120.0
    retries: int = 3
    max_tokens: int = 4096
    _client: httpx2.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise Unavailable(f"The hub's address {self.url!r} is no http(s) URL.")
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limits = httpx2.Timeout(self.timeout, connect=min(10.0, self.timeout))
        self._client = httpx2.AsyncClient(
            base_url=self.url.rstrip("/"), headers=headers, timeout=limits
        )

    @property
    def place(self) -> str:
        """Its address without what opens it."""
        found = urlsplit(self.url)
        return found._replace(netloc=found.netloc.rpartition("@")[2]).geturl()

    async def close(self) -> None:
        """Closes its connections."""
        await self._client.aclose()

    async def find_model(self) -> None:
        """Takes the server's first model where none was named. Raises `Unavailable`."""
        if self.model:
            return
        try:
            answer = await self._client.get("/models", timeout=MODELS_S)
            if answer.status_code >= 400:
                raise ValueError(f"{answer.status_code} {reason_of(answer.text)}")
            self.model = str(answer.json()["data"][0]["id"])
        except (httpx2.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Unavailable(
                f"The hub at {self.place} does not say which models it has: {_named(error)}"
            ) from error

    async def ask(
        self,
        messages: list[Any],
        control: Control,
        *,
        name: str = "",
        schema: Mapping[str, Any] | None = None,
        heard: Callable[[str], None] | None = None,
        max_tokens: int | None = None,
        sampling: Sampling | None = None,
        seed: int | None = None,
        as_written: bool = False,
    ) -> Said:
        """One answer of at most `max_tokens`, or of what the server may write. `heard` gets its
        words as they come; with `as_written` all that is written, and the answer may be cut at its
        limit. Raises `Unavailable`, `BackendError`, `StepStopped`.
        """
        most = min(self.max_tokens, max_tokens or self.max_tokens)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": most,
            "temperature": 0.0 if sampling is None else sampling.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling is not None and sampling.temperature:
            body |= {"top_p": sampling.top_p, "seed": seed}
        if sampling is not None and sampling.stop and as_written:
            body["stop"] = sampling.stop[:4]  # most servers take no more; the rest is cut here
        if schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": name, "strict": True, "schema": schema},
            }
        reader = Reader(heard, is_json=schema is not None and not as_written)
        for attempt in range(self.retries + 1):
            wait = _backoff(attempt)
            try:
                async with self._client.stream("POST", "/chat/completions", json=body) as answer:
                    if answer.status_code < 400:
                        return await self._listen(answer, control, reader, most)
                    await answer.aread()
                    trouble = f"{answer.status_code} {reason_of(answer.text)}"
                    if answer.status_code not in AGAIN:
                        raise _refused(answer.status_code, trouble)
                    wait = max(wait, _retry_after(answer.headers.get("retry-after", "")))
            except httpx2.TimeoutException as error:
                raise Unavailable(
                    f"The hub at {self.place} was silent for too long: {_named(error)}"
                ) from error
            except (httpx2.RequestError, BrokenOff) as error:
                trouble = _named(error)
            if attempt == self.retries or wait > LONGEST_WAIT:
                break
            await _pause(wait, control)
        raise Unavailable(f"The hub at {self.place} does not answer: {trouble}")

    async def _listen(
        self, answer: httpx2.Response, control: Control, reader: Reader, most: int
    ) -> Said:
        reader.begin()
        count = 0
        async for event in events_of(answer):
            control.tick(count, most)
            reader.read(event)
            count += 1
        return reader.end(most)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _refused(status: int, trouble: str) -> Unavailable | BackendError:
    if status in (401, 403, 404):
        return Unavailable(f"The hub refuses: {trouble}")
    return BackendError(f"The hub refuses the request: {trouble}")


def _retry_after(header: str) -> float:
    """Seconds that a `Retry-After` header asks for; 0 when it says nothing that can be read."""
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(header).timestamp()
        return float(max(0.0, at - time.time()))
    except (ValueError, TypeError):
        return 0.0


def _backoff(attempt: int) -> float:
    return min(8.0, 0.5 * 2.0**attempt) * random.uniform(0.8, 1.2)


async def _pause(seconds: float, control: Control) -> None:
    """Waits, and hears a stop meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        control.tick(0, 1, message="waiting for the hub")
        await asyncio.sleep(min(0.2, left))
