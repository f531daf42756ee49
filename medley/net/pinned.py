"""Connections to an address that was looked at: resolved once, checked, and then connected to.

Between the check and the connection no name is resolved again, so a name server that answers
differently the second time changes nothing. TLS and the `Host` header still speak of the name.
Each connection has a deadline and a number of bytes for everything: handshake, headers, body.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from functools import cache
from ipaddress import ip_address
from typing import Any

import httpcore2
import httpx2

from medley.net.policy import Address, Policy, UrlFailed

CONNECT_S = 10.0  #: for one address
SILENCE_S = 15.0  #: between two pieces of an answer
_HEADER_BYTES = 256 << 10  # of all headers together, on top of the body
_PIECE = 4096  # written at once, so that a reader who takes a byte at a time meets the deadline


def client(policy: Policy, *, seconds: float, most: int) -> httpx2.Client:
    """A client for one exchange that may take so long, and receive so many bytes of body.

    It follows no redirects, knows no proxies, and keeps no cookies from anybody else.
    """
    until = time.monotonic() + seconds
    return httpx2.Client(
        transport=_Pinned(policy, until, most + _HEADER_BYTES),
        timeout=httpx2.Timeout(min(SILENCE_S, seconds), connect=min(CONNECT_S, seconds)),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "Medley", "Connection": "close"},
    )


class _Pinned(httpx2.HTTPTransport):
    """The library's transport, over connections of our own."""

    def __init__(self, policy: Policy, until: float, most: int) -> None:
        super().__init__(verify=_tls(), trust_env=False)
        self._policy, self._until, self._most = policy, until, most

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends one request over a connection that nobody else uses."""
        plain = request.url.scheme == "http"
        backend = _Backend(self._policy, self._until, self._most, plain=plain)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_tls(), network_backend=backend, max_keepalive_connections=0
        )
        return super().handle_request(request)


class _Backend(httpcore2.NetworkBackend):
    def __init__(self, policy: Policy, until: float, most: int, *, plain: bool) -> None:
        self._policy, self._until, self._most, self._plain = policy, until, most, plain
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        found = resolve(host, port, _left(self._until, timeout))
        allowed = self._policy.check_addresses(found, plain=self._plain)
        for place, address in enumerate(allowed):
            try:
                stream = self._sockets.connect_tcp(
                    str(address), port, _left(self._until, timeout), local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if place + 1 == len(allowed):
                    raise
            else:
                return _Stream(stream, self._until, self._most)
        raise httpcore2.ConnectError("no address")


class _Stream(httpcore2.NetworkStream):
    """A stream that ends at its deadline, however fast single bytes drip in."""

    def __init__(self, stream: httpcore2.NetworkStream, until: float, most: int) -> None:
        self._stream, self._until, self._room = stream, until, most

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, _left(self._until, timeout))
        self._room -= len(data)
        if self._room < 0:
            raise httpcore2.ReadError("The answer is too long.")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[start : start + _PIECE], _left(self._until, timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        inner = self._stream.start_tls(ssl_context, server_hostname, _left(self._until, timeout))
        return _Stream(inner, self._until, self._room)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve(host: str, port: int, seconds: float) -> list[Address]:
    """The addresses of a name, without waiting longer than this for a slow name server.

    Raises `UrlFailed`.
    """
    answers: queue.SimpleQueue[list[Address]] = queue.SimpleQueue()

    def ask() -> None:
        answers.put(_look_up(host, port))

    # The system's resolver cannot be stopped; its own patience ends the thread.
    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        found = []
    if not found:
        raise UrlFailed("The URL's host name is not known here.")
    return found


def _look_up(host: str, port: int) -> list[Address]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(ip_address(row[4][0]) for row in rows))
    except (OSError, ValueError):
        return []


def _left(until: float, timeout: float | None) -> float:
    """Seconds that the next operation may take. Raises when the time is over."""
    left = until - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("The time is over.")
    return left if timeout is None else min(left, timeout)


@cache
def _tls() -> ssl.SSLContext:
    """Trusts what the machine trusts (`SSL_CERT_FILE` adds to it). Loading that takes a while."""
    return httpx2.create_ssl_context()
