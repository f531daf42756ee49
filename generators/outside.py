"""Tools from outside: one attached MCP server, called through a process of its own.

What it gives is data. Words are cleaned and cut, pictures and sounds are handed on as files, which
the runner judges like uploads. A link in a result is never followed.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import (
    BackendError,
    BadInput,
    MedleyError,
    NotFound,
    ServerDetached,
    ToolChanged,
    ToolFailed,
    Unavailable,
)
from medley.mcp.asking import call_tool
from medley.mcp.declaration import CALL_S, one_line
from medley.mcp.listing import Offered
from medley.mcp.snapshot import BrokenSnapshot, Snapshot, load
from medley.media.values import Encoded
from medley.parts import MAX_TEXT

_MEDIA = ("image", "audio")


class OutsideTools:
    """The tools of one server; `source` is the file of its snapshot. Option: `timeout_s`."""

    tools: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._path = Path()
        self._known: Snapshot | None = None
        self._seconds = CALL_S

    def load(self, model: ModelSpec, device: str) -> None:
        """Reads the snapshot; connects to nothing. Raises `ServerDetached`, `Unavailable`."""
        self._path = Path(model.source)
        self._known = self._read()
        self._seconds = float(model.options.get("timeout_s", CALL_S))
        self.tools = frozenset(item.declaration.name for item in self._known.tools)

    def unload(self) -> None:
        """Forgets the snapshot."""
        self._known = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order. Raises `StepStopped` within a moment of a stop."""
        results = []
        for place, request in enumerate(batch):
            control.tick(place, len(batch))
            try:
                results.append(Result(outputs=self._call(request, control)))
            except MedleyError as error:
                results.append(Result(error=error))
        return results

    def _call(self, request: Request, control: Control) -> dict[str, Any]:
        snapshot, offered = self._offered(request.tool)

        def tick(done: float, total: float) -> None:
            if not self._path.exists():
                raise _detached(self._path.stem)
            control.tick(done, total, message="calling")

        given = arguments(offered, request)
        return outputs(call_tool(snapshot.server, offered, given, tick=tick, seconds=self._seconds))

    def _offered(self, name: str) -> tuple[Snapshot, Offered]:
        """The tool as its file says it now: detaching a server takes effect at once."""
        if self._known is None:
            raise BackendError("The server is not loaded.")
        now, known = self._read(), self._known.offered(name)
        offered = now.offered(name)
        if known is None or offered is None:
            raise ServerDetached(f"The attached server has no tool {name!r} any more.")
        if offered.declaration != known.declaration:
            raise ToolChanged(f"{name} was attached anew, and is another tool now.")
        return now, offered

    def _read(self) -> Snapshot:
        try:
            return load(self._path)
        except NotFound:
            raise _detached(self._path.stem) from None
        except BrokenSnapshot as error:
            raise Unavailable(error.message) from None


class DetachedTools:
    """The tools of a server that was detached: every step of them ends with that reason."""

    tools: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._server = ""

    def load(self, model: ModelSpec, device: str) -> None:
        """Notes the server's name."""
        self.tools, self._server = model.tools, model.outside

    def unload(self) -> None:
        """There is nothing to let go of."""

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`ServerDetached` for each request."""
        del control
        return [Result(error=_detached(self._server)) for _ in batch]


def _detached(server: str) -> ServerDetached:
    return ServerDetached(f"The server {server!r} is not attached any more.")


def arguments(offered: Offered, request: Request) -> dict[str, Any]:
    """What the server is sent: words, and every parameter that has a value. Raises `BadInput`."""
    text = offered.declaration.text
    sent = {name: value for name, value in request.params.items() if value is not None}
    if text is None:
        return sent
    words = request.inputs.get(text.name)
    if not isinstance(words, str) or not text.shortest <= len(words) <= text.longest:
        raise BadInput(
            f"{offered.declaration.name} takes {text.shortest} to {text.longest} characters."
        )
    return {**sent, text.name: words}


def outputs(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a call gave, by port. Raises `ToolFailed` when the server says that it failed, or gave
    what cannot be read.
    """
    words, files, passed_over = [], {}, 0
    for kind, value in _pieces(result):
        if kind == "text":
            words.append(value)
        elif kind in _MEDIA and kind not in files:
            files[kind] = Encoded(media_type=f"{kind}/*", data=_bytes(value))
        else:
            passed_over += 1
    structured = result.get("structuredContent")
    if not words and structured is not None:
        words.append(json.dumps(structured, ensure_ascii=False))
    text = _cleaned("\n".join(words))
    if result.get("isError"):
        raise ToolFailed(one_line(text, 500) or "The tool says that it failed, and not why.")
    if passed_over:
        text += f"\n({passed_over} more parts of the result are left out.)"
    return {**({"text": text.strip()} if text.strip() else {}), **files}


def _pieces(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Kind and value of each part: words, base64, or `other` for what is passed over."""
    content = result.get("content")
    for item in content if isinstance(content, list) else []:
        kind = item.get("type")
        if kind == "text":
            yield "text", item["text"]
        elif kind in _MEDIA:
            yield kind, item["data"]
        elif kind == "resource" and "text" in item["resource"]:
            yield "text", item["resource"]["text"]
        elif kind == "resource":
            media = str(item["resource"].get("mimeType") or "").partition("/")[0]
            yield (media if media in _MEDIA else "other"), item["resource"]["blob"]
        else:
            yield "other", ""


def _bytes(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ToolFailed(f"The server gave a file that is no base64: {error}") from None


def _cleaned(text: str) -> str:
    """Words without control characters and half characters, cut to what a text part may hold."""
    plain = "".join(sign for sign in text if sign in "\n\t" or not _steers(sign))
    if len(plain) <= MAX_TEXT:
        return plain
    return f"{plain[: MAX_TEXT - 160]}\n(cut here; {len(plain)} characters in all)"


def _steers(sign: str) -> bool:
    code = ord(sign)
    return code < 32 or 127 <= code < 160 or 0xD800 <= code < 0xE000
