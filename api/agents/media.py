"""Media that an agent names: an asset that is here already, or a small file inside the message."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from api.agents.caller import Caller
from api.attached import Judged
from api.incoming import SentFile
from api.schemas.requests import AssetIn, AssetValue, FileIn, FileValue
from medley.errors import CallerError, TooLarge
from orchestrator.assets import take_in

SCHEME = "asset://"
MAX_FILE = 8 << 20  #: bytes of a file that travels inside a message
ABOUT = (
    "An asset (`asset_…` or `asset://asset_…`), or a small file as "
    "`data:image/png;base64,…`. Larger files go to `POST /v1/assets` first."
)


def uri_of(asset: str) -> str:
    """An asset as a resource."""
    return SCHEME + asset


def is_medium(named: str) -> bool:
    """Whether this is no words."""
    return named.startswith((SCHEME, "asset_", "data:"))


@dataclass
class Media:
    """The media of one call: assets by their ids, and `files` that travel with the order.

    Blocks: files are looked at and kept when they are met. Raises `CallerError`, and what refuses
    uploads.
    """

    caller: Caller
    files: list[Judged] = field(default_factory=list)

    def parts(self, named: Sequence[str]) -> list[AssetIn | FileIn]:
        """Media as parts of a message."""
        return [
            AssetIn(type="asset", asset=name) if is_asset else FileIn(type="file", file=name)
            for name, is_asset in map(self._find, named)
        ]

    def value(self, named: str) -> AssetValue | FileValue:
        """A medium as the value of a workflow's input."""
        name, is_asset = self._find(named)
        return AssetValue(asset=name) if is_asset else FileValue(file=name)

    def _find(self, named: str) -> tuple[str, bool]:
        if not named.startswith("data:"):
            asset = named.removeprefix(SCHEME)
            if not asset.startswith("asset_"):
                raise CallerError(f"{named[:80]!r} is no medium. {ABOUT}")
            return asset, True
        here, field = self.caller.here, f"media.{len(self.files)}"
        received = here.store.receive([_bytes_of(named)], min(MAX_FILE, here.limits.max_bytes))
        facts = take_in(here.store, received, here.limits)
        sent = SentFile(field=field, name="", received=received)
        self.files.append(Judged(sent=sent, facts=facts))
        return field, False


def _bytes_of(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma:
        raise CallerError("A data URI has a comma before its bytes.")
    if len(body) > MAX_FILE * 3:
        raise TooLarge(f"A file inside a message may have {MAX_FILE} bytes.")
    try:
        found = (
            base64.b64decode(body, validate=True)
            if head.endswith(";base64")
            else unquote_to_bytes(body)
        )
    except (binascii.Error, ValueError):
        raise CallerError("The base64 of a data URI cannot be read.") from None
    if len(found) > MAX_FILE:
        raise TooLarge(f"A file inside a message may have {MAX_FILE} bytes.")
    return found
