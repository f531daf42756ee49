"""Recipes: how a produced file was made, as the file itself says it.

A recipe names assets by the hash of their bytes, so that it means something in any installation. It
may come back from a stranger: its shape is strict and bounded, and nothing in it is ever run
without passing the gate like any other plan.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from medley.errors import CallerError
from medley.media.xmp import packet
from medley.parts import MAX_TEXT
from medley.plan import Plan

MAX_NOTES = 512 << 10  #: bytes in a file that may be a recipe
_WORDS = 2_000  #: characters that are kept where the whole recipe has no room

Name = Annotated[str, Field(max_length=256)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class NoRecipe(CallerError):
    """The file says nothing about how it was made, or nothing that can be understood."""

    code, status = "no_recipe", 422


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class UsedModel(_Shape):
    """A model that had a part in it."""

    revision: Name = ""
    source: Name = ""  # empty: a plain tool without weights


class UsedAsset(_Shape):
    """A file that was read."""

    modality: Annotated[str, Field(max_length=32)]
    media_type: Annotated[str, Field(max_length=128)]
    name: Annotated[str, Field(max_length=255)] = ""


class Said(_Shape):
    """A part of the request: words, or a file by its hash."""

    text: str | None = Field(default=None, max_length=MAX_TEXT)
    sha256: Hash | None = None


class Asked(_Shape):
    """What the caller asked for."""

    input: list[Said] = Field(default_factory=list, max_length=64)
    instructions: str = Field(default="", max_length=MAX_TEXT)
    outputs: list[Annotated[str, Field(max_length=32)]] = Field(default_factory=list, max_length=8)
    options: dict[Annotated[str, Field(max_length=64)], Any] = Field(
        default_factory=dict, max_length=32
    )


class Recipe(_Shape):
    """How one file was made. Bindings of `plan` name assets by hash."""

    medley: Literal[1] = 1
    version: Annotated[str, Field(max_length=64)]  # of Medley
    job: Annotated[str, Field(max_length=64)]
    step: Annotated[str, Field(max_length=64)]
    output: Annotated[str, Field(max_length=128)]  # such as s2.image
    sha256: Hash  # of the file without its recipe
    media_type: Annotated[str, Field(max_length=128)]
    tool: Annotated[str, Field(max_length=64)]
    model: Name | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    words: str = Field(default="", max_length=MAX_TEXT)
    params: dict[Annotated[str, Field(max_length=64)], Any] = Field(
        default_factory=dict, max_length=64
    )
    made_at: datetime | None = None
    width: int | None = Field(default=None, ge=0, lt=2**31)
    height: int | None = Field(default=None, ge=0, lt=2**31)
    request: Asked | None = None
    plan: Plan | None = None  # the steps that led to it, with their models and seeds
    models: dict[Name, UsedModel] = Field(default_factory=dict, max_length=64)
    inputs: dict[Hash, UsedAsset] = Field(default_factory=dict, max_length=256)
    cut: bool = False  # there was no room for all of it

    @property
    def generated(self) -> bool:
        """Whether a model with weights had a part in it."""
        return any(model.source for model in self.models.values())

    def to_text(self, room: int) -> str:
        """JSON in ASCII of at most so many bytes; what does not fit is left out, and it says so."""
        whole = self._json()
        if len(whole) <= room:
            return whole
        kept = self.model_copy(update={"cut": True, "request": None, "words": self.words[:_WORDS]})
        steps: tuple[dict[str, Any], ...] = (
            {"params": {}},
            {"plan": None},
            {"models": {}, "inputs": {}},
            {"words": ""},
        )
        for less in steps:
            if len(text := kept._json()) <= room:
                return text
            kept = kept.model_copy(update=less)
        return kept._json()

    def _json(self) -> str:
        data = self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        return json.dumps({"medley": self.medley, **data}, separators=(",", ":"))

    def parameters(self) -> str:
        """The same for eyes and for programs that know this line: words, then what was set."""
        lines = [" ".join(self.words.split())[:_WORDS]]
        if negative := self.params.get("negative_prompt") or self.params.get("negative"):
            lines.append(f"Negative prompt: {' '.join(str(negative).split())[:_WORDS]}")
        lines.append(", ".join(f"{name}: {value}" for name, value in self._settings().items()))
        return "\n".join(line for line in lines if line)

    def xmp(self) -> str:
        """The same for programs and platforms that tell made pictures from photographs."""
        used = self.models.get(self.model or "")
        return packet(
            generated=self.generated,
            tool=f"Medley {self.version}",
            system=self.model or "",
            revision=used.revision if used else "",
            words=self.words[:_WORDS],
        )

    def _settings(self) -> Mapping[str, Any]:
        known = {"steps": "Steps", "guidance": "CFG scale"}
        found: dict[str, Any] = {
            label: self.params[name] for name, label in known.items() if name in self.params
        }
        if self.seed is not None:
            found["Seed"] = self.seed
        if self.width and self.height:
            found["Size"] = f"{self.width}x{self.height}"
        if self.model:
            found["Model"] = self.model
            if revision := getattr(self.models.get(self.model), "revision", ""):
                found["Model hash"] = revision[:12]
        return {**found, "Version": f"Medley {self.version}"}
