"""Routing: which model serves a tool. Pure; the catalogue says what there is, live workers what can
run now.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from medley.backend import ModelSpec
from medley.tools import Toolbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a caller allows."""

    commercial_only: bool = False
    space: str = ""  # keep to models of this embedding space, where a model has one
    tools_from: frozenset[str] = frozenset()  # attached servers whose tools may be used

    @classmethod
    def asked(cls, options: Mapping[str, Any]) -> "Policy":
        """What the options of a job say."""
        return cls(
            commercial_only=bool(options.get("commercial_only")),
            tools_from=frozenset(options.get("tools_from") or ()),
        )


def candidates(tool: str, models: Iterable[ModelSpec], policy: Policy) -> list[ModelSpec]:
    """The models that serve a tool under this policy, best first: lowest rank, then by id."""
    fitting = [
        spec
        for spec in models
        if tool in spec.tools
        and (spec.commercial or not policy.commercial_only)
        and (not policy.space or not spec.space or spec.space == policy.space)
        and (not spec.outside or spec.outside in policy.tools_from)
    ]
    return sorted(fitting, key=lambda spec: (spec.rank, spec.id))


def choose(
    tool: str, models: Mapping[str, ModelSpec], policy: Policy, pinned: str | None = None
) -> ModelSpec | None:
    """The model for a step; None when none of these may serve it. A pinned model must serve the
    tool, too.
    """
    found = candidates(tool, models.values(), policy)
    if pinned is not None:
        found = [spec for spec in found if spec.id == pinned]
    return found[0] if found else None


def live_tools(
    tools: Toolbox, models: Mapping[str, ModelSpec], served: Collection[str], policy: Policy
) -> Toolbox:
    """The declarations of what can be used now: a model is allowed, and some worker serves the
    tool.
    """
    names = (name for name in tools if name in served and choose(name, models, policy) is not None)
    return tools.only(names)
