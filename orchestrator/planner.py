"""The planner: asks the hub for a plan, puts it through the gate, shows the hub its faults, twice
at most. After a step has failed it asks for another plan in the same way. Pure.

The hub sees short asset ids and live tools only; what leaves here is a checked, lowered plan
with real ids.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medley.advice import SHAPE
from medley.backend import ModelSpec
from medley.errors import HubError, InvalidPlan
from medley.foreign import normalise
from medley.gate import (
    EMBEDDABLE,
    Barred,
    Fault,
    Known,
    Limits,
    check,
    parse_plan,
    unknown_tools,
)
from medley.mcp.declaration import Declaration
from medley.modality import STORED, Modality
from medley.plan import OutputBinding, Plan
from medley.sayable import sayable
from medley.tasks import PlanTask, StepFact, Turn
from medley.tools import Toolbox
from orchestrator.candidates import JUDGE, Candidates
from orchestrator.register import Register
from orchestrator.revising import Ran, Revision, revise
from orchestrator.routing import Policy, Served
from orchestrator.settling import Means, bounded, drawn, settle
from orchestrator.subplans import Flows, declaration

MAX_REPAIRS = 2  #: how often the hub may mend a plan
MAX_QUESTIONS = 3  #: how often it may ask the caller of one job
MAX_QUESTION = 500  #: characters
EITHER = "Either plan steps, or ask one question."
MAX_FAULTS = 24  #: of one plan that the hub is told
UNASKED = frozenset({JUDGE})  #: what the caller asks for by an option, and the hub need not know
TAKEN = frozenset({"plan", "answer"})  #: ids of the steps around the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """Everything a plan is made from, fixed before any media is read."""

    words: str
    register: Register
    tools: Toolbox  # live, and allowed in plans
    models: Mapping[str, ModelSpec]
    policy: Policy = field(default_factory=Policy)
    barred: Mapping[str, Barred] = field(default_factory=dict)  # tools that cannot be used now
    served: Served | None = None  # by live workers; None: not asked
    costs: Mapping[tuple[str, str | None], float] = field(default_factory=dict)
    outputs: Sequence[Modality] = ()
    history: Sequence[Turn] = ()
    limits: Limits = field(default_factory=Limits)
    flows: Flows = field(default_factory=dict)  # published workflows, by tool
    best_of: Candidates = field(default_factory=Candidates)
    may_ask: bool = False
    round: int = 1
    ran: Sequence[Ran] = ()  # what the job has of plans before
    facts: Sequence[StepFact] = ()  # what became of it, as the hub is told
    previous: Mapping[str, Any] | None = None  # the plan before, under short ids
    max_output_tokens: int | None = None  # of each step of the hub
    draw: Mapping[str, Any] = field(default_factory=dict)  # what the caller wants of each drawing

    def known(self) -> Known:
        """What the plan may refer to, under short ids."""
        return Known(
            tools=self.tools,
            barred=self.barred,
            assets=self.register.modalities(),
            limits=self.limits,
            taken=TAKEN,
        )

    def means(self) -> Means:
        """What the plan may be run with."""
        return Means(
            tools=self.tools,
            models=self.models,
            policy=self.policy,
            served=self.served,
            costs=self.costs,
            flows=self.flows,
            best_of=self.best_of,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """The hub has a question instead of a plan."""

    question: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A plan that did not pass, with what the hub is told about it."""

    plan: Any
    faults: list[Fault]


def first_task(request: PlanRequest) -> PlanTask:
    """What the hub is asked first."""
    return PlanTask(
        request=request.words,
        assets=request.register.known(),
        tools=[name for name in request.tools if name not in UNASKED],
        outside=[
            Declaration.model_validate(tool.declared)
            for tool in request.tools.values()
            if tool.declared is not None
        ],
        flows=[
            declaration(name, workflow, request.tools)
            for name, workflow in request.flows.items()
            if name in request.tools
        ],
        outputs=list(request.outputs),
        history=list(request.history),
        previous=dict(request.previous) if request.ran and request.previous else None,
        ran=list(request.facts),
        may_ask=request.may_ask,
        max_steps=request.limits.max_steps,
        max_tokens=request.max_output_tokens,
    )


def repair_task(request: PlanRequest, refused: Refused) -> PlanTask:
    """What the hub is asked after a refusal."""
    previous = refused.plan if isinstance(refused.plan, dict) else None
    faults = [fault.to_data() for fault in refused.faults[:MAX_FAULTS]]
    return first_task(request).model_copy(update={"previous": previous, "faults": faults})


def decide(data: Any, request: PlanRequest) -> Revision | Refused | Asked:
    """What follows from what the hub wrote: steps to run, a refusal, or a question to the caller.
    Never raises for what a hub wrote.
    """
    ask = data.get("ask") if isinstance(data, dict) else None
    if ask is not None:
        data = {key: value for key, value in data.items() if key != "ask"}
        if not isinstance(ask, str) or (ask.strip() and data.get("steps")):
            return Refused(data, [Fault("/ask", "There are steps and a question.", EITHER)])
        if ask.strip():
            if not request.may_ask:
                return Refused(data, [Fault("/ask", "Do not ask.", "Plan with what is known.")])
            return Asked(" ".join(sayable(ask).split())[:MAX_QUESTION])
    plan = judge(data, request)
    if isinstance(plan, Refused):
        return plan
    found = revise(plan, request.ran, request.round)
    return Refused(data, found) if isinstance(found, list) else found


def judge(data: Any, request: PlanRequest) -> Plan | Refused:
    """The plan with real ids and models, if it passes; otherwise why not. Never raises for what a
    hub wrote.
    """
    try:
        data = normalise(data, request.known())
        plan = parse_plan(data)
    except RecursionError:
        return Refused(None, [Fault("", "This is nested too deep for a plan.", SHAPE)])
    except InvalidPlan as error:
        faults = [Fault(**item) for item in error.errors]
        return Refused(data, [*faults, *unknown_tools(data, request.known())])
    if not plan.reply.show and not check(plan, request.known()):
        shown = list(leaves(plan, request.tools))[:64]
        plan = plan.model_copy(update={"reply": plan.reply.model_copy(update={"show": shown})})
    settled, faults = settle(plan, request.known(), request.means())
    if faults:
        return Refused(data, faults)
    settled = bounded(settled, request.tools, request.max_output_tokens)
    settled = drawn(settled, request.tools, request.draw)
    return Plan.model_validate(request.register.lengthen(settled.to_json()))


def leaves(plan: Plan, tools: Toolbox) -> Iterator[str]:
    """What a reply shows when the plan does not say: what no other step reads, and media that
    others only put into words.
    """
    read, remade = set(), set()
    for step in plan.steps:
        sources = {item.source for _, _, item in step.bindings() if isinstance(item, OutputBinding)}
        read |= sources
        if any(port.accepts & STORED for port in tools[step.tool].outputs.values()):
            remade |= sources
    for step in plan.steps:
        for name, port in tools[step.tool].outputs.items():
            used = remade if port.accepts <= EMBEDDABLE else read
            if port.accepts <= STORED and f"{step.id}.{name}" not in used:
                yield f"{step.id}.{name}"


def give_up(refused: Refused) -> HubError:
    """The error of a job whose hub could not write a plan that passes."""
    first = refused.faults[0]
    return HubError(
        f"The hub wrote no plan that can run: {first.pointer or 'the plan'}: {first.reason}",
        errors=[fault.to_data() for fault in refused.faults],
    )
