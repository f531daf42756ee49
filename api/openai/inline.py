"""Media inside a request: `data:` URLs, base64 and files that are here already. Text files become
words; anything else is looked at and kept before a row names it.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_to_bytes

from sqlalchemy import Connection

from api.incoming import display_name
from api.links import Link
from api.links import bring as take_links
from api.openai.faults import unsupported, wrong
from api.state import Service
from medley.errors import MedleyError, NotFound
from medley.media.facts import Facts
from medley.modality import Modality
from medley.parts import MAX_TEXT, AssetPart, TextPart
from medley.storable import storable_text
from orchestrator import asset_rows
from orchestrator.assets import Received, take_in

_DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w=.+-]+)*?)(;base64)?,", re.IGNORECASE)
_TEXT = ("text/", "application/json")
_NOTHING: Mapping[str, "Kept"] = {}
MAX_MEDIA = 32  #: in one request


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """Something to look at or to listen to: bytes, or an asset by its id. `wanted` is the modality
    that it has to be of, where its field says so.
    """

    at: str
    data: bytes | None = None
    asset: str | None = None
    url: str | None = None  # still to be fetched
    name: str = ""
    wanted: Modality | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Media whose bytes are in the store."""

    media: Media
    received: Received | None = None
    facts: Facts | None = None


def of_url(at: str, url: Any, wanted: Modality | None = None) -> Media | TextPart:
    """What a URL holds. Raises `BadParameter`, `Unsupported`."""
    if not isinstance(url, str):
        raise wrong(at, "A URL is wanted.")
    if url.lower().startswith(("http://", "https://")):
        return Media(at=at, url=url, wanted=wanted)
    found = _DATA.match(url)
    if found is None:
        raise wrong(at, "This is no data: URL.")
    kind, rest = (found[1] or "text/plain").lower(), url[found.end() :]
    data = of_base64(at, rest) if found[3] else unquote_to_bytes(rest)
    if kind.startswith(_TEXT) and wanted is None:
        return words(at, data)
    return Media(at=at, data=data, wanted=wanted)


def of_base64(at: str, text: Any) -> bytes:
    """The bytes. Raises `BadParameter`."""
    if not isinstance(text, str):
        raise wrong(at, "Base64 is wanted.")
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise wrong(at, "This is no base64.") from None
    if not data:
        raise wrong(at, "There are no bytes.")
    return data


def words(at: str, data: bytes) -> TextPart:
    """A text file as words. Raises `BadParameter`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise wrong(at, "This text is not UTF-8.") from None
    if len(text) > MAX_TEXT or not storable_text(text):
        raise wrong(at, f"A text has at most {MAX_TEXT} characters, and no NUL.")
    return TextPart(text=text)


def named(at: str, asset: Any, wanted: Modality | None = None) -> Media:
    """A file that is here already, by its id. Raises `BadParameter`."""
    if not isinstance(asset, str) or not 1 <= len(asset) <= 64:
        raise wrong(at, "The id of a file is wanted.")
    return Media(at=at, asset=asset, wanted=wanted)


async def bring(here: Service, found: Sequence[Media]) -> dict[str, Kept]:
    """What addresses elsewhere give, fetched under the service's guard and kept, by their places.
    Raises `BadParameter`.
    """
    far = [media for media in found if media.url is not None]
    try:
        links = [Link(at=media.at, url=str(media.url)) for media in far]
        judged = await take_links(here, links) if links else []
    except MedleyError as error:
        if error.status >= 500:
            raise
        fault = error.errors[0] if error.errors else {}
        place, reason = fault.get("pointer", far[0].at), fault.get("reason", error.message)
        raise wrong(str(place), str(reason)) from None
    kept: dict[str, Kept] = {}
    for media, file in zip(far, judged, strict=True):
        _fits(media, file.facts.modality)
        named = replace(media, name=file.sent.name)
        kept[media.at] = Kept(media=named, received=file.sent.received, facts=file.facts)
    return kept


def keep(
    here: Service, found: Sequence[Media], brought: Mapping[str, Kept] = _NOTHING
) -> list[Kept]:
    """Looks at the bytes and keeps them; `brought` is what came from elsewhere. Raises
    `BadParameter` for what is no such medium.
    """
    if len(found) > MAX_MEDIA:
        raise wrong("/input", f"At most {MAX_MEDIA} media in one request.")
    far = next((media for media in found if media.url and media.at not in brought), None)
    if far is not None:
        reason = "Nothing is fetched here: send a data: URL, or upload the file."
        raise unsupported(far.at, reason)
    with ExitStack() as left:
        for received in bytes_of(list(brought.values())):
            left.callback(here.store.discard, received)
        kept = [brought.get(media.at) or _keep(here, media, left) for media in found]
        left.pop_all()
    return kept


def _keep(here: Service, media: Media, left: ExitStack) -> Kept:
    if media.data is None:
        return Kept(media=media)
    try:
        received = here.store.receive([media.data], here.limits.max_bytes)
        facts = take_in(here.store, received, here.limits)
    except MedleyError as error:
        if error.status >= 500:
            raise
        raise wrong(media.at, error.message) from None
    left.callback(here.store.discard, received)
    _fits(media, facts.modality)
    return Kept(media=media, received=received, facts=facts)


def bytes_of(kept: Sequence[Kept]) -> list[Received]:
    """The bytes that came with the request."""
    return [one.received for one in kept if one.received is not None]


def register(conn: Connection, tenant: str, kept: Kept, key: str | None = None) -> AssetPart:
    """The part that a message holds; `key` brought it. Raises `BadParameter`."""
    if kept.received is not None and kept.facts is not None:
        origin = {"kind": "upload", "name": display_name(kept.media.name)}
        asset = asset_rows.register(conn, tenant, kept.received, kept.facts, origin, key)
    else:
        try:
            asset = asset_rows.get(conn, tenant, str(kept.media.asset))
        except NotFound as error:
            raise wrong(kept.media.at, error.message) from None
        _fits(kept.media, asset.modality)
    return AssetPart(asset=asset.id, modality=asset.modality, media_type=asset.media_type)


def _fits(media: Media, modality: Modality) -> None:
    if media.wanted is not None and modality is not media.wanted:
        raise wrong(media.at, f"This is no {media.wanted.value}, but {modality.value}.")
