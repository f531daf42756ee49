"""Fetching a file from a URL that a caller gave: bounded in time, bytes and hops, and nothing of
ours goes along.

Redirects are followed a few times, each checked like a URL of its own. A compressed answer is
opened piece by piece and counted after opening; one that is packed twice is refused.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import unquote

import httpx2

from medley.errors import TooLarge
from medley.net.pinned import client
from medley.net.policy import Policy, UrlFailed, UrlRefused

MAX_HOPS = 3
_MOVED = frozenset({301, 302, 303, 307, 308})
_PACKED = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer whose body is still to be read. `name` is the file's name, as its URL has it."""

    name: str
    pieces: Iterator[bytes]


@contextmanager
def fetch(url: str, policy: Policy, *, seconds: float, most: int) -> Iterator[Fetched]:
    """The answer of the URL, at most `most` bytes of it, all within `seconds`.

    Raises `UrlRefused`, `UrlFailed` (no answer, another one than 200, broken off) and `TooLarge`;
    the last two also while its pieces are read.
    """
    until = time.monotonic() + seconds
    at = policy.check_url(url)
    try:
        for _ in range(MAX_HOPS + 1):
            # One client for each hop: nothing that a server says reaches the next one.
            with (
                client(policy, seconds=max(until - time.monotonic(), 0.001), most=most) as asking,
                asking.stream("GET", at, headers={"Accept-Encoding": "identity"}) as answer,
            ):
                if answer.status_code not in _MOVED:
                    yield Fetched(_name(at), _body(answer, until, most))
                    return
                at = _next(policy, at, answer.headers.get("location", ""))
    except httpx2.DecodingError:
        raise UrlFailed("The answer cannot be unpacked.") from None
    except httpx2.TimeoutException:
        raise UrlFailed("The URL did not answer in time.") from None
    except httpx2.HTTPError:
        raise UrlFailed("The URL cannot be reached, or broke off.") from None
    raise UrlFailed(f"The URL redirects more than {MAX_HOPS} times.")


def _next(policy: Policy, at: httpx2.URL, location: str) -> httpx2.URL:
    try:
        wanted = str(at.join(location))
    except (httpx2.InvalidURL, ValueError):
        raise UrlRefused("The URL redirects to something that is no URL.") from None
    url = policy.check_url(wanted)
    if at.scheme == "https" and url.scheme == "http":
        raise UrlRefused("The URL redirects from https:// to http://.")
    return url


def _body(answer: httpx2.Response, until: float, most: int) -> Iterator[bytes]:
    if answer.status_code != 200:
        raise UrlFailed(f"The URL answered {answer.status_code}.")
    if answer.headers.get("content-encoding", "").strip().lower() not in _PACKED:
        raise UrlFailed("The answer is packed in a way that is not accepted.")
    length = answer.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise TooLarge(f"More than the {most} bytes that are accepted.")
    total = 0
    for piece in answer.iter_bytes():
        total += len(piece)
        if total > most:
            raise TooLarge(f"More than the {most} bytes that are accepted.")
        if time.monotonic() > until:
            raise UrlFailed("The URL did not answer in time.")
        yield piece


def _name(url: httpx2.URL) -> str:
    return unquote(url.path).rpartition("/")[2]
