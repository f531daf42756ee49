"""What a server of the OpenAI chat protocol says, put together event by event. It is read with
care: it may be anything.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from hub.streaming import reply_text
from medley.errors import BackendError

MOST_TEXT = 1_000_000  #: characters of one answer
END: Mapping[str, Any] = {"choices": [{"finish_reason": "end"}]}  #: as an event of ours


@dataclass(frozen=True, slots=True)
class Said:
    """What the server answered, and what it counted."""

    text: str
    usage: dict[str, float]
    cut: bool = False  # by the most tokens that it may write


class BrokenOff(Exception):
    """The stream ended before the answer did."""


_COUNTS = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"}


class Reader:
    """Puts one answer together. After a stream that broke off it begins anew, and passes on only
    what goes beyond what was heard already.
    """

    def __init__(self, heard: Callable[[str], None] | None, *, is_json: bool) -> None:
        self._heard = heard
        self._is_json = is_json
        self._sent = 0
        self.begin()

    def begin(self) -> None:
        """Forgets what was read."""
        self._text, self._why = "", ""
        self._choices = False
        self._usage: dict[str, float] = {}

    def read(self, event: Any) -> None:
        """One event. Raises `BackendError` for what is none."""
        if not isinstance(event, dict):
            raise BackendError("The hub sent something that is no answer.")
        if event.get("error"):
            raise BackendError(f"The hub broke off: {reason_of(json.dumps(event))}")
        counted = _object(event.get("usage"))
        self._usage |= {
            ours: float(counted[theirs])
            for ours, theirs in _COUNTS.items()
            if isinstance(counted.get(theirs), int)
        }
        choices = event.get("choices")
        for choice in map(_object, choices if isinstance(choices, list) else []):
            content = _object(choice.get("delta") or choice.get("message")).get("content")
            self._text += content if isinstance(content, str) else ""
            self._why = self._why or str(choice.get("finish_reason") or "")
            self._choices = self._choices or event is not END
        if len(self._text) > MOST_TEXT:
            raise BackendError("The hub does not stop writing.")
        self._pass_on()

    def end(self, limit: int) -> Said:
        """The answer. Raises `BrokenOff` when it has no end, `BackendError` when it is none or was
        cut at `limit` tokens.
        """
        if not self._why:
            raise BrokenOff("the stream ended before the answer did")
        if not self._choices:
            raise BackendError("The hub sent something that is no answer.")
        if self._why == "length" and self._is_json:
            raise BackendError(f"The hub did not come to an end within {limit} tokens.")
        return Said(self._text, self._usage, cut=self._why == "length")

    def _pass_on(self) -> None:
        if self._heard is None:
            return
        visible = reply_text(self._text) if self._is_json else self._text
        if len(visible) > self._sent:
            self._heard(visible[self._sent :])
            self._sent = len(visible)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def reason_of(body: str) -> str:
    """What an error body says, as far as it can be read."""
    try:
        error = json.loads(body).get("error")
        return str(error.get("message") if isinstance(error, dict) else error or body)[:300]
    except (ValueError, AttributeError):
        return body[:300]


async def events_of(answer: httpx2.Response) -> AsyncIterator[Any]:
    """The events of a stream, or a whole answer as the only one; `END` where the server says that
    this is all. Raises `BackendError` for broken JSON.
    """
    if "event-stream" not in answer.headers.get("content-type", ""):
        await answer.aread()
        yield _json(answer.text)
        yield END
        return
    async for line in answer.aiter_lines():
        if line.startswith("data:"):
            data = line[5:].strip()
            if data == "[DONE]":
                yield END
                return
            yield _json(data)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BackendError(f"The hub sent broken JSON: {error}") from error
