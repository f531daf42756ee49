"""A server of the OpenAI chat protocol in a process of its own, with every bad habit there is:
`http://127.0.0.1:<port>/<mood>/v1`. Its words are fixed; how it says them depends on the mood.

    python -m tests.contract.rough_server     # prints its port
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote
from urllib.request import urlopen

WORDS = {
    "plan": '{"steps":[],"reply":{"show":[]}}',
    "reply": '{"text":"There is a red square.","show":[]}',
    "": "A red square.",
}
SEEN: Counter[str] = Counter()
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Answers in the mood that the path names."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """`/<mood>/v1/models`, and `/<mood>/seen`: how often it was asked."""
        mood = unquote(self.path.split("/")[1])
        if self.path.endswith("/seen"):
            self.whole(200, SEEN[mood])
        elif mood == "nameless":
            self.whole(200, {"data": []})
        else:
            self.whole(200, {"data": [{"id": "rough"}]})

    def do_POST(self) -> None:
        """A chat completion."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mood = unquote(self.path.split("/")[1])
        with LOCK:
            SEEN[mood] += 1
            number = SEEN[mood]
        name = body.get("response_format", {}).get("json_schema", {}).get("name", "")
        words = WORDS[name]
        if mood == "busy" and number == 1:
            self.whole(429, {"error": {"message": "later"}}, {"Retry-After": "1"})
        elif mood == "broken":
            self.whole(500, {"error": {"message": "on fire"}})
        elif mood == "locked":
            self.whole(401, {"error": {"message": "no such key"}})
        elif mood == "page":
            self.whole(200, "<html>Welcome</html>", {"Content-Type": "text/html"})
        elif mood == "odd":
            self.whole(200, [1, {"choices": "none"}])
        elif mood == "empty":
            self.whole(200, {"choices": "none", "usage": 7})
        else:
            self.stream(mood, words, number)

    def stream(self, mood: str, words: str, number: int) -> None:
        """An event stream in pieces of four characters."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if mood == "silent":
            self.wfile.flush()
            time.sleep(60)
        half = len(words) // 2
        for start in range(0, len(words), 4):
            if start > half and (mood == "cut" or (mood == "cut once" and number == 1)):
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if start > half and mood == "stops":
                self.chunk("")
                return
            if start > half and mood == "garbled":
                self.event('{"choices": [')
            if start > half and mood == "halts":
                time.sleep(60)
            if mood == "slow":
                time.sleep(0.5)
            self.event(json.dumps({"choices": [{"delta": {"content": words[start : start + 4]}}]}))
        why = "length" if mood == "long" else "stop"
        self.event(json.dumps({"choices": [{"delta": {}, "finish_reason": why}]}))
        counted = {"prompt_tokens": 7, "completion_tokens": 3}
        self.event(json.dumps({"choices": [], "usage": counted}))
        self.event("[DONE]")
        self.chunk("")

    def event(self, data: str) -> None:
        """One event."""
        self.chunk(f"data: {data}\n\n")

    def chunk(self, text: str) -> None:
        """One chunk; an empty one is the end."""
        self.wfile.write(f"{len(text.encode()):x}\r\n{text}\r\n".encode())
        self.wfile.flush()

    def whole(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        """An answer in one piece."""
        payload = (data if isinstance(data, str) else json.dumps(data)).encode()
        self.send_response(status)
        found = {"Content-Type": "application/json", "Content-Length": str(len(payload))}
        for name, value in (found | (headers or {})).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


class Rough:
    """The process."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self._root = f"http://127.0.0.1:{port}"

    def url(self, mood: str) -> str:
        """Its address in a mood, up to and with `/v1`."""
        return f"{self._root}/{mood.replace(' ', '%20')}/v1"

    def seen(self, mood: str) -> int:
        """How many chats were asked for in a mood."""
        with urlopen(f"{self._root}/{mood.replace(' ', '%20')}/seen") as answer:
            return int(answer.read())


@contextmanager
def rough_server() -> Iterator[Rough]:
    """The server, up while the block runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.contract.rough_server"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Rough(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Serves until it is killed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"{server.server_address[1]}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
