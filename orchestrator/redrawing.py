"""Redrawing: a judge that is not content has the drawing made again, with another seed. Pure.

Such a judge is lowered to two steps. `redraw` judges first and, below the threshold, adds in its
commit a drawing, the step that looks at it, and the next `redraw`, which holds the new drawing
against the best so far; the judge under its own id waits for all of them and takes the best of all
rounds. Readers of the judge never know.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from medley.plan import Binding, OutputBinding, PlanStep

REDRAW = "redraw"
LOOKS = ("vectors", "scores")  #: inputs of a judge that other steps make of its candidates


def with_redraws(
    judge: PlanStep, written: PlanStep, before: Sequence[PlanStep], name: str
) -> list[PlanStep]:
    """The steps that stand for a lowered judge: itself, where nothing can be drawn again.

    `written` is the judge as it stood in the plan, `before` the lowered steps before it, `name` an
    id that is free.
    """
    params = {key: value for key, value in judge.params.items() if key != "redraws"}
    plain = judge.model_copy(update={"params": params})
    if not judge.params.get("redraws") or params.get("threshold") is None:
        return [plain]
    made = {step.id: step for step in before}
    candidate = _last(judge.inputs["candidates"])
    look = next((port for port in LOOKS if port in judge.inputs), None)
    looked = _last(judge.inputs[look]) if look else None
    drawn = made.get(candidate.step) if candidate else None
    seen = made.get(looked.step) if looked else None
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
            "see": _json(seen),
            "judge": _json(written),
        },
        model=judge.model,
        after=sorted({*judge.after, *drawn.needs(), *seen.needs()}),
    )
    inputs: dict[str, Binding | list[Binding]] = {
        "candidates": [OutputBinding.of(f"{name}.best")],
        "request": judge.inputs["request"],
    }
    return [first, plain.model_copy(update={"inputs": inputs})]


def next_round(redraw: PlanStep, step: PlanStep, see: PlanStep, request: Binding) -> list[PlanStep]:
    """The drawing of the next round, the step that looks at it, and the `redraw` that judges.

    `step` is the last drawing and `see` what looked at it, both with what they read put in by
    value, but for the drawing itself.
    """
    params = redraw.params
    number = int(params["number"]) + 1
    base = redraw.id.removesuffix(str(params["number"]))
    drawing = step.model_copy(
        update={
            "id": f"{base}{number}_draw",
            "params": {**step.params, "seed": int(step.params["seed"]) + 1},
            "after": [],
        }
    )
    made = OutputBinding.of(f"{drawing.id}.{params['port']}")
    look = see.model_copy(
        update={"id": f"{base}{number}_see", "inputs": {**see.inputs, "media": made}, "after": []}
    )
    port, output = _SEEN[see.tool]
    again = redraw.model_copy(
        update={
            "id": f"{base}{number}",
            "inputs": {
                "candidates": [made],
                port: [OutputBinding.of(f"{look.id}.{output}")],
                "request": request,
            },
            "params": {
                **params,
                "number": number,
                "left": int(params["left"]) - 1,
                "step": _json(drawing),
                "see": _json(look),
            },
            "after": [],
        }
    )
    return [drawing, look, again]


#: What looks at a candidate, the port of the judge that reads it, and its output.
_SEEN = {"embed": ("vectors", "embedding"), "match": ("scores", "score")}


def judge_of(params: Mapping[str, Any]) -> PlanStep:
    """The judge that a `redraw` with these parameters works for, as it stood in the plan."""
    return PlanStep.model_validate(params["judge"])


def _last(bound: Binding | list[Binding]) -> OutputBinding | None:
    listed = bound if isinstance(bound, list) else [bound]
    found = listed[-1] if listed else None
    return found if isinstance(found, OutputBinding) and found.item is None else None


def _json(step: PlanStep) -> dict[str, Any]:
    return step.model_dump(mode="json", by_alias=True, exclude_none=True)
