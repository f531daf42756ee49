"""Handles of assets: their bytes when they are asked for, and how a notebook shows them."""

import base64
from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medley.client.calls import TRANSFER_S, Call, Flow
from medley.client.files import free_name
from medley.client.operation import Async, Sync, operation

if TYPE_CHECKING:
    from medley.client.rooms import Rooms

MAX_SHOWN = 16 << 20  #: bytes that a notebook gets of one asset; of a larger one, the address


class Handle:
    """Something of the service as its JSON was read last; `handle["name"]` is any member of it."""

    def __init__(self, client: "Rooms[Any, Any]", data: Mapping[str, Any]) -> None:
        self._client = client
        self.data = dict(data)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.data["id"])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self.data["id"] == other.data["id"]

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}>"


class AssetHandle(Handle):
    """Immutable bytes of the service."""

    _bytes: bytes | None = None

    @property
    def modality(self) -> str:
        """`image`, `audio`, `video` …"""
        return str(self.data["modality"])

    @property
    def media_type(self) -> str:
        """Such as `image/png`."""
        return str(self.data["media_type"])

    @property
    def name(self) -> str:
        """The name its sender gave, or the output of the plan that it is, or its id."""
        return str(self.data.get("name") or self.id)

    @property
    def facts(self) -> dict[str, Any]:
        """What was measured: width, height (pixels), seconds, fps, rate (Hz) … if it was read."""
        return dict(self.data.get("facts") or {})

    @property
    def url(self) -> str:
        """Where its bytes are."""
        return f"{self._client.url}{self.path}"

    @property
    def path(self) -> str:
        """The same without the service."""
        return f"/v1/assets/{self.id}/content"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.media_type}>"

    @operation
    def read(self) -> Flow[bytes]:
        """Its bytes; fetched once."""
        if self._bytes is None:
            call = Call(method="GET", path=self.path, safe=True, patience_s=TRANSFER_S)
            self._bytes = (yield call).content
        return self._bytes

    @operation
    def save(self, to: Path | str = ".") -> Flow[Path]:
        """Writes it to a file, or under a free name into a folder; gives the file. What a job made
        carries its recipe, so these may be other bytes than those that `read` gives.

        A broken download leaves nothing behind.
        """
        target, carried = Path(to), f"{self.path}?recipe=true"
        choose: Callable[[str], Path] = (
            partial(free_name, target, self.name) if target.is_dir() else lambda _: target
        )
        return (yield from type(self._client).download.flow(self._client, carried, choose))

    def _repr_png_(self) -> bytes | None:
        return self._shown() if self.media_type == "image/png" else None

    def _repr_html_(self) -> str:
        where, about = escape(self.url, quote=True), escape(self.name, quote=True)
        data = self._shown()
        if data is not None:
            where = f"data:{escape(self.media_type, quote=True)};base64,{_base64(data)}"
        match self.modality:
            case "image":
                return f'<img src="{where}" alt="{about}" style="max-width:100%">'
            case "audio":
                return f'<audio controls src="{where}"></audio>'
            case "video":
                return f'<video controls src="{where}" style="max-width:100%"></video>'
        return f'<a href="{escape(self.url, quote=True)}">{about}</a>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        bundle = {"text/plain": repr(self), "text/html": self._repr_html_()}
        png = self._repr_png_()
        return bundle if png is None else {**bundle, "image/png": _base64(png)}

    def _shown(self) -> bytes | None:
        """Its bytes, unless they are too many. Representations cannot be awaited: this blocks."""
        if self.modality not in ("image", "audio", "video"):
            return None
        if self._bytes is None:
            self._bytes = self._client.peek(self.path, MAX_SHOWN)
        return self._bytes


class Asset(AssetHandle, Sync):
    """An asset of a `Medley`."""

    def _perform(self, flow: Flow[Any]) -> Any:
        return self._client._perform(flow)  # type: ignore[attr-defined]


class AsyncAsset(AssetHandle, Async):
    """An asset of an `AsyncMedley`."""

    async def _perform(self, flow: Flow[Any]) -> Any:
        return await self._client._perform(flow)  # type: ignore[attr-defined]


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
