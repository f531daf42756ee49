"""The hook of `redraw`: judges and, where no candidate is good enough, has the drawing made once
more, while the job's budget of steps allows. No backend runs.
"""

from collections.abc import Mapping
from typing import Any

from medley.plan import Binding, PlanStep
from medley.tools import Toolbox
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease, NewStep
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend
from orchestrator.hooks.by_value import binding, by_value
from orchestrator.hooks.judge import Judged, data, judge
from orchestrator.redrawing import next_round

_ROOM = "SELECT max_steps + 2 - steps_total FROM jobs WHERE id = %s"
_STEPS = 3  #: of a round: the drawing, what looks at it, the next judgement


class RedrawHook(WithoutBackend):
    """Adds the steps of another round."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The verdict over all rounds so far and, where it is not good enough, the next round.
        Raises `BadInput`.
        """
        earlier: Mapping[str, Any] = lease.params.get("earlier") or _NOTHING
        new = judge(conn, lease, inputs)
        whole = Judged(
            candidates=new.candidates,
            scores=[*earlier["verdict"]["scores"], *new.scores],
            steps=[*earlier["verdict"]["steps"], *new.steps],
        )
        place = whole.best - len(earlier["verdict"]["scores"])
        best = earlier["best"] if place < 0 else new.candidates[place].model_dump(mode="json")
        verdict = whole.verdict(float(lease.params["threshold"]))
        seen = {"best": best, "verdict": verdict}
        goes_on = not verdict["passed"] and lease.params["left"] > 0 and _room(conn, lease)
        commit = Commit(
            outputs={"best": best, "verdict": data(verdict), "round": data(lease.params["number"])},
            steps=self._next(lease, inputs, seen) if goes_on else [],
        )
        return Prepared(inputs=inputs, commit=commit)

    def _next(self, lease: Lease, inputs: Inputs, seen: Mapping[str, Any]) -> list[NewStep]:
        own = PlanStep(
            id=lease.step,
            tool=lease.tool,
            params={**lease.params, "earlier": dict(seen)},
            model=lease.model,
        )
        step = _by_value(lease.params["step"], lease)
        see = _by_value(lease.params["see"], lease, left="media")
        wanted = inputs["request"]
        request: Binding = binding(wanted[0] if isinstance(wanted, list) else wanted)
        made = next_round(own, step, see, request)
        into = str(lease.params["judge"]["id"])
        return [
            NewStep.of(
                found,
                self._tools[found.tool],
                item_of=lease.step,
                feeds=into if found is made[-1] else None,
            )
            for found in made
        ]


_NOTHING: Mapping[str, Any] = {"verdict": {"scores": [], "steps": []}, "best": None}


def _by_value(data: Any, lease: Lease, left: str = "") -> PlanStep:
    """The step with what it reads put in by value, but for the port `left`."""
    step = PlanStep.model_validate(data)
    inputs = {
        port: bound if port == left else by_value(bound, lease)[0]
        for port, bound in step.inputs.items()
    }
    return step.model_copy(update={"inputs": inputs})


def _room(conn: Raw, lease: Lease) -> bool:
    row = conn.execute(_ROOM, [lease.job]).fetchone()
    return row is not None and int(row[0]) >= _STEPS
