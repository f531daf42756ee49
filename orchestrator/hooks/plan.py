"""The hook of `plan`: what the hub is asked, and what its plan, or its question, becomes."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from medley.backend import ModelSpec
from medley.errors import MedleyError, Unavailable
from medley.gate import Limits
from medley.parts import DataPart, Part, TextPart
from medley.plan import Plan, PlanStep
from medley.tasks import PlanTask
from medley.tools import Tool, Toolbox
from orchestrator import history, planner
from orchestrator.candidates import Candidates
from orchestrator.context import JobContext, load_context, load_made
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease, NewStep
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Parts, Prepared
from orchestrator.live import load_served
from orchestrator.lowering import unlowered
from orchestrator.planner import Asked, PlanRequest, Refused
from orchestrator.register import Register
from orchestrator.routing import Policy, usable
from orchestrator.subplans import with_flows
from orchestrator.workflows import load_flows

_JOB = "SELECT max_steps FROM jobs WHERE id = %s"


class PlanHook:
    """Asks for a plan; shows the hub its faults, twice at most; appends the steps."""

    def __init__(self, tools: Toolbox, models: Mapping[str, ModelSpec]) -> None:
        self._tools, self._models = tools, models

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The first question. Raises `Unavailable` while no tool is live."""
        _, request = self._request(conn, lease)
        if not request.tools:
            raise Unavailable("No worker serves any tool that a plan may use.")
        return _ask(planner.first_task(request), round_=0)

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """The steps of the plan, or the next question. Raises `HubError` after the last repair."""
        context, request = self._request(conn, lease)
        found = planner.decide(_data(outputs["plan"]), request)
        if isinstance(found, Refused):
            if prepared.state >= planner.MAX_REPAIRS:
                raise planner.give_up(found)
            return _ask(planner.repair_task(request, found), round_=prepared.state + 1)
        if isinstance(found, Asked):
            return _question(found.question, context)
        plan = found.plan.to_json()
        steps = new_steps(found.new, self._tools, context.options.get("seed"))
        return Commit(outputs={"plan": {"type": "data", "data": plan}}, steps=steps, plan=plan)

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """Without a plan there is nothing to do."""
        return None

    def _request(self, conn: Raw, lease: Lease) -> tuple[JobContext, PlanRequest]:
        context = load_context(conn, lease.job)
        made = load_made(conn, lease.job, lease.tenant)
        register = Register([*context.given, *made.entries])
        policy = Policy.asked(context.options)
        served = load_served(conn)
        row = conn.execute(_JOB, (lease.job,)).fetchone()
        most = context.options.get("max_gpu_seconds")
        tools, barred = usable(self._tools, self._models, policy, served, by_hub=True)
        flows = load_flows(conn, lease.tenant)
        request = PlanRequest(
            words=context.words,
            register=register,
            tools=with_flows(tools, flows),
            flows=flows,
            models=self._models,
            policy=policy,
            barred=barred,
            served=served,
            costs=history.gpu_costs(conn, context.tenant) if most is not None else {},
            outputs=context.outputs,
            history=context.history,
            limits=Limits(max_steps=row[0] if row else Limits().max_steps, max_gpu_seconds=most),
            draw=context.options.get("draw") or {},
            max_output_tokens=context.options.get("max_output_tokens"),
            best_of=Candidates.of(context.options),
            may_ask=context.may_ask and context.questions < planner.MAX_QUESTIONS,
            round=lease.round,
            ran=made.ran,
            facts=register.shortened(made.facts),
            previous=register.shorten(_as_written(context.plan)),
        )
        return context, request


def _as_written(plan: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The plan without what lowering added, as the hub knows it."""
    return None if plan is None else unlowered(Plan.model_validate(plan)).to_json()


def _ask(task: PlanTask, *, round_: int) -> Prepared:
    return Prepared(inputs={"task": DataPart(data=task.model_dump(mode="json"))}, state=round_)


def _question(question: str, context: JobContext) -> Commit:
    said = TextPart(text=question)
    message = context.reply([said.model_dump(mode="json")])
    return Commit(
        outputs={"plan": {"type": "data", "data": {"ask": question}}},
        question=question,
        message=message,
    )


def _data(part: Part | list[Part]) -> Any:
    return part.data if isinstance(part, DataPart) else None


def new_steps(steps: Iterable[PlanStep], tools: Toolbox, seed: int | None = None) -> list[NewStep]:
    """The rows of checked steps. A seed that nobody gave is drawn here: the recipe is whole."""
    return [
        NewStep.of(step, tools[step.tool], seed=_seed(tools[step.tool], seed)) for step in steps
    ]


def _seed(tool: Tool, wanted: int | None) -> int:
    if not tool.seeded:
        return 0
    return secrets.randbelow(2**31) if wanted is None else wanted
