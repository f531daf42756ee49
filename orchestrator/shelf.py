"""The shelf: every model that is known, as callers see it. What it is comes from the catalogue,
where it is from the files of this machine and from what live workers announce.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from medley.backend import ModelSpec
from medley.machine import model_memory, this_machine
from medley.modality import Modality
from medley.settings import Settings
from medley.tools import Toolbox
from medley.weights import here
from orchestrator.overview import Worker

#: A worker's state of a model, the one that counts first.
_STATES = ("away", "loaded", "loading", "failed")


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """What is known of models. `known`: all; `serving`: those of this installation.

    `states`: by model the state in each live worker; `workers`: the live ones; `settings` say how
    many bytes models may take in memory, where no live worker does.
    """

    known: Mapping[str, ModelSpec]
    serving: Mapping[str, ModelSpec]
    tools: Toolbox
    settings: Settings
    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    workers: Sequence[Worker] = ()

    @cached_property
    def budget(self) -> int:
        """Bytes that models may take in the roomiest worker."""
        told = [item.facts.get("memory_budget_bytes") for item in self.workers]
        known = [size for size in told if isinstance(size, int)]
        if known or self.settings.memory_budget_bytes:
            return max(known, default=self.settings.memory_budget_bytes or 0)
        machine = this_machine()
        accelerated = self.settings.device != "cpu"
        processes = self.settings.worker_processes
        return model_memory(machine, accelerated=accelerated, processes=processes)

    def find(
        self, *, tool: str | None = None, serving: bool | None = None, system: str | None = None
    ) -> list[ModelSpec]:
        """The models that fit these filters: first those that serve, then all others, by id."""
        every = {**self.known, **self.serving}
        fitting = [
            spec
            for spec in every.values()
            if (tool is None or tool in spec.tools)
            and (serving is None or (spec.id in self.serving) is serving)
            and (system is None or _named(system, spec.systems))
        ]
        return sorted(fitting, key=lambda spec: (spec.id not in self.serving, spec.id))

    def get(self, name: str) -> ModelSpec | None:
        """One model."""
        return self.serving.get(name) or self.known.get(name)

    def show(self, spec: ModelSpec) -> dict[str, Any]:
        """A model as plain values."""
        takes, gives = modalities(spec, self.tools)
        is_here = here(spec)
        able = sorted(item.id for item in self.workers if spec.id in (item.serves or ()))
        states = self.states.get(spec.id, {})
        return {
            "id": spec.id,
            "family": spec.family,
            "fidelity": spec.fidelity,
            "systems": list(spec.systems),
            "about": spec.about,
            "licence": spec.licence,
            "commercial": spec.commercial,
            "gated": spec.gated,
            "parameters": spec.parameters,
            "memory_bytes": spec.memory_bytes,
            "memory": spec.memory(),
            "tools": sorted(spec.tools),
            "takes": takes,
            "gives": gives,
            "params": params(spec, self.tools),
            "extras": sorted(spec.extras),
            "source": spec.source if "://" not in spec.source else "remote",
            "revision": spec.revision,
            "space": spec.space,
            "fallback": spec.fallback or None,
            "serving": spec.id in self.serving,
            "here": is_here,
            "fits": spec.memory_bytes <= self.budget,
            "status": self._status(spec, states, able, is_here),
            "lacks": next((why for why in self._lacks(spec)), None) if not able else None,
            "served_by": able,
            "workers": sorted(worker for worker, state in states.items() if state == "loaded"),
        }

    def _lacks(self, spec: ModelSpec) -> Iterable[str]:
        return (item.lacks[spec.id] for item in self.workers if spec.id in item.lacks)

    def _status(
        self, spec: ModelSpec, states: Mapping[str, str], able: Sequence[str], is_here: bool
    ) -> str:
        held = next((state for state in _STATES if state in states.values()), None)
        if held is not None:
            return held
        if able:
            return "live"
        return "available" if is_here and not any(self._lacks(spec)) else "missing"


def modalities(spec: ModelSpec, tools: Toolbox) -> tuple[list[str], list[str]]:
    """What a model takes and gives, by its tools that may stand in plans, cut to what it reads."""
    takes: set[Modality] = set()
    gives: set[Modality] = set()
    for name in spec.tools & set(tools.planned()):
        for port, item in tools[name].inputs.items():
            takes |= spec.reads.get(f"{name}.{port}", item.accepts)
        for item in tools[name].outputs.values():
            gives |= item.accepts
    return sorted(takes), sorted(gives)


def params(spec: ModelSpec, tools: Toolbox) -> dict[str, dict[str, Any]]:
    """By tool and parameter what this model does differently: its default, its least and most."""
    found: dict[str, dict[str, Any]] = {}
    for place, value in spec.defaults.items():
        found.setdefault(place, {})["default"] = value
    for place, (least, most) in spec.ranges.items():
        found.setdefault(place, {}).update(minimum=least, maximum=most)
    return {place: found[place] for place in sorted(found) if place.partition(".")[0] in tools}


def _named(system: str, systems: Sequence[str]) -> bool:
    return system.casefold() in (name.casefold() for name in systems)
