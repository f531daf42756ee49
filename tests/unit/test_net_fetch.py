"""Fetching and posting, against servers and name servers that mean harm."""

import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from medley.errors import TooLarge
from medley.net.fetch import fetch
from medley.net.policy import Policy, UrlFailed, UrlRefused
from medley.net.post import post
from tests.rude_server import Answerer, answer, dripping, endless, rude

LOOPBACK = Policy(networks=(ip_network("127.0.0.0/8"),), ports=frozenset())
HEAD = b"HTTP/1.1 200 OK\r\n"


def take(url: str, policy: Policy = LOOPBACK, *, seconds: float = 20, most: int = 1 << 20) -> bytes:
    """All bytes that the URL gives."""
    with fetch(url, policy, seconds=seconds, most=most) as found:
        return b"".join(found.pieces)


class Names:
    """A name server that gives one list of addresses after the other, and counts."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def getaddrinfo(self, host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        """As the system's."""
        self.asked += 1
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not found:
            raise socket.gaierror("not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in found]


@contextmanager
def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> Iterator[Names]:
    """Every name in here is resolved by the test; addresses connect as they are."""
    server, real = Names(*answers), socket.getaddrinfo

    def resolve(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host.replace(".", "").isdigit():
            return real(host, port, *more, **named)
        return server.getaddrinfo(host, port)

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        yield server


def test_a_file_is_fetched_with_its_name() -> None:
    with (
        rude(answer(b"hello")) as server,
        fetch(f"{server.url}/a/my%20cat.png?x=1", LOOPBACK, seconds=20, most=100) as found,
    ):
        assert (found.name, b"".join(found.pieces)) == ("my cat.png", b"hello")
    assert b"authorization" not in server.seen[0].lower()
    assert b"accept-encoding: identity" in server.seen[0].lower()


def test_loopback_is_refused_before_anything_is_sent() -> None:
    with rude(answer(b"secret")) as server:
        with pytest.raises(UrlRefused):
            take(server.url, Policy(ports=frozenset()))
        assert server.seen == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
def test_other_spellings_of_loopback_are_refused(host: str) -> None:
    with rude(answer(b"secret")) as server:
        with pytest.raises((UrlRefused, UrlFailed)):
            take(f"http://{host}:{server.port}/", Policy(ports=frozenset()))
        assert server.seen == []


def test_a_name_is_resolved_once_and_that_address_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        rude(answer(b"good")) as server,
        names(monkeypatch, ["127.0.0.1"], ["10.0.0.1"]) as dns,
    ):
        assert take(f"http://rebind.example:{server.port}/") == b"good"
        assert dns.asked == 1
    assert b"Host: rebind.example" in server.seen[0]


def test_a_name_that_means_something_else_the_second_time_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy = Policy(networks=(ip_network("127.0.0.1/32"),), ports=frozenset())
    with rude(answer(b"good")) as server, names(monkeypatch, ["127.0.0.1"], ["127.0.0.2"]):
        url = f"http://rebind.example:{server.port}/"
        assert take(url, policy) == b"good"
        with pytest.raises(UrlRefused):
            take(url, policy)


def test_of_mixed_addresses_the_inner_one_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(networks=(ip_network("127.0.0.2/32"),), ports=frozenset())
    with (
        rude(answer(b"inner")) as server,
        names(monkeypatch, ["127.0.0.1", "127.0.0.2"]),
        pytest.raises(UrlFailed),
    ):
        take(f"http://mixed.example:{server.port}/", policy)
    assert server.seen == []


def test_an_unknown_name_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    with names(monkeypatch, []), pytest.raises(UrlFailed, match="not known"):
        take("https://nowhere.example/")


def test_a_name_server_that_never_answers_ends_with_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", lambda *a, **k: over.wait(60) and [])
        with pytest.raises(UrlFailed):
            take("https://slow.example/", seconds=0.2)
        over.set()


def _redirect(to: str, status: str = "302 Found") -> Answerer:
    return answer(b"", status, (f"Location: {to}",))


def test_redirects_are_followed_and_counted() -> None:
    hops: list[bytes] = []

    def send(line: socket.socket, request: bytes) -> None:
        hops.append(request)
        path = request.split(b" ")[1]
        wanted = {b"/0": "1", b"/1": "/2", b"/2": "?last"}.get(path)
        (_redirect(wanted) if wanted else answer(b"there"))(line, request)

    with rude(send) as server:
        assert take(f"{server.url}/0") == b"there"
    with rude(lambda line, request: _redirect("/again")(line, request)) as server:
        with pytest.raises(UrlFailed, match="redirects"):
            take(server.url)
        assert len(server.seen) == 4


@pytest.mark.parametrize(
    "to",
    [
        "http://169.254.169.254/latest/meta-data/", "http://127.0.0.2/", "http://[::1]/",
        "file:///etc/passwd", "http://user:word@127.0.0.1/", "gopher://127.0.0.1/", "http://\\",
        "//10.0.0.1/", "http://localhost.example\x7f/",
    ],
)  # fmt: skip
def test_a_redirect_inwards_is_refused(to: str) -> None:
    policy = Policy(networks=(ip_network("127.0.0.1/32"),), ports=frozenset())
    with rude(_redirect(to)) as server, pytest.raises((UrlRefused, UrlFailed)):
        take(server.url, policy)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "answerer",
    [
        dripping(HEAD + b"Content-Length: 1000\r\n\r\n"),
        dripping(HEAD + b"X-Slow: "),
        dripping(b"HT"),
        lambda line, request: threading.Event().wait(5),
    ],
    ids=["body", "header", "status line", "silence"],
)
def test_who_dawdles_is_left_when_the_time_is_over(answerer: Answerer) -> None:
    with rude(answerer) as server:
        with pytest.raises(UrlFailed):
            take(server.url, seconds=0.5)
        with pytest.raises(UrlFailed):
            post(server.url, b"{}", {}, LOOPBACK, seconds=0.5) and take(server.url, seconds=0.2)


@pytest.mark.parametrize(
    "answerer",
    [
        answer(b"x" * 2000),
        endless(HEAD + b"\r\n", b"x" * 1000),
        endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"3\r\nxxx\r\n"),
    ],
    ids=["declared", "until closed", "chunked"],
)
def test_more_bytes_than_are_accepted_are_not_read(answerer: Answerer) -> None:
    with rude(answerer) as server, pytest.raises(TooLarge):
        take(server.url, most=1000)


@pytest.mark.parametrize(
    "answerer",
    [
        endless(HEAD, b"X-More: " + b"y" * 1000 + b"\r\n"),
        endless(HEAD + b"X-Long: ", b"y" * 1000),
        endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        endless(b"", b"\0" * 1000),
    ],
    ids=["many headers", "long header", "early hints", "no http"],
)
def test_headers_that_never_end_are_not_read(answerer: Answerer) -> None:
    with rude(answerer) as server:
        with pytest.raises(UrlFailed):
            take(server.url)
        with pytest.raises(UrlFailed):
            post(server.url, b"{}", {}, LOOPBACK)


def test_a_compressed_answer_is_counted_after_it_is_opened() -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    packed = ("Content-Encoding: gzip",)
    with rude(answer(bomb, headers=packed)) as server, pytest.raises(TooLarge):
        take(server.url, most=1 << 20)
    small = gzip.compress(b"small")
    with rude(answer(small, headers=("Content-Encoding: gzip",))) as server:
        assert take(server.url) == b"small"


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "gzip,gzip,gzip,gzip", "what"])
def test_what_is_packed_twice_or_strangely_is_refused(encoding: str) -> None:
    packed = gzip.compress(gzip.compress(b"x"))
    with (
        rude(answer(packed, headers=(f"Content-Encoding: {encoding}",))) as server,
        pytest.raises(UrlFailed),
    ):
        take(server.url)


def test_a_broken_archive_or_a_broken_line_is_a_failure() -> None:
    broken = zlib.compress(b"hello")[:-3] + b"\xff\xff\xff"
    packed = ("Content-Encoding: gzip",)
    with rude(answer(broken, headers=packed)) as server, pytest.raises(UrlFailed):
        take(server.url)

    def half(line: socket.socket, request: bytes) -> None:
        line.sendall(HEAD + b"Content-Length: 100\r\n\r\nhalf")

    with rude(half) as server, pytest.raises(UrlFailed):
        take(server.url)
    with rude(lambda line, request: None) as server, pytest.raises(UrlFailed):
        take(server.url)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UrlFailed):
        take(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "204 No Content", "206 Part"])
def test_another_answer_than_200_is_a_failure(status: str) -> None:
    with rude(answer(b"", status)) as server, pytest.raises(UrlFailed, match=status[:3]):
        take(server.url)


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with rude(answer(b"proxy")) as proxy, rude(answer(b"direct")) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert take(server.url) == b"direct"
        assert post(server.url, b"{}", {}, LOOPBACK).text == "direct"
    assert proxy.seen == []


def test_cookies_of_one_hop_do_not_reach_the_next() -> None:
    def send(line: socket.socket, request: bytes) -> None:
        first = request.startswith(b"GET /0")
        moved = answer(b"", "302 Found", ("Location: /1", "Set-Cookie: a=b"))
        (moved if first else answer(b"x"))(line, request)

    with rude(send) as server:
        take(f"{server.url}/0")
    assert b"cookie" not in server.seen[1].lower()


def test_a_post_follows_no_redirect_and_reads_little() -> None:
    with rude(_redirect("/elsewhere")) as server:
        assert post(server.url, b"{}", {"X-A": "b"}, LOOPBACK).status == 302
        assert len(server.seen) == 1
    with rude(endless(HEAD + b"\r\n", b"y" * 1000)) as server:
        found = post(server.url, b'{"a": 1}', {}, LOOPBACK)
    assert (found.status, len(found.text)) == (200, 512)
    assert server.seen[0].endswith(b'{"a": 1}')
    with rude(answer(b"a\0\xff")) as server:
        assert post(server.url, b"", {}, LOOPBACK).text == "a\ufffd\ufffd"


def test_tls_is_spoken_with_the_name_and_checked_against_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate = _certificate("good.example", tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr("medley.net.pinned._tls", lambda: trusting)
    asked: list[str | None] = []
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    serving.sni_callback = lambda line, name, context: asked.append(name)
    with rude(answer(b"safe"), serving) as server, names(monkeypatch, ["127.0.0.1"]):
        assert take(f"https://good.example:{server.port}/") == b"safe"
        with pytest.raises(UrlFailed):
            take(f"https://other.example:{server.port}/")
    assert asked == ["good.example", "other.example"]
    assert len(server.seen) == 1


def _certificate(name: str, folder: Path) -> Path:
    """A certificate of a name that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    form, bare = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, form, bare) + made.public_bytes(pem))
    return file
