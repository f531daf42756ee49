"""Redrawing: a judge that is not content has the drawing made again, with another seed. Pure.

Such a judge is lowered to two steps. `redraw` judges first and, below the threshold, adds in its
commit a drawing, its embedding and the next `redraw`, which looks at the best so far and the new
one; the judge under its own id waits for all of them and takes the best of all rounds. Readers of
the judge never know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medley.plan import AssetBinding, Binding, OutputBinding, PlanStep

REDRAW = "redraw"


def with_redraws(
    judge: PlanStep, written: PlanStep, before: Sequence[PlanStep], name: str
) -> list[PlanStep]:
    """The steps that stand for a lowered judge: itself, where nothing can be drawn again.

    `written` is the judge as it stood in the plan, `before` the lowered steps before it, `name` an
    id that is free.
    """
    params = {key: value for key, value in judge.params.items() if key != "redraws"}
    plain = judge.model_copy(update={"params": params})
    made = {step.id: step for step in before}
    candidate, vector = _last(judge.inputs["candidates"]), _last(judge.inputs.get("vectors", []))
    drawn = made.get(candidate.step) if candidate else None
    seen = made.get(vector.step) if vector else None
    if not judge.params.get("redraws") or params.get("threshold") is None:
        return [plain]
    if candidate is None or drawn is None or seen is None or "seed" not in drawn.params:
        return [plain]
    first = PlanStep(
        id=name,
        tool=REDRAW,
        inputs=judge.inputs,
        params={
            "threshold": params["threshold"],
            "left": judge.params["redraws"],
            "number": 1,
            "step": _json(drawn),
            "port": candidate.port,
            "encoder": seen.model,
            "judge": _json(written),
        },
        model=judge.model,
        after=sorted({*judge.after, *drawn.needs()}),
    )
    inputs: dict[str, Binding | list[Binding]] = {
        **judge.inputs,
        "candidates": [OutputBinding.of(f"{name}.best")],
        "vectors": [OutputBinding.of(f"{name}.vector")],
    }
    return [first, plain.model_copy(update={"inputs": inputs})]


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round that has been judged: what is best so far, and what was asked for."""

    best: str  # assets
    vector: str
    request: str


def next_round(redraw: PlanStep, step: PlanStep, done: Round) -> tuple[PlanStep, list[PlanStep]]:
    """The `redraw` of the next round, and the drawing and the embedding that it looks at.

    `step` is the drawing with what it reads put in by value.
    """
    params = redraw.params
    number = int(params["number"]) + 1
    base = redraw.id.removesuffix(str(params["number"]))
    seed = int(step.params["seed"]) + 1
    drawing = step.model_copy(
        update={
            "id": f"{base}{number}_draw",
            "params": {**step.params, "seed": seed},
            "after": [],
        }
    )
    made = OutputBinding.of(f"{drawing.id}.{params['port']}")
    seen = PlanStep(
        id=f"{base}{number}_see", tool="embed", inputs={"media": made}, model=params["encoder"]
    )
    again = redraw.model_copy(
        update={
            "id": f"{base}{number}",
            "inputs": {
                "candidates": [AssetBinding(asset=done.best), made],
                "vectors": [
                    AssetBinding(asset=done.vector),
                    OutputBinding.of(f"{seen.id}.embedding"),
                ],
                "request": AssetBinding(asset=done.request),
            },
            "params": {
                **params,
                "number": number,
                "left": int(params["left"]) - 1,
                "step": _json(drawing),
            },
            "after": [],
        }
    )
    return again, [drawing, seen]


def judge_of(params: Mapping[str, Any]) -> PlanStep:
    """The judge that a `redraw` with these parameters works for, as it stood in the plan."""
    return PlanStep.model_validate(params["judge"])


def _last(bound: Binding | list[Binding]) -> OutputBinding | None:
    listed = bound if isinstance(bound, list) else [bound]
    found = listed[-1] if listed else None
    return found if isinstance(found, OutputBinding) and found.item is None else None


def _json(step: PlanStep) -> dict[str, Any]:
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)
