"""The hook of `redraw`: judges and, where no candidate is good enough, has the drawing made once
more, while the job's budget of steps allows. No backend runs.
"""

from dataclasses import replace
from typing import Any

from medley.plan import PlanStep
from medley.tools import Toolbox
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease, NewStep
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Prepared, WithoutBackend
from orchestrator.hooks.by_value import by_value
from orchestrator.hooks.judge import Judged, judge
from orchestrator.redrawing import Round, next_round

_ROOM = "SELECT max_steps + 2 - steps_total FROM jobs WHERE id = %s"
_STEPS = 3  #: of a round: the drawing, its embedding, the next look


class RedrawHook(WithoutBackend):
    """Adds the steps of another round."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The verdict over all rounds so far and, where it is not good enough, the next round.
        Raises `BadInput`.
        """
        judged = judge(conn, lease, inputs)
        threshold = float(lease.params["threshold"])
        best = judged.best
        verdict = _with_earlier(judged, lease).verdict(threshold)
        commit = Commit(
            outputs={
                "best": judged.candidates[best].model_dump(mode="json"),
                "vector": judged.vectors[best].model_dump(mode="json"),
                "verdict": {"type": "data", "data": verdict},
            }
        )
        if not verdict["passed"] and lease.params["left"] > 0 and _room(conn, lease):
            commit = replace(commit, steps=self._next(lease, judged, verdict))
        return Prepared(inputs=inputs, commit=commit)

    def _next(self, lease: Lease, judged: Judged, verdict: Any) -> list[NewStep]:
        own = PlanStep.model_validate(
            {
                "id": lease.step,
                "tool": lease.tool,
                "params": {**lease.params, "earlier": verdict},
                "model": lease.model,
            }
        )
        step = PlanStep.model_validate(lease.params["step"])
        given = {port: by_value(bound, lease)[0] for port, bound in step.inputs.items()}
        best = judged.best
        done = Round(
            best=judged.candidates[best].asset,
            vector=judged.vectors[best].asset,
            request=judged.request.asset,
        )
        again, made = next_round(own, step.model_copy(update={"inputs": given}), done)
        into = str(lease.params["judge"]["id"])
        return [
            *(NewStep.of(found, self._tools[found.tool], item_of=lease.step) for found in made),
            NewStep.of(again, self._tools[again.tool], item_of=lease.step, feeds=into),
        ]


def _with_earlier(judged: Judged, lease: Lease) -> Judged:
    """The verdict over everything that was drawn: the first candidate of a later round is the best
    of those before.
    """
    earlier = lease.params.get("earlier")
    if not earlier:
        return judged
    return replace(
        judged,
        scores=[*earlier["scores"], *judged.scores[1:]],
        steps=[*earlier["steps"], *judged.steps[1:]],
    )


def _room(conn: Raw, lease: Lease) -> bool:
    row = conn.execute(_ROOM, [lease.job]).fetchone()
    return row is not None and int(row[0]) >= _STEPS
