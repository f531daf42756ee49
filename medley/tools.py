"""Tools: typed operations that a plan may use.

A tool is declared once. The planner's grammar, the plan check, the REST schemas, the forms in
the page and the docs are all derived from its declaration.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from medley.modality import Modality
from medley.status import Lane

#: Marks a parameter, in its schema, that callers set and plans of the hub do not.
BUDGET = "x-budget"
#: Marks a parameter, in its schema, that only models take whose entry names it in `extras`.
EXTRA = "x-extra"


class Params(BaseModel):
    """Parameters of a tool: a pydantic model; its fields carry ranges and defaults."""

    model_config = ConfigDict(extra="forbid")


class NoParams(Params):
    """For tools without parameters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One input or output of a tool. For an input, `accepts` is what may come in; for an output,
    what may come out.
    """

    accepts: frozenset[Modality]
    about: str
    many: bool = False  # takes or gives a list
    required: bool = True
    max_items: int = 16
    extra: bool = False  # only models take it whose entry names it in `extras`

    def takes(self, modalities: Iterable[Modality]) -> bool:
        """Whether every one of these modalities fits."""
        return set(modalities) <= self.accepts


def port(
    *modalities: Modality,
    about: str,
    many: bool = False,
    required: bool = True,
    max_items: int = 16,
    extra: bool = False,
) -> Port:
    """Shorthand for a `Port`."""
    return Port(
        accepts=frozenset(modalities),
        about=about,
        many=many,
        required=required,
        max_items=max_items,
        extra=extra,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A typed operation. `version` is part of the step cache's key: raise it when the meaning of an
    output changes.
    """

    name: str
    about: str
    inputs: Mapping[str, Port]
    outputs: Mapping[str, Port]
    lane: Lane
    params: type[Params] = NoParams
    version: int = 1
    planned: bool = True  # may stand in a plan; `plan` and `answer` are added by the engine itself
    by_hub: bool = True  # the hub may plan it; otherwise only a plan that its caller wrote
    cacheable: bool = True
    seeded: bool = False  # takes a seed; an equal seed gives an equal result
    max_attempts: int = 3
    deadline_s: float = 600.0  # of one attempt
    stall_s: float = 120.0  # without any progress
    examples: tuple[str, ...] = field(default=())
    #: Of a tool from outside: what it was made of, as plain JSON (`medley.mcp.declaration`).
    declared: Mapping[str, Any] | None = None

    @property
    def extras(self) -> dict[str, Any]:
        """The parameters and inputs that not every model takes, each with what is as good as
        nothing.
        """
        fields = self.params.model_fields.items()
        marked = {
            name: field.default
            for name, field in fields
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get(EXTRA)
        }
        return marked | {name: None for name, port in self.inputs.items() if port.extra}

    @property
    def server(self) -> str:
        """The attached server that it belongs to; empty for Medley's own tools."""
        return self.name.partition(".")[0] if self.declared is not None else ""

    def schema(self) -> dict[str, Any]:
        """The declaration as plain JSON, as `GET /v1/tools` shows it."""
        return {
            "name": self.name,
            "about": self.about,
            "version": self.version,
            "lane": self.lane.value,
            "inputs": {name: _port_schema(item) for name, item in self.inputs.items()},
            "outputs": {name: _port_schema(item) for name, item in self.outputs.items()},
            "params": self.params.model_json_schema(),
            "seeded": self.seeded,
            "planned": self.planned,
            **({"server": self.server} if self.server else {}),
        }


def _port_schema(item: Port) -> dict[str, Any]:
    return {
        "modalities": sorted(modality.value for modality in item.accepts),
        "about": item.about,
        "many": item.many,
        "required": item.required,
        **({"max_items": item.max_items} if item.many else {}),
        **({"extra": True} if item.extra else {}),
    }


class Toolbox(Mapping[str, Tool]):
    """The tools known here, by name."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            if tool.name in self._tools:
                raise ValueError(f"tool {tool.name!r} is declared twice")
            self._tools[tool.name] = tool

    def __getitem__(self, name: str) -> Tool:
        return self._tools[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tools)

    def __len__(self) -> int:
        return len(self._tools)

    def only(self, names: Iterable[str]) -> "Toolbox":
        """The same declarations, cut down to these names (to what is live, say)."""
        wanted = set(names)
        return Toolbox(tool for tool in self._tools.values() if tool.name in wanted)

    def planned(self) -> "Toolbox":
        """The tools that a plan of the hub may use."""
        return Toolbox(tool for tool in self._tools.values() if tool.planned and tool.by_hub)
