"""Uploads: bytes of a request stream to the store while they are hashed, never through memory or a
second file.

A refused or broken-off upload leaves nothing: what was begun is removed on the way out.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import unquote

from fastapi import Request
from python_multipart import multipart
from python_multipart.exceptions import FormParserError
from starlette.concurrency import run_in_threadpool

from api.problems import ApiError
from api.strict_json import MAX_BYTES, check_text
from orchestrator.assets import AssetStore, Received, Upload

MAX_FILES = 16
MAX_FIELDS = 64
MAX_HEADER_BYTES = 16 << 10  # of one part
MAX_NAME = 255
_WRITE_AT = 1 << 20  # bytes gathered before one hop to a thread


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A file of a request: the form field it came in, its name as the sender says, and its bytes,
    not yet judged.
    """

    field: str
    name: str
    received: Received
    link: str | None = None  # where it was fetched, if it was not sent; "" for a data: URL


@dataclass(slots=True)
class Sent:
    """A form: plain fields and files, in order. `lists`: the values of fields named `name[]`."""

    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    files: list[SentFile] = field(default_factory=list)


class _Sink(Protocol):
    async def write(self, data: bytes) -> None: ...

    async def close(self) -> None: ...


class FileSink:
    """Gathers small pieces, so that a large upload costs few hops to a thread."""

    def __init__(self, upload: Upload, done: Callable[[Received], None]) -> None:
        self.upload, self.done = upload, done
        self.pieces: list[bytes] = []
        self.gathered = 0

    async def write(self, data: bytes) -> None:
        """Takes the next bytes. Raises `TooLarge`."""
        self.pieces.append(data)
        self.gathered += len(data)
        if self.gathered >= _WRITE_AT:
            await self.flush()

    async def flush(self) -> None:
        """Writes what was gathered."""
        pieces, self.pieces, self.gathered = self.pieces, [], 0
        if pieces:
            await run_in_threadpool(self.upload.write, b"".join(pieces))

    async def close(self) -> None:
        """Ends the file. Raises `BrokenMedia` when it is empty."""
        await self.flush()
        self.done(await run_in_threadpool(self.upload.finish))


class _FieldSink:
    def __init__(self, name: str, sent: Sent) -> None:
        self.name, self.sent, self.data = name, sent, b""

    async def write(self, data: bytes) -> None:
        self.data += data
        if len(self.data) > MAX_BYTES:
            raise ApiError(
                413, "too_large", f"The field {self.name!r} is larger than {MAX_BYTES} bytes."
            )

    async def close(self) -> None:
        listed = sum(len(values) for values in self.sent.lists.values())
        if len(self.sent.fields) + listed >= MAX_FIELDS:
            raise ApiError(413, "too_large", f"More than {MAX_FIELDS} fields.")
        many = self.name.endswith("[]")
        if self.name in self.sent.fields and not many:
            raise ApiError(400, "bad_form", f"The field {self.name!r} came twice.")
        try:
            text = self.data.decode()
        except UnicodeDecodeError:
            raise ApiError(400, "bad_form", f"The field {self.name!r} is not UTF-8.") from None
        check_text(text)
        if many:
            self.sent.lists.setdefault(self.name[:-2], []).append(text)
        else:
            self.sent.fields[self.name] = text


class _Form:
    """Turns the parser's callbacks into a list of things to do, since callbacks cannot wait."""

    def __init__(self, boundary: bytes) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.ended = False
        self._name = self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = 0
        self.headers_of: list[dict[bytes, bytes]] = []
        self.parser = multipart.MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": lambda: self.heard.append(("part", b"")),
                "on_part_data": lambda data, start, end: self.heard.append(
                    ("data", data[start:end])
                ),
                "on_part_end": lambda: self.heard.append(("close", b"")),
                "on_end": self._end,
            },
        )

    def _begin(self) -> None:
        self._headers, self._header_bytes = {}, 0
        self.headers_of.append(self._headers)

    def _count(self, more: int) -> None:
        self._header_bytes += more
        if self._header_bytes > MAX_HEADER_BYTES:
            raise ApiError(400, "bad_form", "The headers of a part are too long.")

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def _end(self) -> None:
        self.ended = True


async def read_form(request: Request, store: AssetStore, limit: int, left: ExitStack) -> Sent:
    """Reads a multipart body; files go to the store (`limit` bytes each).

    `left` gets a callback for each received file that discards it; call `left.pop_all()` once they
    are taken in. Raises `ApiError` 400, 413; `TooLarge`; `BrokenMedia` for an empty file.
    """
    _, options = multipart.parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= 200:
        raise ApiError(400, "bad_form", "A multipart body needs a boundary in its Content-Type.")
    form, sent, sink = _Form(boundary), Sent(), _Slot()
    with ExitStack() as begun:
        try:
            async for chunk in request.stream():
                form.parser.write(chunk)
                await _work_off(form, sent, sink, store, limit, begun, left)
            form.parser.finalize()
        except FormParserError as error:
            raise ApiError(400, "bad_form", f"The form cannot be read: {error}") from None
        await _work_off(form, sent, sink, store, limit, begun, left)
    if not form.ended:
        raise ApiError(400, "bad_form", "The form ends too early.")
    return sent


class _Slot:
    def __init__(self) -> None:
        self.sink: _Sink | None = None


def media_type_of(request: Request) -> str:
    """What the body says it is, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _work_off(
    form: _Form,
    sent: Sent,
    slot: _Slot,
    store: AssetStore,
    limit: int,
    begun: ExitStack,
    left: ExitStack,
) -> None:
    heard, form.heard = form.heard, []
    for what, data in heard:
        if what == "part":
            slot.sink = _open(form.headers_of.pop(0), sent, store, limit, begun, left)
        elif slot.sink is not None and what == "data":
            await slot.sink.write(data)
        elif slot.sink is not None:
            await slot.sink.close()
            slot.sink = None


def _open(
    headers: dict[bytes, bytes],
    sent: Sent,
    store: AssetStore,
    limit: int,
    begun: ExitStack,
    left: ExitStack,
) -> _Sink:
    kind, options = multipart.parse_options_header(headers.get(b"content-disposition", b""))
    if kind != b"form-data" or b"name" not in options:
        raise ApiError(400, "bad_form", "A part of the form has no name.")
    name = options[b"name"].decode("utf-8", "replace")[:MAX_NAME]
    if b"filename" not in options:
        return _FieldSink(name, sent)
    if len(sent.files) >= MAX_FILES:
        raise ApiError(413, "too_large", f"More than {MAX_FILES} files in one request.")
    file_name = display_name(options[b"filename"].decode("utf-8", "replace"))

    def done(received: Received) -> None:
        left.callback(store.discard, received)
        sent.files.append(SentFile(field=name, name=file_name, received=received))

    return FileSink(begun.enter_context(store.begin(limit)), done)


async def read_raw(request: Request, store: AssetStore, limit: int, left: ExitStack) -> SentFile:
    """Reads a body that is one file. Raises `TooLarge`, `BrokenMedia` for an empty one."""
    files: list[Received] = []
    with store.begin(limit) as upload:
        sink = FileSink(upload, files.append)
        async for chunk in _pieces(request):
            await sink.write(chunk)
        await sink.close()
    left.callback(store.discard, files[0])
    return SentFile(field="", name=_raw_name(request), received=files[0])


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        if chunk:
            yield chunk


def _raw_name(request: Request) -> str:
    given = request.headers.get("x-filename")
    if given is not None:
        return display_name(unquote(given))
    _, options = multipart.parse_options_header(request.headers.get("content-disposition", ""))
    return display_name(options.get(b"filename", b"").decode("utf-8", "replace"))


def display_name(name: str) -> str:
    """A file's name for display only: no folders, no control characters, bounded."""
    base = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(sign if sign.isprintable() else "_" for sign in base)
    return shown.encode("utf-8", "replace").decode()[:MAX_NAME].strip()
