"""Files that are named instead of sent: by a URL, or inside one (`data:`).

They go the way of every upload: to the store while they are hashed, then judged by decoding. A
fetch waits for strangers, so it runs in threads of its own number, never on the event loop and
never in those that serve requests.
"""

import asyncio
import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from anyio import to_thread
from pydantic import BaseModel

from api.attached import Judged
from api.incoming import SentFile, display_name
from api.schemas.requests import UrlIn, UrlValue
from api.state import Service
from medley.errors import CallerError, MedleyError
from medley.net.fetch import fetch
from medley.net.policy import Policy, UrlFailed, UrlRefused
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset
from orchestrator.assets import Received, take_in
from orchestrator.order import InvalidRequest

MAX_LINKS = 16  #: in one request
_DATA = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w.+-]+=[^;,]{0,255})*;base64,", re.IGNORECASE)


class UrlInputsOff(CallerError):
    """This installation fetches nothing."""

    code: ClassVar[str] = "url_inputs_off"
    status: ClassVar[int] = 422


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A URL, and the place in the request that it stands at."""

    at: str
    url: str
    name: str = ""  # what the file shall be called; otherwise as the URL has it


async def take_link(
    here: Service, tenant: str, given: str | bytes, *, name: str = "", at: str = "/url"
) -> tuple[Asset, bool]:
    """An asset of this URL (`https:`, `http:`, `data:`) or of these bytes; True when it is new.

    Raises `UrlRefused`, `UrlFailed` and `UrlInputsOff`, with `at` as their pointer, and what
    judging and keeping raise: `UnsupportedMedia`, `BrokenMedia`, `TooLarge`, `QuotaExceeded`.
    """
    if isinstance(given, str):
        (judged,) = await bring(here, [Link(at=at, url=given, name=display_name(name))])
    else:
        judged = await to_thread.run_sync(_judge_bytes, here, given, display_name(name))
    return await to_thread.run_sync(_register, here, tenant, judged)


def take_link_here(here: Service, tenant: str, url: str, *, at: str = "/url") -> Asset:
    """The same, for who runs in a thread already. Raises `QueueFull` besides."""
    with here.strangers.place(tenant):
        judged = _bring(here, Link(at=at, url=url))
    return _register(here, tenant, judged)[0]


async def bring(here: Service, links: Sequence[Link]) -> list[Judged]:
    """The files of the links, kept and judged, in order; the field of each is its URL.

    All are fetched side by side. Raises what `take_link` raises, for the first that fails.
    """
    if len(links) > MAX_LINKS:
        raise InvalidRequest(f"A request names at most {MAX_LINKS} URLs.")
    tenant = here.caller.tenant
    work = [here.strangers.ask(tenant, _bring, here, link) for link in links]
    found = await asyncio.gather(*work, return_exceptions=True)
    judged = [item for item in found if isinstance(item, Judged)]
    broken = next((item for item in found if isinstance(item, BaseException)), None)
    if broken is not None:
        drop(here, judged)
        raise broken
    return judged


def drop(here: Service, judged: Sequence[Judged]) -> None:
    """Forgets files of a request that is refused before it comes to a transaction."""
    for file in judged:
        here.store.discard(file.sent.received)


def links_of(body: BaseModel) -> list[Link]:
    """The URLs that a body names."""
    found: list[Link] = []
    parts = getattr(body, "input", None)
    for place, part in enumerate(parts if isinstance(parts, list) else []):
        if isinstance(part, UrlIn):
            found.append(Link(at=f"/input/{place}/url", url=part.url))
    for name, given in getattr(body, "inputs", {}).items():
        at = f"/inputs/{name}"
        values = (
            {f"{at}/{place}": value for place, value in enumerate(given)}
            if isinstance(given, list)
            else {at: given}
        )
        found += [
            Link(at=f"{place}/url", url=value.url)
            for place, value in values.items()
            if isinstance(value, UrlValue)
        ]
    return _each_once(found)


def _each_once(links: Sequence[Link]) -> list[Link]:
    """One link for each URL, at its first place: what is named twice is fetched once."""
    return list({link.url: link for link in reversed(links)}.values())[::-1]


def _bring(here: Service, link: Link) -> Judged:
    try:
        if link.url[:5].lower() == "data:":
            return _judge(here, _decoded(here, link.url), link, link.name)
        if not here.settings.url_inputs:
            raise UrlInputsOff("This service fetches no URLs; upload the file instead.")
        limit = here.limits.max_bytes
        policy = Policy.of(here.settings)
        seconds = here.settings.url_seconds
        with fetch(link.url, policy, seconds=seconds, most=limit) as found:
            received = here.store.receive(found.pieces, limit)
        return _judge(here, received, link, link.name or display_name(found.name))
    except (UrlRefused, UrlFailed, UrlInputsOff) as error:
        raise _at(link, error) from None


def _at(link: Link, error: MedleyError) -> MedleyError:
    """The same error, with the place in the request."""
    fault = {"pointer": link.at, "reason": error.message}
    return type(error)(f"{link.at}: {error.message}", errors=[fault])


def _decoded(here: Service, url: str) -> Received:
    head = _DATA.match(url[:1024])
    if head is None:
        raise UrlRefused("A data: URL must be base64: data:image/png;base64,…")
    try:
        data = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise UrlRefused("The data: URL is not valid base64.") from None
    return here.store.receive([data], here.limits.max_bytes)


def _judge(here: Service, received: Received, link: Link, name: str) -> Judged:
    """The origin keeps the URL without its query, where signatures and tokens are."""
    shown = "" if link.url[:5].lower() == "data:" else re.split(r"[?#]", link.url, maxsplit=1)[0]
    facts = take_in(here.store, received, here.limits)
    return Judged(
        sent=SentFile(field=link.url, name=name, received=received, link=shown), facts=facts
    )


def _judge_bytes(here: Service, data: bytes, name: str) -> Judged:
    received = here.store.receive([data], here.limits.max_bytes)
    facts = take_in(here.store, received, here.limits)
    return Judged(sent=SentFile(field="", name=name, received=received), facts=facts)


def _register(here: Service, tenant: str, judged: Judged) -> tuple[Asset, bool]:
    received, key = judged.sent.received, here.caller.key
    with here.entering([received]) as conn:
        taken = asset_rows.register_new(conn, tenant, received, judged.facts, judged.origin, key)
        here.admission.check_bytes(conn)
        return taken
