"""Posting to a URL that somebody outside has named: no redirects, and of the answer only its
beginning.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from medley.net.pinned import client
from medley.net.policy import Policy, UrlFailed

POST_S = 15.0  #: for connecting, sending and the beginning of the answer together
_MOST = 4096  # bytes of an answer that are looked at
_SHOWN = 512  # characters of it that are kept


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, and the first words of the body."""

    status: int
    text: str


def post(
    url: str, body: bytes, headers: Mapping[str, str], policy: Policy, *, seconds: float = POST_S
) -> Answer:
    """Sends the body. Whatever follows the beginning of the answer is left unread.

    Raises `UrlRefused`, and `UrlFailed` if no answer came.
    """
    target = policy.check_url(url)
    until = time.monotonic() + seconds
    try:
        with (
            client(policy, seconds=seconds, most=_MOST) as sending,
            sending.stream(
                "POST", target, content=body, headers={"Accept-Encoding": "identity", **headers}
            ) as answer,
        ):
            return Answer(answer.status_code, _beginning(answer, until))
    except httpx2.TimeoutException:
        raise UrlFailed(f"No answer within {seconds:g} seconds.") from None
    except httpx2.ConnectError:
        raise UrlFailed("No connection.") from None
    except httpx2.HTTPError:
        raise UrlFailed("The connection broke off, or what came was no HTTP answer.") from None


def _beginning(answer: httpx2.Response, until: float) -> str:
    """Its first words; what is wrong with the body is no matter, the status has been told."""
    data = b""
    try:
        for piece in answer.iter_raw():
            data += piece
            if len(data) >= _SHOWN or time.monotonic() > until:
                break
    except httpx2.HTTPError:
        pass
    return data[:_SHOWN].decode("utf-8", "replace").replace("\0", "\ufffd")
