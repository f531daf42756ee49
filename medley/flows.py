"""Workflows as tools: how a published workflow is declared, to plans and to the hub.

The declaration says what goes in and what comes out; a plan that uses it is written out into the
workflow's own steps before it runs (`orchestrator.subplans`).
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import Port, Tool

PREFIX = "flow."
FLOW = r"^flow\.[a-z][a-z0-9_]{0,30}$"
MAX_ABOUT = 300  #: characters of a description
MAX_PORTS = 16


class FlowPort(BaseModel):
    """One input or output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    modalities: frozenset[Modality]
    about: str = Field(default="", max_length=MAX_ABOUT)
    required: bool = True
    many: bool = False

    def port(self) -> Port:
        """As tools declare it."""
        return Port(
            accepts=self.modalities,
            about=self.about or "An input of the workflow.",
            many=self.many,
            required=self.required,
            max_items=64,
        )


class FlowTool(BaseModel):
    """A published workflow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=FLOW)
    about: str = Field(default="", max_length=MAX_ABOUT)
    inputs: dict[str, FlowPort] = Field(default_factory=dict, max_length=MAX_PORTS)
    outputs: dict[str, FlowPort] = Field(default_factory=dict, max_length=64)

    def tool(self) -> Tool:
        """The declaration as plans use it. It never runs itself."""
        ports: dict[str, Any] = {
            side: {name: item.port() for name, item in getattr(self, side).items()}
            for side in ("inputs", "outputs")
        }
        return Tool(
            name=self.name,
            about=self.about or "A workflow.",
            lane=Lane.CPU,
            cacheable=False,
            **ports,
        )
