"""The client against a real HTTP server that misbehaves on purpose."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from medley.cli.outcome import save_outputs
from medley.client import Client, Refused
from medley.errors import Unavailable

_EVENTS = ["job.queued", "plan.ready", "step.started", "step.completed", "job.succeeded"]


class _Service(BaseHTTPRequestHandler):
    """Breaks each event stream after two events; knows one job, one asset and one refusal."""

    resumed_after: list[str | None]

    def do_GET(self) -> None:
        if self.path.endswith("/events"):
            self._stream()
        elif self.path.endswith("/content"):
            self._answer(200, b"picture", "image/png")
        else:
            self._answer(200, json.dumps({"id": "job_1", "status": "running"}).encode())

    def do_POST(self) -> None:
        fault = {"pointer": "/steps/0/tool", "reason": "no such tool", "suggestion": "resize"}
        problem = {"detail": "The plan cannot run.", "code": "invalid_plan", "errors": [fault]}
        self._answer(422, json.dumps(problem).encode(), "application/problem+json")

    def _stream(self) -> None:
        after = self.headers.get("Last-Event-ID")
        self.resumed_after.append(after)
        start = int(after or 0)
        lines = [
            f"event: {kind}\nid: {seq}\ndata: {json.dumps({'type': kind, 'seq': seq})}\n\n"
            for seq, kind in enumerate(_EVENTS, 1)
            if start < seq <= start + 2
        ]
        self._answer(200, "".join(lines).encode(), "text/event-stream")

    def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def client() -> Iterator[Client]:
    _Service.resumed_after = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Client(f"http://127.0.0.1:{server.server_port}") as client:
        yield client
    server.shutdown()
    server.server_close()


def test_a_broken_event_stream_is_taken_up_where_it_broke(client: Client) -> None:
    seen = [event.type for event in client.follow("job_1")]

    assert seen == _EVENTS
    assert _Service.resumed_after == [None, "2", "4"]


def test_a_refusal_names_each_fault_and_what_would_work(client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.submit("draw")

    assert "/steps/0/tool: no such tool (resize)" in str(refused.value)
    assert refused.value.http_status == 422


def test_outputs_are_written_under_names_that_cannot_leave_the_folder(
    client: Client, tmp_path: Path
) -> None:
    output = {"asset": "asset_1", "name": "../../s3.image", "content_type": "image/png"}
    job = {"outputs": [output, output, {"type": "text", "text": "hello"}]}

    first = save_outputs(client, job, tmp_path / "out")
    second = save_outputs(client, job, tmp_path / "out")

    names = [path.name for path in (*first.values(), *second.values())]
    assert names == ["s3.image.png", "s3.image-2.png"]
    assert (tmp_path / "out" / "s3.image.png").read_bytes() == b"picture"


def test_no_service_is_said_plainly() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(Unavailable, match="no answer"):
        client.job("job_1")
