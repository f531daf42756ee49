"""Media inside a JSON body: `data:` addresses, plain base64, the id of a file that is here, or an
address of the web, which is fetched through the guard.
"""

import base64
import binascii
import re
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from api.links import take_link_here
from api.openai.bodies import Asked, FileId
from api.openai.calls import Refused
from api.schemas.requests import Words
from api.state import Service
from medley.errors import CallerError, NotFound, TooMuch
from medley.parts import AssetPart, Part, TextPart
from medley.plan import AssetBinding, TextBinding
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset
from orchestrator.assets import take_in

_DATA = re.compile(r"data:[^,;]{0,128}(?:;[^,;]{1,128})*;base64,", re.IGNORECASE)
ASSET = re.compile(r"asset_[0-9a-f]{32}")
Encoded = Annotated[str, Field(max_length=64 << 20)]


class UrlIn(Asked):
    """A `data:` address, or the id of a file."""

    url: Encoded
    detail: Any = Field(default=None, description="Accepted and ignored.")


class SoundIn(Asked):
    """A sound as base64."""

    data: Encoded
    format: Annotated[str, Field(max_length=32)] | None = Field(
        default=None, description="Ignored: decoding decides."
    )


class TextGiven(Asked):
    """Words."""

    type: Literal["text", "input_text"]
    text: Words


class ImageGiven(Asked):
    """A picture, in the form of Chat Completions or of Responses."""

    type: Literal["image_url", "input_image"]
    image_url: Encoded | UrlIn | None = None
    file_id: FileId | None = None
    detail: Any = Field(default=None, description="Accepted and ignored.")


class SoundGiven(Asked):
    """A sound."""

    type: Literal["input_audio"]
    input_audio: SoundIn


class VideoGiven(Asked):
    """A video."""

    type: Literal["video_url"]
    video_url: Encoded | UrlIn


class AssetGiven(Asked):
    """A file or an asset that is here."""

    type: Literal["asset", "input_file"]
    asset: FileId | None = None
    file_id: FileId | None = None


def _kind(given: Any) -> str:
    name = given.get("type") if isinstance(given, dict) else getattr(given, "type", "")
    return _KINDS.get(str(name), "text")


_KINDS = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "sound",
    "video_url": "video",
    "asset": "asset",
    "input_file": "asset",
}
GivenPart = Annotated[
    Annotated[TextGiven, Tag("text")]
    | Annotated[ImageGiven, Tag("image")]
    | Annotated[SoundGiven, Tag("sound")]
    | Annotated[VideoGiven, Tag("video")]
    | Annotated[AssetGiven, Tag("asset")],
    Discriminator(_kind),
]


def part_of(here: Service, tenant: str, given: Any, at: str) -> Part:
    """A content part as a part of ours; its bytes are kept. Raises `Refused`, which names `at`."""
    match given:
        case TextGiven(text=text):
            if not text.strip():
                raise Refused(at, "The text is empty.")
            return TextPart(text=text)
        case SoundGiven(input_audio=sound):
            return as_part(keep_text(here, tenant, sound.data, at))
        case VideoGiven(video_url=url):
            return as_part(media(here, tenant, url if isinstance(url, str) else url.url, at))
        case ImageGiven(image_url=url, file_id=file):
            name = url.url if isinstance(url, UrlIn) else url
        case AssetGiven(asset=asset, file_id=file):
            name = asset
    if (name is None) is (file is None):
        raise Refused(at, "Give the media itself, or the id of a file.")
    return as_part(media(here, tenant, name or file or "", at))


def media(here: Service, tenant: str, given: str, at: str) -> Asset:
    """What a `data:` address holds, an address of the web gives or an id names. Raises `Refused`,
    and `QueueFull` while too much is being fetched.
    """
    if ASSET.fullmatch(given):
        return found(here, tenant, given, at)
    if given[:8].lower().startswith(("http://", "https://")):
        return _fetched(here, tenant, given, at)
    return keep_text(here, tenant, given, at)


def _fetched(here: Service, tenant: str, url: str, at: str) -> Asset:
    try:
        return take_link_here(here, tenant, url, at=at)
    except TooMuch:
        raise
    except CallerError as error:
        reason = error.errors[0]["reason"] if error.errors else error.message
        raise Refused(at, reason, "Send the bytes, or upload it.") from None


def found(here: Service, tenant: str, asset: str, at: str) -> Asset:
    """The asset of this id. Raises `Refused`."""
    try:
        with here.db.connect() as conn:
            return asset_rows.get(conn, tenant, asset)
    except NotFound as error:
        raise Refused(at, error.message, "Upload it first.") from None


def keep_text(here: Service, tenant: str, given: str, at: str) -> Asset:
    """Keeps the bytes of a `data:` address or of plain base64. Raises `Refused`."""
    start = _DATA.match(given)
    try:
        data = base64.b64decode(given[start.end() if start else 0 :], validate=True)
    except (binascii.Error, ValueError):
        reason = "This is neither base64, nor a `data:` address with it, nor the id of a file."
        raise Refused(at, reason) from None
    return keep(here, tenant, data, at)


def keep(here: Service, tenant: str, data: bytes, at: str, name: str = "") -> Asset:
    """Keeps these bytes as an asset, once decoding has said what they are. Raises `Refused`."""
    try:
        received = here.store.receive([data], here.limits.max_bytes)
        facts = take_in(here.store, received, here.limits)
    except CallerError as error:
        raise Refused(at, error.message) from None
    with here.entering([received]) as conn:
        origin = {"kind": "upload", "name": name}
        asset = asset_rows.register(conn, tenant, received, facts, origin, here.caller.key)
        here.admission.check_bytes(conn)
    return asset


def as_part(asset: Asset) -> AssetPart:
    """The part that shows an asset."""
    return AssetPart(asset=asset.id, modality=asset.modality, media_type=asset.media_type)


def binding(part: Part) -> TextBinding | AssetBinding:
    """The part as an input of a step."""
    if isinstance(part, AssetPart):
        return AssetBinding(asset=part.asset)
    assert isinstance(part, TextPart)
    return TextBinding(text=part.text)
