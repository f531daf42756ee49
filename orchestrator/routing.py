"""Routing: which model serves a tool. Pure; the catalogue says what there is, live workers what
they can load.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What live workers serve. `tools`: by tool, the models that they can load for it (None: they
    do not say which); None as a whole: whoever will serve it later. `missing`: models that a live
    worker should serve and none can load, with the reason.
    """

    tools: Mapping[str, Collection[str] | None] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[tuple[Any, Any, Any]]) -> "Served":
        """From what workers announce: tools (`name@version`), models or None, what they lack."""
        tools: dict[str, set[str] | None] = {}
        lacks: dict[str, str] = {}
        for names, serves, lacking in rows:
            for name in names or ():
                tool = str(name).partition("@")[0]
                before = tools.setdefault(tool, set())
                whole = None if serves is None or before is None else before | set(serves)
                tools[tool] = whole
            lacks |= lacking or {}
        able = {model for found in tools.values() for model in found or ()}
        return cls(
            tools=tools, missing={name: why for name, why in lacks.items() if name not in able}
        )

    def by(self, tool: str, model: str) -> bool:
        """Whether this model serves this tool."""
        if self.tools is None:
            return model not in self.missing
        found = self.tools.get(tool, ())
        return found is None or model in found

    def later(self) -> "Served":
        """The same for what may wait for its workers: only what is missing cannot be used."""
        return replace(self, tools=None)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The model for a step, and the one that it stands in for, if that is not served."""

    model: ModelSpec
    instead_of: str | None = None


def pick(
    tool: str,
    models: Mapping[str, ModelSpec],
    ready: Mapping[str, ModelSpec],
    policy: Policy,
    pinned: str | None = None,
) -> Choice | None:
    """The model for a step among those that are `ready`: the best of all, or what its entry names
    as its fallback, or the next best. None when none of them may serve it.

    A model that the step or the caller names is replaced by its fallback alone.
    """
    best = choose(tool, models, policy, pinned)
    if best is None:
        return None
    found = choose(tool, ready, policy, best.id)
    if found is not None:
        return Choice(model=found)
    anyone = replace(policy, models={})
    other = choose(tool, ready, anyone, best.fallback) if best.fallback else None
    if other is None and pinned is None:
        other = choose(tool, ready, policy)
    return Choice(model=other, instead_of=best.id) if other is not None else None


def usable(
    tools: Toolbox,
    models: Mapping[str, ModelSpec],
    policy: Policy,
    served: Served | None = None,
    withheld: Iterable[ModelSpec] = (),
    *,
    by_hub: bool = False,
) -> tuple[Toolbox, dict[str, Barred]]:
    """The tools that a plan can use now, and for each of the others why not.

    `served`: what live workers serve; None: whoever will serve it later.
    `withheld`: models that the installation leaves out for their licence. `by_hub`: the plan is the
    hub's, which may not use all that a caller's own may.
    """
    ready = serving(models, served)
    barred = {}
    for name, tool in tools.items():
        reason, remedy = "", ""
        if not tool.planned:
            reason = f"The tool {name!r} may not stand in a plan."
        elif by_hub and not tool.by_hub:
            reason = f"The tool {name!r} may stand only in a plan that its caller wrote."
        reason = reason or why_not(name, models, policy, withheld)
        if not reason and pick(name, models, ready, policy) is None:
            reason, remedy = unserved(name, models, policy, served)
        reason = reason or _unembedded(tool, ready, policy)
        if reason:
            barred[name] = Barred(tool, reason, remedy)
    return tools.only(name for name in tools if name not in barred), barred


def live_tools(
    tools: Toolbox, models: Mapping[str, ModelSpec], served: Served, policy: Policy
) -> Toolbox:
    """The declarations of what can be used now: a model is allowed, and some worker serves the
    tool.
    """
    return usable(tools, models, policy, served)[0]


def serving(models: Mapping[str, ModelSpec], served: Served | None) -> Mapping[str, ModelSpec]:
    """The models with those of their tools that live workers serve them for."""
    if served is None:
        return models
    return {
        name: replace(spec, tools=frozenset(tool for tool in spec.tools if served.by(tool, name)))
        for name, spec in models.items()
    }


def unserved(
    tool: str,
    models: Mapping[str, ModelSpec],
    policy: Policy,
    served: Served | None,
    pinned: str | None = None,
) -> tuple[str, str]:
    """Why no live worker serves a tool now, and what would help."""
    missing = served.missing if served is not None else {}
    able = [spec for spec in candidates(tool, models.values(), policy) if pinned in (None, spec.id)]
    lacking = [spec for spec in able if spec.id in missing]
    if not lacking or len(lacking) < len(able):
        return f"No live worker serves {tool!r} now.", ""
    first = lacking[0]
    reason = f"{tool!r} is served by {first.id}, which no worker can load: {missing[first.id]}"
    return reason, _remedy(first)


def _remedy(model: ModelSpec) -> str:
    return f"`medley models pull {model.id}` on the machine of a worker, or use another model."


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
        return f"No model of this installation serves {tool!r}."
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
