"""A real OpenAI-shaped HTTP server in this process, whose words come from a local hub's model under
the asked schema.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hub.decoding import FreeGuide, GrammarGuide, Guide
from hub.generating import Row, generate
from hub.grammar import dumps
from hub.local import LocalHub
from tests.contract.hub_fixtures import Recorder


class HubServer(ThreadingHTTPServer):
    """Serves one local hub. `troubles`: statuses (and headers) to answer with before it works."""

    daemon_threads = True

    def __init__(self, hub: LocalHub) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub = hub
        self.troubles: list[tuple[int, dict[str, str]]] = []
        self.seen: list[dict[str, Any]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address, up to and with `/v1`."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def write(self, body: dict[str, Any]) -> Iterator[str]:
        """Decodes an answer and gives it in pieces."""
        model, reading = self.hub._model, self.hub._known
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        guide: Guide
        if schema:
            guide = GrammarGuide(
                reading.guided,
                f"start: %json {dumps({'x-guidance': {'whitespace_flexible': False}, **schema})}\n",
            )
        else:
            guide = FreeGuide(reading.guided, reading.ends, 24, reading.tokenizer.all_special_ids)
        words = " ".join(str(message["content"])[-200:] for message in body["messages"])
        ids = reading.tokenizer(words, return_tensors="pt")
        inputs = {"input_ids": ids["input_ids"], "attention_mask": ids["attention_mask"]}
        with self.lock:
            row = Row(guide=guide, limit=body["max_tokens"])
            generate(model, inputs, [row], Recorder(Path()), pad=reading.pad)
        for start in range(0, len(guide.text), 7):
            yield guide.text[start : start + 7]


class _Handler(BaseHTTPRequestHandler):
    server: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The list of models."""
        self._json(200, {"data": [{"id": "tiny"}]}, {})

    def do_POST(self) -> None:
        """A chat completion, streamed."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append(body)
        if self.server.troubles:
            status, headers = self.server.troubles.pop(0)
            self._json(status, {"error": {"message": "not now"}}, headers)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        count = 0
        for count, piece in enumerate(self.server.write(body), 1):  # noqa: B007
            self._event({"choices": [{"delta": {"content": piece}}]})
        self._event({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": count}})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())

    def _json(self, status: int, data: dict[str, Any], headers: dict[str, str]) -> None:
        payload = json.dumps(data).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(payload)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)


@contextmanager
def serving(hub: LocalHub) -> Iterator[HubServer]:
    """The server, up while the block runs."""
    server = HubServer(hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
