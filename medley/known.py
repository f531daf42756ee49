"""Known: what a plan is judged against, and what a judgement looks like. Values only.

The tools that may be used now, the assets and inputs that there are, the limits; and the fault,
which names a place of the plan, a reason and a suggestion.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from medley.modality import Modality
from medley.tools import Tool, Toolbox


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a plan."""

    pointer: str  # JSON pointer into the plan, such as /steps/1/inputs/image
    reason: str
    suggestion: str = ""

    def to_data(self) -> dict[str, str]:
        """Plain JSON."""
        return {"pointer": self.pointer, "reason": self.reason, "suggestion": self.suggestion}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a plan may be, and what it may cost."""

    max_steps: int = 64
    max_depth: int = 16
    max_fan_out: int = 32
    max_gpu_seconds: float | None = None  # None: any


@dataclass(frozen=True, slots=True)
class Barred:
    """A declared tool that may not be used now, and why."""

    tool: Tool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a plan may refer to: usable tools, assets by id, and a workflow's inputs by name.

    `barred`: declared tools that may not be used now. `taken`: ids that steps may not have.
    """

    tools: Toolbox
    barred: Mapping[str, Barred] = field(default_factory=dict)
    taken: Collection[str] = ()
    assets: Mapping[str, Modality] = field(default_factory=dict)
    inputs: Mapping[str, frozenset[Modality]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
