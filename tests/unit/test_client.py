"""The client against a real HTTP server that misbehaves on purpose."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from medley.cli.outcome import save_outputs
from medley.client import AsyncMedley, Broken, Invalid, Medley, Missing, TooMany, Unavailable
from medley.client.files import parts, values
from medley.errors import CallerError

_EVENTS = ["job.queued", "plan.ready", "step.started", "step.completed", "job.succeeded"]


class _Service(BaseHTTPRequestHandler):
    """Breaks each event stream after two events; knows one job, one asset and one refusal."""

    resumed_after: ClassVar[list[str | None]] = []
    keys: ClassVar[list[str | None]] = []
    troubles: ClassVar[list[tuple[int, dict[str, str]]]] = []

    def do_GET(self) -> None:
        if self._in_trouble():
            return
        if self.path.endswith("/events"):
            self._stream()
        elif self.path.endswith("/content"):
            self._answer(200, b"picture", "image/png")
        elif self.path.endswith("/content?recipe=true"):
            self._answer(200, b"picture and recipe", "image/png")
        elif self.path.endswith("nothing"):
            self._answer(404, json.dumps({"detail": "no", "request_id": "req_7"}).encode())
        elif self.path.startswith("/v1/assets?"):
            self._page()
        else:
            self._answer(200, json.dumps({"id": "job_1", "status": "running"}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.keys.append(self.headers.get("Idempotency-Key"))
        if self._in_trouble():
            return
        if b"draw" in body:
            fault = {"pointer": "/steps/0/tool", "reason": "no such tool", "suggestion": "resize"}
            problem = {"detail": "The plan cannot run.", "code": "invalid_plan", "errors": [fault]}
            self._answer(422, json.dumps(problem).encode(), "application/problem+json")
        else:
            self._answer(202, json.dumps({"id": "job_1", "status": "queued"}).encode())

    def _in_trouble(self) -> bool:
        if not self.troubles:
            return False
        status, headers = self.troubles.pop(0)
        if status == 0:
            self.close_connection = True
            self.connection.close()
        else:
            self._answer(status, b"busy", "text/plain", headers)
        return True

    def _page(self) -> None:
        after = "after=a2" in self.path
        rows = [{"id": "a3"}] if after else [{"id": "a1"}, {"id": "a2"}]
        page = {"data": rows, "last_id": rows[-1]["id"], "has_more": not after}
        self._answer(200, json.dumps(page).encode())

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

    def _answer(
        self,
        status: int,
        body: bytes,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("resumed_after", "keys", "troubles"):
        monkeypatch.setattr(_Service, name, [])
    monkeypatch.setattr("medley.client.events.PAUSE_S", 0.01)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def client(url: str) -> Iterator[Medley]:
    with Medley(url) as client:
        yield client


def test_a_broken_event_stream_is_taken_up_where_it_broke(client: Medley) -> None:
    seen = [event.type for event in client.events("job_1")]

    assert seen == _EVENTS
    assert _Service.resumed_after == [None, "2", "4"]


def test_the_same_holds_for_an_event_loop(url: str) -> None:
    async def follow() -> list[str]:
        async with AsyncMedley(url) as client:
            return [event.type async for event in client.events("job_1")]

    assert asyncio.run(follow()) == _EVENTS
    assert _Service.resumed_after == [None, "2", "4"]


def test_a_refusal_names_each_fault_and_what_would_work(client: Medley) -> None:
    with pytest.raises(Invalid) as refused:
        client.run("draw")

    assert "/steps/0/tool: no such tool (resize)" in str(refused.value)
    assert (refused.value.http_status, refused.value.reason) == (422, "invalid_plan")
    assert refused.value.faults[0]["suggestion"] == "resize"


def test_what_is_not_there_has_a_type_and_the_id_of_the_request(client: Medley) -> None:
    with pytest.raises(Missing) as refused:
        client.job("nothing")

    assert refused.value.request_id == "req_7"


@pytest.mark.parametrize("trouble", [(429, {"Retry-After": "0"}), (503, {}), (0, {})])
def test_a_submit_is_repeated_under_the_same_key(
    client: Medley, trouble: tuple[int, dict[str, str]]
) -> None:
    _Service.troubles[:] = [trouble, trouble]

    assert client.run("sing").id == "job_1"
    assert len(_Service.keys) == 3
    assert len(set(_Service.keys)) == 1
    assert _Service.keys[0]


def test_what_might_be_done_twice_is_not_repeated(client: Medley) -> None:
    for status in (503, 0):
        _Service.troubles[:] = [(status, {})]
        with pytest.raises((Broken, Unavailable)):
            client.post("/v1/conversations")
    _Service.troubles[:] = [(429, {"Retry-After": "0"})]  # a refusal: nothing was done
    client.post("/v1/conversations")

    assert len(_Service.keys) == 4


def test_asking_again_has_an_end(client: Medley) -> None:
    _Service.troubles[:] = [(429, {"Retry-After": "0"})] * 9
    with pytest.raises(TooMany) as refused:
        client.job("job_1")

    assert refused.value.retry_after == 0
    assert len(_Service.troubles) == 5


def test_lists_are_read_page_by_page(client: Medley) -> None:
    assert [asset.id for asset in client.assets(10)] == ["a1", "a2", "a3"]


def test_outputs_are_written_under_names_that_cannot_leave_the_folder(
    client: Medley, tmp_path: Path
) -> None:
    output = {"asset": "asset_1", "name": "../../s3.image", "content_type": "image/png"}
    job = {"outputs": [output, output, {"type": "text", "text": "hello"}]}

    first = save_outputs(client, job, tmp_path / "out")
    second = save_outputs(client, job, tmp_path / "out")

    names = [path.name for path in (*first.values(), *second.values())]
    assert names == ["s3.image.png", "s3.image-2.png"]
    assert (tmp_path / "out" / "s3.image.png").read_bytes() == b"picture"


def test_the_query_of_an_address_goes_along(client: Medley, tmp_path: Path) -> None:
    path = "/v1/assets/asset_1/content?recipe=true"
    assert client.download(path, lambda _: tmp_path / "a").read_bytes() == b"picture and recipe"


def test_a_broken_download_leaves_nothing_behind(client: Medley, tmp_path: Path) -> None:
    with pytest.raises(Missing):
        client.download("/nothing", lambda _: tmp_path / "file")

    assert not list(tmp_path.iterdir())


def test_no_service_is_said_plainly() -> None:
    with Medley("http://127.0.0.1:9") as client, pytest.raises(Unavailable, match="no answer"):
        client.job("job_1")


def test_words_and_media_become_parts_and_files(tmp_path: Path) -> None:
    photo = tmp_path / "cat.png"
    photo.write_bytes(b"x")
    said, uploads = parts("look", [photo, str(photo), b"raw", "asset_1", photo.open("rb")])

    assert [part["type"] for part in said] == ["text", "file", "file", "file", "asset", "file"]
    assert [item.name for item in uploads] == ["cat.png", "cat.png", "file.2", "cat.png"]
    given, uploads = values({"a": "words", "b": [photo, "asset_1"], "c": {"text": "x"}})
    assert given["a"] == "words"
    assert given["b"] == [{"file": uploads[0].field}, {"asset": "asset_1"}]
    for wrong in (tmp_path / "absent.png", 7):
        with pytest.raises(CallerError):
            parts("", [wrong])


def test_the_client_is_light_to_import() -> None:
    heavy = {"torch", "transformers", "fastapi", "sqlalchemy", "mcp", "numpy", "rich"}
    script = f"import sys, medley.client; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
