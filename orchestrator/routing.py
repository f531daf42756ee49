"""Routing: which model serves a tool. Pure; the catalogue says what there is, live workers what can
run now.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from medley.backend import ModelSpec
from medley.gate import Barred
from medley.modality import Modality
from medley.tools import Tool, Toolbox

_EMBEDDING = frozenset({Modality.EMBEDDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a caller allows."""

    commercial_only: bool = False
    space: str = ""  # keep to models of this embedding space, where a model has one
    tools_from: frozenset[str] = frozenset()  # attached servers whose tools may be used
    models: Mapping[str, str] = field(default_factory=dict)  # the model that serves a tool, by name

    @classmethod
    def asked(cls, options: Mapping[str, Any]) -> "Policy":
        """What the options of a job say."""
        return cls(
            commercial_only=bool(options.get("commercial_only")),
            tools_from=frozenset(options.get("tools_from") or ()),
            models=dict(options.get("models") or {}),
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
        and policy.models.get(tool, spec.id) == spec.id
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


def usable(
    tools: Toolbox,
    models: Mapping[str, ModelSpec],
    policy: Policy,
    served: Collection[str] | None = None,
    withheld: Iterable[ModelSpec] = (),
    *,
    by_hub: bool = False,
) -> tuple[Toolbox, dict[str, Barred]]:
    """The tools that a plan can use now, and for each of the others why not.

    `served`: names of the tools that live workers serve; None: whoever will serve them later.
    `withheld`: models that the installation leaves out for their licence. `by_hub`: the plan is the
    hub's, which may not use all that a caller's own may.
    """
    ready = models if served is None else serving(models, served)
    barred = {}
    for name, tool in tools.items():
        reason = "" if tool.planned else f"The tool {name!r} may not stand in a plan."
        if by_hub and not tool.by_hub:
            reason = reason or f"The tool {name!r} may stand only in a plan that its caller wrote."
        reason = reason or why_not(name, models, policy, withheld)
        if not reason and choose(name, ready, policy) is None:
            reason = f"No live worker serves {name!r} now."
        reason = reason or _unembedded(tool, ready, policy)
        if reason:
            barred[name] = Barred(tool, reason)
    return tools.only(name for name in tools if name not in barred), barred


def live_tools(
    tools: Toolbox, models: Mapping[str, ModelSpec], served: Collection[str], policy: Policy
) -> Toolbox:
    """The declarations of what can be used now: a model is allowed, and some worker serves the
    tool.
    """
    return usable(tools, models, policy, served)[0]


def serving(models: Mapping[str, ModelSpec], served: Collection[str]) -> dict[str, ModelSpec]:
    """The models with those of their tools that live workers serve."""
    names = frozenset(served)
    return {name: replace(spec, tools=spec.tools & names) for name, spec in models.items()}


def why_not(
    tool: str,
    models: Mapping[str, ModelSpec],
    policy: Policy,
    withheld: Iterable[ModelSpec] = (),
) -> str:
    """Why no model may serve a tool; empty where one may."""
    if candidates(tool, models.values(), policy):
        return ""
    found = candidates(tool, {**models, **{spec.id: spec for spec in withheld}}.values(),
                       replace(policy, commercial_only=False))  # fmt: skip
    if not found:
        return f"No model of the catalogue serves {tool!r}."
    named = ", ".join(f"{spec.id} ({spec.licence or 'no licence named'})" for spec in found)
    return (
        f"Only models whose licence permits commercial use are allowed, and {tool!r} is served "
        f"by others alone: {named}."
    )


def _unembedded(tool: Tool, models: Mapping[str, ModelSpec], policy: Policy) -> str:
    """Why a tool whose model reads nothing but embeddings cannot be used; empty where it can."""
    model = choose(tool.name, models, policy)
    needed = [name for name, port in tool.inputs.items() if port.required]
    reads = [model.reads.get(f"{tool.name}.{name}") for name in needed] if model else []
    if model is None or _EMBEDDING not in reads:
        return ""
    if choose("embed", models, replace(policy, space=model.space or policy.space)) is not None:
        return ""
    return f"{tool.name!r} reads embeddings of the space {model.space!r}, and nothing writes them."
