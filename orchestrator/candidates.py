"""Candidates: a step that draws with a seed is run several times; the best result is taken. Pure.

Each further candidate is a step of its own with the next seed; a `judge` step behind them compares
all with what was asked for, and whoever read the one result reads the chosen one. All of them stay
in the plan, with their results and the judge's scores.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from medley.modality import Modality
from medley.plan import OutputBinding, Plan, PlanStep, unused
from medley.tools import Tool, Toolbox

JUDGE = "judge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What a caller wants: `number` candidates of each drawing, the cosine `threshold` below which
    the judge doubts its choice, and up to `redraws` more drawings then. `seed` is that of the first
    candidate where the step names none.
    """

    number: int = 1
    threshold: float | None = None
    redraws: int = 0
    seed: int | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Candidates":
        """From a job's options."""
        return cls(
            number=int(options.get("best_of") or 1),
            threshold=options.get("min_score"),
            redraws=int(options.get("max_redraws") or 0),
            seed=options.get("seed"),
        )

    def apply(self, plan: Plan, tools: Toolbox) -> Plan:
        """The plan with its candidates; as it is where one is enough and nothing has to be judged,
        where there is no judge, where a judge reads the drawing already, or where a step is run
        for each item of a list. Expects a plan that passed the gate.
        """
        wanted = self.number > 1 or self.threshold is not None
        return _several(plan, tools, self) if wanted and JUDGE in tools else plan


def _several(plan: Plan, tools: Toolbox, wanted: Candidates) -> Plan:
    judged = {
        item.step
        for step in plan.steps
        if step.tool == JUDGE
        for _, _, item in step.bindings()
        if isinstance(item, OutputBinding)
    }
    taken = {step.id for step in plan.steps}
    steps: list[PlanStep] = []
    chosen: dict[str, str] = {}
    for step in plan.steps:
        single = step.id not in judged and step.map is None
        port = _drawn(tools[step.tool]) if single else None
        if port is None:
            steps.append(step)
            continue
        drawn = secrets.randbelow(1 << 31) if wanted.seed is None else wanted.seed
        first = int(step.params.get("seed", drawn))
        several = [
            step.model_copy(
                update={
                    "id": step.id if place == 0 else unused(f"{step.id}_{place + 1}", taken),
                    "params": {**step.params, "seed": first + place},
                }
            )
            for place in range(wanted.number)
        ]
        judge = _judge(unused(f"{JUDGE}_{step.id}", taken), several, port, wanted)
        chosen[f"{step.id}.{port}"] = f"{judge.id}.best"
        steps += [*several, judge]

    def best(name: str) -> str:
        return chosen.get(name, name)

    read = [_with_best(step, best) for step in steps]
    reply = plan.reply.model_copy(update={"show": [best(name) for name in plan.reply.show]})
    return plan.model_copy(update={"steps": read, "reply": reply})


def _with_best(step: PlanStep, best: Callable[[str], str]) -> PlanStep:
    """A reader of the best candidates; only a judge reads all of its own."""
    read = step.reading(best)
    if step.tool != JUDGE:
        return read
    inputs = {**read.inputs, "candidates": step.inputs["candidates"]}
    return read.model_copy(update={"inputs": inputs})


def _drawn(tool: Tool) -> str | None:
    """The port of the picture, sound or film that a seeded tool makes from its first input."""
    media = {Modality.IMAGE, Modality.AUDIO, Modality.VIDEO}
    made = [name for name, port in tool.outputs.items() if port.accepts <= media and not port.many]
    return made[0] if tool.seeded and len(made) == 1 and tool.inputs else None


def _judge(name: str, several: list[PlanStep], port: str, wanted: Candidates) -> PlanStep:
    asked = next(iter(several[0].inputs.values()))
    inputs: dict[str, Any] = {
        "candidates": [OutputBinding.of(f"{step.id}.{port}") for step in several],
        "request": asked,
    }
    params = {} if wanted.threshold is None else {"threshold": wanted.threshold}
    if params and wanted.redraws:
        params["redraws"] = wanted.redraws
    return PlanStep(id=name, tool=JUDGE, inputs=inputs, params=params)
