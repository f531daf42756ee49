"""Calls as values, and what their answers mean. Nothing here opens a connection.

A method of the client is a generator: it yields calls, is sent their answers, and returns what the
caller gets. So each method is written once, for threads and for event loops.
"""

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from medley.client.errors import Broken, Refused, TooMany, refusal
from medley.errors import Unavailable

Result = TypeVar("Result")
Source = Path | bytes | BinaryIO
USUAL_S, TRANSFER_S, CONNECT_S = 60.0, 600.0, 5.0
MAX_PAUSE_S = 120.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_UNREACHED = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file of a form."""

    field: str
    name: str
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `safe`: doing it twice is the same as doing it once."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    files: Sequence[Upload] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    safe: bool = False
    patience_s: float = USUAL_S
    attempts: int = 4
    into: Callable[[str], Path] | None = None  # where the answer goes, by its media type

    @contextmanager
    def arguments(self) -> Iterator[dict[str, Any]]:
        """What `httpx2` is given; files are open inside of the block, and read from their start."""
        params = {name: item for name, item in self.params.items() if item is not None}
        given: dict[str, Any] = {
            "params": params or None,  # none at all would take away the query that a path may have
            "headers": dict(self.headers),
            "timeout": httpx2.Timeout(self.patience_s, connect=CONNECT_S),
        }
        with ExitStack() as opened:
            if self.files:
                form: list[tuple[str, Any]] = []
                if self.body is not None:
                    form.append(("request", (None, json.dumps(self.body))))
                for item in self.files:
                    form.append((item.field, (item.name, opened.enter_context(_open(item.source)))))
                given["files"] = form
            elif self.body is not None:
                given["json"] = self.body
            yield given


Flow = Generator[Call, httpx2.Response, Result]


class Driven(Generic[Result]):
    """A flow on its way: its next `call`, and its `result` when there is none any more."""

    result: Result

    def __init__(self, flow: Flow[Result]) -> None:
        self._flow = flow
        self._step(lambda: next(flow))

    def answered(self, response: httpx2.Response) -> None:
        """The call had this answer."""
        self._step(lambda: self._flow.send(response))

    def failed(self, error: Exception) -> None:
        """The call failed. Raises the error, unless the flow knows better."""
        self._step(lambda: self._flow.throw(error))

    def _step(self, go: Callable[[], Call]) -> None:
        self.call: Call | None = None
        try:
            self.call = go()
        except StopIteration as end:
            self.result = end.value


class Part:
    """A download on its way into a file: there under its name only when it is whole."""

    def __init__(self, choose: Callable[[str], Path], response: httpx2.Response) -> None:
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        self._target = choose(media_type)
        self._path = self._target.with_name(self._target.name + ".part")

    def __enter__(self) -> BinaryIO:
        self._file = self._path.open("wb")
        return self._file

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._file.close()
        if kind is None:
            self._path.replace(self._target)
        self._path.unlink(missing_ok=True)


@contextmanager
def _open(source: Source) -> Iterator[BinaryIO]:
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    elif isinstance(source, bytes):
        yield BytesIO(source)
    else:
        if source.seekable():
            source.seek(0)
        yield source


def judge(response: httpx2.Response) -> None:
    """Raises the refusal that an answer is, once its body is read."""
    if response.status_code < 400:
        return
    try:
        problem = response.json()
    except ValueError:
        problem = {"detail": response.text[:500]}
    after = response.headers.get("retry-after", "")
    seconds = min(float(after), MAX_PAUSE_S) if after.isascii() and after.isdigit() else None
    raise refusal(response.status_code, problem if isinstance(problem, dict) else {}, seconds)


def away(url: str, error: httpx2.TransportError) -> Unavailable:
    """No answer came; `__cause__` is set by raising it from the error."""
    return Unavailable(f"no answer from {url}: {error or type(error).__name__}")


def again(call: Call) -> dict[str, Any]:
    """How tenacity repeats this call: never what might then be done twice."""

    def repeatable(error: BaseException) -> bool:
        if isinstance(error, TooMany):  # it was refused before anything was done
            return True
        if isinstance(error, Broken):
            return call.safe and error.http_status in (502, 503, 504)
        return isinstance(error, Unavailable) and (
            call.safe or isinstance(error.__cause__, _UNREACHED)
        )

    return {
        "retry": retry_if_exception(repeatable),
        "stop": stop_after_attempt(call.attempts if _rereadable(call) else 1),
        "wait": _pause,
        "reraise": True,
    }


def _rereadable(call: Call) -> bool:
    """Whether its files can be sent once more: a pipe cannot."""
    sources = [item.source for item in call.files]
    return all(isinstance(item, Path | bytes) or item.seekable() for item in sources)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Refused) and error.retry_after is not None:
        return error.retry_after
    return float(wait_random_exponential(multiplier=0.2, max=5)(state))


def connection(url: str, api_key: str | None) -> dict[str, Any]:
    """What a client of `httpx2` is made with."""
    return {
        "base_url": url,
        "headers": {"Authorization": f"Bearer {api_key}"} if api_key else {},
        "trust_env": urlsplit(url).hostname not in _LOOPBACK,  # no proxy on the way to ourselves
    }
