"""A server on a socket that answers as a test tells it to, byte by byte: late, endlessly, brokenly,
or not at all.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Answerer = Callable[[socket.socket, bytes], None]


@dataclass
class Rude:
    """The running server, and every request that it has seen, as bytes."""

    url: str
    port: int
    seen: list[bytes] = field(default_factory=list)


@contextlib.contextmanager
def rude(answerer: Answerer, tls: ssl.SSLContext | None = None) -> Iterator[Rude]:
    """Answers each connection in a thread of its own, once a request has come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = Rude(f"http://127.0.0.1:{port}", port)

        def serve(line: socket.socket) -> None:
            if tls is not None:
                try:
                    line = tls.wrap_socket(line, server_side=True)
                except OSError:
                    return
            with line, contextlib.suppress(OSError):
                request = _read(line)
                server.seen.append(request)
                answerer(line, request)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    threading.Thread(target=serve, args=(line,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _read(line: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = line.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for row in head.split(b"\r\n"):
        name, _, value = row.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += line.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: bytes = b"", status: str = "200 OK", headers: tuple[str, ...] = ()) -> Answerer:
    """A whole and ordinary answer."""
    rows = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "Connection: close"]

    def send(line: socket.socket, request: bytes) -> None:
        line.sendall("\r\n".join(rows).encode() + b"\r\n\r\n" + body)

    return send


def endless(start: bytes, again: bytes) -> Answerer:
    """Begins, and never stops."""

    def send(line: socket.socket, request: bytes) -> None:
        line.sendall(start)
        while True:
            line.sendall(again)

    return send


def dripping(start: bytes, pause_s: float = 0.02) -> Answerer:
    """Begins, and then gives a byte now and then."""

    def send(line: socket.socket, request: bytes) -> None:
        line.sendall(start)
        tick = threading.Event()
        while not tick.wait(pause_s):
            line.sendall(b"x")

    return send
