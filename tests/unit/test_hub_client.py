"""The client of remote hubs: patient with busy servers, plain about refusals."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.client import ChatServer
from hub.listening import Said
from medley.errors import BackendError, Unavailable
from tests.contract.hub_fixtures import Recorder

SCRIPT: list[tuple[int, dict[str, str], str]] = []
SEEN: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        SEEN.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status, headers, text = SCRIPT.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


class Asker:
    """A client on an event loop of its own."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.Runner()
        self.server = ChatServer(url=url, model="m", retries=1)

    def ask(self, messages: list[Any], control: Recorder, **more: Any) -> Said:
        """One answer."""
        return self.loop.run(self.server.ask(messages, control, **more))


@pytest.fixture
def server() -> Iterator[Asker]:
    SCRIPT.clear()
    SEEN.clear()
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    asker = Asker(f"http://127.0.0.1:{http.server_address[1]}/v1")
    yield asker
    asker.loop.run(asker.server.close())
    asker.loop.close()
    http.shutdown()
    http.server_close()


def said(text: str) -> tuple[int, dict[str, str], str]:
    """A whole answer without streaming, as some servers give."""
    body = {
        "choices": [{"message": {"content": text}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2},
    }
    return 200, {"Content-Type": "application/json"}, json.dumps(body)


def streamed(*pieces: str) -> tuple[int, dict[str, str], str]:
    """An event stream."""
    events = [json.dumps({"choices": [{"delta": {"content": piece}}]}) for piece in pieces]
    return (
        200,
        {"Content-Type": "text/event-stream"},
        "".join(f"data: {e}\n\n" for e in events) + "data: [DONE]\n\n",
    )


def test_a_busy_server_is_asked_again_after_its_retry_after(server: Asker) -> None:
    control = Recorder(Path())
    SCRIPT.extend([(429, {"Retry-After": "1"}, "{}"), said("hello")])
    assert server.ask([], control).text == "hello"
    assert control.ticks > 3  # it went on listening for a stop while it waited


def test_a_server_that_wants_too_long_a_wait_is_unavailable(server: Asker) -> None:
    SCRIPT.append((503, {"Retry-After": "3600"}, "{}"))
    with pytest.raises(Unavailable):
        server.ask([], Recorder(Path()))


def test_a_server_that_stays_broken_is_unavailable(server: Asker) -> None:
    SCRIPT.extend([(500, {}, "{}"), (500, {}, '{"error":{"message":"on fire"}}')])
    with pytest.raises(Unavailable, match="on fire"):
        server.ask([], Recorder(Path()))


def test_a_refused_request_is_not_sent_again(server: Asker) -> None:
    SCRIPT.append((400, {}, '{"error":{"message":"bad schema"}}'))
    with pytest.raises(BackendError, match="bad schema"):
        server.ask([], Recorder(Path()))


def test_a_wrong_key_is_unavailable_at_once(server: Asker) -> None:
    SCRIPT.append((401, {}, "{}"))
    with pytest.raises(Unavailable):
        server.ask([], Recorder(Path()))


def test_pieces_are_heard_as_they_come(server: Asker) -> None:
    heard: list[str] = []
    SCRIPT.append(streamed("I s", "ee"))
    assert server.ask([], Recorder(Path()), heard=heard.append).text == "I see"
    assert heard == ["I s", "ee"]


def test_the_schema_travels_as_response_format(server: Asker) -> None:
    SCRIPT.append(said("{}"))
    server.ask([], Recorder(Path()), name="plan", schema={"type": "object"})
    assert SEEN[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_what_the_server_counted_is_usage(server: Asker) -> None:
    SCRIPT.append(said("x"))
    assert server.ask([], Recorder(Path())).usage == {"input_tokens": 3.0, "output_tokens": 2.0}


def test_an_address_that_is_no_url_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        ChatServer(url="file:///etc/passwd")
