"""Files on their way in and out: what a caller may hand over, and names that leave no folder."""

import mimetypes
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from medley.client.calls import Upload
from medley.errors import CallerError

#: A path, the bytes themselves, an open file, an asset, or the id of one.
Given = Any


def parts(words: str, files: Sequence[Given]) -> tuple[list[dict[str, Any]], list[Upload]]:
    """Words and media as the parts of a message, and the files that travel with it.

    Raises `CallerError` for what is no file.
    """
    found: list[dict[str, Any]] = [{"type": "text", "text": words}] if words else []
    uploads: list[Upload] = []
    for item in files:
        asset = asset_of(item)
        if asset is not None:
            found.append({"type": "asset", "asset": asset})
        else:
            uploads.append(upload(item, f"file.{len(uploads)}"))
            found.append({"type": "file", "file": uploads[-1].field})
    return found, uploads


def values(inputs: Mapping[str, Any]) -> tuple[dict[str, Any], list[Upload]]:
    """Inputs of a workflow: words as they are, paths and bytes as files of the form."""
    uploads: list[Upload] = []

    def one(name: str, item: Any) -> Any:
        asset = asset_of(item) if not isinstance(item, str) or item.startswith("asset_") else None
        if asset is not None:
            return {"asset": asset}
        if isinstance(item, str | Mapping):
            return item
        uploads.append(upload(item, f"{name}.{len(uploads)}"))
        return {"file": uploads[-1].field}

    return {
        name: [one(name, item) for item in given]
        if isinstance(given, list | tuple)
        else one(name, given)
        for name, given in inputs.items()
    }, uploads


def asset_of(item: Given) -> str | None:
    """The id of an asset, if it is one."""
    from medley.client.asset import AssetHandle

    if isinstance(item, AssetHandle):
        return item.id
    if isinstance(item, str) and item.startswith("asset_") and not Path(item).exists():
        return item
    return None


def upload(item: Given, field: str, name: str | None = None) -> Upload:
    """A file for a form. Raises `CallerError`."""
    if isinstance(item, str):
        item = Path(item)
    if isinstance(item, Path):
        if not item.is_file():
            raise CallerError(f"There is no file {str(item)!r}.")
        return Upload(field=field, name=name or item.name, source=item)
    if isinstance(item, bytes | bytearray | memoryview):
        return Upload(field=field, name=name or field, source=bytes(item))
    if hasattr(item, "read"):
        file: BinaryIO = item
        given = getattr(item, "name", None)
        named = Path(given).name if isinstance(given, str) else field
        return Upload(field=field, name=name or named, source=file)
    raise CallerError(f"A {type(item).__name__} is no file: give a path, bytes or an asset.")


def free_name(folder: Path, name: str, media_type: str) -> Path:
    """A file in the folder that does not exist yet, named after `name` and what the bytes are."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "output"
    suffix = _suffix(media_type)
    stem = stem.removesuffix(suffix)
    path, number = folder / f"{stem}{suffix}", 1
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{suffix}"
    return path


def _suffix(media_type: str) -> str:
    known = {"audio/wav": ".wav", "audio/x-wav": ".wav", "image/webp": ".webp"}
    return known.get(media_type) or mimetypes.guess_extension(media_type) or ".bin"
