"""Provenance as callers see it: recipes, lineage, and checks of content credentials."""

from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.common import Out, Time
from medley.recipe import Recipe


class AssetNode(Out):
    """A file in the graph."""

    type: Literal["asset"] = "asset"
    id: str
    modality: str
    media_type: str
    sha256: str
    origin: Literal["upload", "step"]
    name: str | None
    created_at: Time


class StepNode(Out):
    """A step in the graph; its id is `job/step`."""

    type: Literal["step"] = "step"
    id: str
    job: str
    step: str
    tool: str
    model: str | None
    seed: int | None
    params: dict[str, Any]
    status: str
    completed_at: Time | None


class GoneNode(Out):
    """Something that is forgotten by now."""

    type: Literal["gone"] = "gone"
    id: str


class LineageEdge(Out):
    """From what was read to what was made of it."""

    source: str = Field(alias="from")
    to: str


class Provenance(Out):
    """How an asset came to be, back to the uploads."""

    object: Literal["provenance"] = "provenance"
    asset: str
    sha256: str
    recipe: Recipe | None = Field(description="Null for an upload.")
    nodes: list[Annotated[AssetNode | StepNode | GoneNode, Field(discriminator="type")]]
    edges: list[LineageEdge]
    truncated: bool = Field(description="There was more than is shown.")


class RecipeRead(Out):
    """What a file says about how it was made, and what can be asked for here."""

    object: Literal["recipe"] = "recipe"
    recipe: Recipe
    asset: str | None = Field(description="The file without its recipe, if it is here.")
    ready: bool = Field(description="Whether `job` can be sent as it is.")
    missing: list[str] = Field(description="Hashes of files that are read and are not here.")
    notes: list[str]
    job: dict[str, Any] | None = Field(
        description="A body for `POST /v1/jobs` that makes the file again, with its models and "
        "seeds. A file that is not here stands in it by its hash: upload it and read again."
    )
    request: dict[str, Any] | None = Field(
        description="A body for `POST /v1/jobs` that asks for the same anew; null where no words "
        "were asked."
    )


class C2paResult(Out):
    """What the content credentials of a file say."""

    type: Literal["c2pa"] = "c2pa"
    outcome: Literal["detected", "not_detected"] = Field(
        description="Whether valid credentials say that a model made the file."
    )
    validation_state: Literal["trusted", "valid", "invalid", "not_present"]
    issuer: str | None = None
    generated_at: str | None = None
    model: str | None = None


class ProvenanceCheck(Out):
    """OpenAI's `content_provenance_check`. Watermarks are not looked for."""

    object: Literal["content_provenance_check"] = "content_provenance_check"
    created_at: int = Field(description="Unix seconds.")
    results: list[C2paResult]
