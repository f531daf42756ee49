"""Media that an agent names: an asset that is here already, or a small file inside the message."""

import base64
import binascii
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

from api.agents.caller import Caller
from medley.errors import CallerError, TooLarge
from orchestrator import asset_rows
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


def take(caller: Caller, named: Sequence[str]) -> list[str]:
    """Ids of these media; files among them are looked at and kept. Blocks.

    Raises `CallerError`, and what refuses uploads.
    """
    return [taken(caller, item) for item in named]


def taken(caller: Caller, named: str) -> str:
    """The id of one."""
    if named.startswith("data:"):
        return _keep(caller, _bytes_of(named))
    asset = named.removeprefix(SCHEME)
    if not asset.startswith("asset_"):
        raise CallerError(f"{named[:80]!r} is no medium. {ABOUT}")
    return asset


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


def _keep(caller: Caller, data: bytes) -> str:
    here = caller.here
    received = here.store.receive([data], min(MAX_FILE, here.limits.max_bytes))
    facts = take_in(here.store, received, here.limits)
    origin = {"kind": "upload", "name": ""}
    with here.db.begin() as conn:
        return asset_rows.register(conn, caller.tenant, received, facts, origin).id
