"""Asset bytes on their way out: ranges, validators, and headers that keep a browser from running
them.
"""

from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from fastapi import Request, Response
from starlette.responses import FileResponse

INLINE = frozenset(
    {
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "audio/wav",
        "audio/x-wav",
        "audio/flac",
        "audio/mpeg",
        "audio/ogg",
        "audio/mp4",
        "video/mp4",
        "video/webm",
    }
)
_EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "audio/wav": ".wav",
    "audio/flac": ".flac",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/mp4": ".m4a",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "text/plain": ".txt",
    "application/jsonl": ".jsonl",
}
GUARD = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CHECKED = "private, no-cache"  #: kept, and asked about each time
FOREVER = "private, max-age=31536000, immutable"


def content(
    request: Request,
    path: Path,
    *,
    sha256: str,
    media_type: str,
    name: str,
    forever: bool = True,
) -> Response:
    """The bytes, a part of them (206), or 304 when the caller has them already.

    `forever`: the address will always name these bytes.
    """
    etag = f'"{sha256}"'
    headers = {
        **GUARD,
        "ETag": etag,
        "Cache-Control": FOREVER if forever else CHECKED,
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(sha256)).decode()}:",
        "Content-Disposition": disposition(media_type, name),
        "Accept-Ranges": "bytes",
    }
    if matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return FileResponse(path, headers=headers, media_type=media_type)


def matches(header: str | None, etag: str) -> bool:
    """Whether an `If-None-Match` or `If-Match` header names this tag (weak comparison)."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags


def disposition(media_type: str, name: str) -> str:
    """`Content-Disposition` of RFC 6266: attachment, except for kinds that a browser only shows."""
    kind = "inline" if media_type in INLINE else "attachment"
    ascii_name = "".join(
        sign if sign.isascii() and (sign.isalnum() or sign in "._- ") else "_" for sign in name
    )
    form = f'{kind}; filename="{ascii_name or "asset"}"'
    return form if ascii_name == name else f"{form}; filename*=UTF-8''{quote(name, safe='')}"


def file_name(given: str, asset_id: str, media_type: str) -> str:
    """The name a download gets: the sender's stem, the extension of what the bytes are."""
    extension = _EXTENSIONS.get(media_type, ".bin")
    stem = given.rpartition(".")[0] or given
    return f"{stem.strip('. ') or asset_id}{extension}"
