"""Models, as callers see them. A list of them is also what OpenAI's clients expect."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.common import Out


class ModelOut(Out):
    """Weights, or a service, that serve one or more tools."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "medley"
    root: str | None = Field(
        default=None, description="The model that serves, where one of its aliases was asked for."
    )
    aliases: list[str] = Field(
        default_factory=list,
        description="Names of OpenAI's models, and `medley`, that lead to it here.",
    )
    family: str
    fidelity: Literal["exact", "reproduction", "successor", "built", "stand-in"] = Field(
        description="How near it is to the systems that it is named for."
    )
    systems: list[str] = Field(description="Those systems, as the literature calls them.")
    about: str
    licence: str
    commercial: bool
    gated: bool = Field(description="Its files are given only to who accepted terms.")
    parameters: int = Field(description="Number of weights; 0: not known.")
    memory_bytes: int
    memory: dict[str, int] = Field(description="Bytes of the weights, by their precision.")
    tools: list[str]
    takes: list[str] = Field(description="Modalities that its tools read.")
    gives: list[str] = Field(description="Modalities that its tools make.")
    params: dict[str, dict[str, Any]] = Field(
        description="By `tool.param` its own default, minimum and maximum, where it has some."
    )
    extras: list[str] = Field(
        description="As `tool.name`, what it takes of the parameters and inputs that not every "
        "model of the tool takes."
    )
    source: str
    revision: str
    space: str
    fallback: str | None = Field(description="The model that runs its steps while it is away.")
    serving: bool = Field(description="It belongs to this installation: plans may use it.")
    here: bool = Field(description="Its files are on the machine of this service.")
    fits: bool = Field(description="It fits the memory budget of this installation.")
    status: Literal["loaded", "loading", "failed", "away", "live", "available", "missing"] = Field(
        description="What live workers say of it; `live`: one can load it, `available`: its files "
        "are here and no worker serves it, `missing`: its files, or what loads them, are not here."
    )
    lacks: str | None = Field(description="Why no live worker can load it.")
    served_by: list[str] = Field(description="Workers that can load it.")
    workers: list[str] = Field(description="Workers that hold it in memory.")
