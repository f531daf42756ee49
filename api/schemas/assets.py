"""Assets as callers see them."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.common import Body, Out, Time
from api.schemas.requests import Link
from medley.modality import Modality
from orchestrator.asset_rows import Asset
from orchestrator.asset_use import Use


class FetchIn(Body):
    """A file that is fetched instead of sent."""

    url: Link
    name: str = Field(default="", max_length=255, description="Otherwise as the URL has it.")


class AssetUrls(Out):
    """Where to go from an asset."""

    self: str
    content: str
    thumbnail: str | None = Field(description="A small WebP picture; null where there is none.")


class AssetOut(Out):
    """Immutable bytes, and what decoding found out about them."""

    id: str
    object: Literal["asset"] = "asset"
    sha256: str
    size: int = Field(description="Bytes.")
    modality: Modality
    media_type: str
    name: str | None = Field(description="The file's name as its sender said, for display only.")
    facts: dict[str, Any] = Field(
        description="Measured: width, height (pixels), seconds, fps, rate (Hz), channels, frames."
    )
    origin: dict[str, Any] = Field(
        description="An upload, a URL, or the job and step that made it."
    )
    created_at: Time
    urls: AssetUrls

    @classmethod
    def of(cls, asset: Asset) -> "AssetOut":
        """The view of a stored asset."""
        here = f"/v1/assets/{asset.id}"
        pictured = asset.modality in PICTURED
        facts = {
            name: value
            for name, value in asset.facts.to_data().items()
            if name not in ("modality", "media_type")
        }
        return cls(
            id=asset.id,
            sha256=asset.sha256,
            size=asset.size,
            modality=asset.modality,
            media_type=asset.media_type,
            name=asset.origin.get("name") or None,
            facts=facts,
            origin={name: value for name, value in asset.origin.items() if name != "name"},
            created_at=asset.created_at,
            urls=AssetUrls(
                self=here,
                content=f"{here}/content",
                thumbnail=f"{here}/thumbnail" if pictured else None,
            ),
        )


class UseOut(Out):
    """Something that names an asset."""

    id: str
    object: Literal["job", "conversation", "workflow", "batch"]
    url: str


def use(found: Use) -> UseOut:
    """A use with its link."""
    return UseOut.model_validate(
        {"id": found.id, "object": found.kind, "url": f"/v1/{found.kind}s/{found.id}"}
    )


#: Modalities that have a thumbnail.
PICTURED = frozenset({Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})
