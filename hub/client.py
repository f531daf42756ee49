"""A client of the OpenAI chat protocol: streamed, so that a stop is heard at each token; patient,
but not for ever.

Busy or broken servers are asked again, after as long as their `Retry-After` says; a refusal of the
request is not.
"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from hub.streaming import reply_text
from medley.backend import Control
from medley.errors import BackendError, Unavailable

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
LONGEST_WAIT = 60.0  #: seconds; a server that wants more is taken as unavailable


@dataclass(frozen=True, slots=True)
class Said:
    """What the server answered, and what it counted."""

    text: str
    usage: dict[str, float]


@dataclass(slots=True, kw_only=True)
class ChatServer:
    """One server and one model of it."""

    url: str
    model: str = ""
    key: str = ""
    timeout: float = 120.0
    retries: int = 3
    max_tokens: int = 4096
    _client: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise Unavailable(f"The hub's address {self.url!r} is no http(s) URL.")
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        limits = httpx2.Timeout(self.timeout, connect=min(10.0, self.timeout))
        self._client = httpx2.Client(base_url=self.url.rstrip("/"), headers=headers, timeout=limits)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def find_model(self) -> None:
        """Takes the server's first model where none was named. Raises `Unavailable`."""
        if self.model:
            return
        try:
            answer = self._client.get("/models")
            answer.raise_for_status()
            self.model = str(answer.json()["data"][0]["id"])
        except (httpx2.HTTPError, ValueError, KeyError, IndexError, TypeError) as error:
            raise Unavailable(
                f"The hub at {self.url} does not say which models it has: {error}"
            ) from error

    def ask(
        self,
        messages: list[Any],
        control: Control,
        *,
        name: str = "",
        schema: Mapping[str, Any] | None = None,
        heard: Callable[[str], None] | None = None,
        max_tokens: int | None = None,
    ) -> Said:
        """One answer of at most `max_tokens`, or of what the server may write. `heard` gets its
        words as they come. Raises `Unavailable`, `BackendError`, `StepStopped`.
        """
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            "max_tokens": min(self.max_tokens, max_tokens or self.max_tokens),
            "temperature": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": name, "strict": True, "schema": schema},
            }
        for attempt in range(self.retries + 1):
            wait = _backoff(attempt)
            try:
                with self._client.stream("POST", "/chat/completions", json=body) as answer:
                    if answer.status_code < 400:
                        return self._listen(answer, control, heard, schema is not None)
                    answer.read()
                    trouble = f"{answer.status_code} {_reason(answer.text)}"
                    if answer.status_code not in AGAIN:
                        raise _refused(answer.status_code, trouble)
                    wait = max(wait, _retry_after(answer.headers.get("retry-after", "")))
            except httpx2.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            if attempt == self.retries or wait > LONGEST_WAIT:
                raise Unavailable(f"The hub at {self.url} does not answer: {trouble}")
            _pause(wait, control)
        raise Unavailable(f"The hub at {self.url} does not answer.")

    def _listen(
        self,
        answer: httpx2.Response,
        control: Control,
        heard: Callable[[str], None] | None,
        is_json: bool,
    ) -> Said:
        text, sent = "", 0
        usage: dict[str, float] = {}
        for count, event in enumerate(_events(answer)):
            control.tick(count, self.max_tokens)
            if event.get("error"):
                raise BackendError(f"The hub broke off: {_reason(json.dumps(event))}")
            counted = event.get("usage") or {}
            usage |= {
                ours: float(counted[theirs])
                for ours, theirs in _COUNTS.items()
                if isinstance(counted.get(theirs), int)
            }
            for choice in event.get("choices") or ():
                text += (choice.get("delta") or {}).get("content") or ""
            visible = reply_text(text) if is_json else text
            if heard is not None and len(visible) > sent:
                heard(visible[sent:])
                sent = len(visible)
        return Said(text, usage)


_COUNTS = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


def _events(answer: httpx2.Response) -> Iterator[dict[str, Any]]:
    if "event-stream" not in answer.headers.get("content-type", ""):
        answer.read()
        whole = answer.json()
        for choice in whole.get("choices") or ():
            choice["delta"] = choice.get("message")
        yield whole
        return
    for line in answer.iter_lines():
        if line.startswith("data:"):
            data = line[5:].strip()
            if data == "[DONE]":
                return
            try:
                event = json.loads(data)
            except ValueError as error:
                raise BackendError(f"The hub sent broken JSON: {error}") from error
            if isinstance(event, dict):
                yield event


def _refused(status: int, trouble: str) -> Unavailable | BackendError:
    if status in (401, 403, 404):
        return Unavailable(f"The hub refuses: {trouble}")
    return BackendError(f"The hub refuses the request: {trouble}")


def _reason(body: str) -> str:
    try:
        error = json.loads(body).get("error")
        return str(error.get("message") if isinstance(error, dict) else error or body)[:300]
    except (ValueError, AttributeError):
        return body[:300]


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


def _pause(seconds: float, control: Control) -> None:
    """Waits, and hears a stop meanwhile."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        control.tick(0, 1, message="waiting for the hub")
        time.sleep(min(0.2, left))
