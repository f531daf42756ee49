"""Subplans: steps that are workflows, written out into the workflow's own steps. Pure.

A published workflow is a tool `flow.name`: its inputs are the workflow's, its outputs what the
workflow shows. Plans are checked against that declaration first, then written out and checked
again, so limits hold for what really runs. Workflows may use workflows, a few levels deep.
"""

from collections.abc import Mapping

from medley.flows import MAX_ABOUT, PREFIX, FlowPort, FlowTool
from medley.gate import Fault, gives_list
from medley.plan import Binding, OutputBinding, Plan, PlanStep, Workflow, of_steps, unused
from medley.tools import Toolbox
from orchestrator.binding import absent, fill, modalities

MAX_DEPTH = 4  #: workflows within workflows

Flows = Mapping[str, Workflow]


def uses_flows(plan: Plan) -> bool:
    """Whether a step of the plan is a workflow."""
    return any(step.tool.startswith(PREFIX) for step in plan.steps)


def with_flows(tools: Toolbox, flows: Flows) -> Toolbox:
    """The tools, and those workflows of which every step is one of them."""
    found = dict(tools)
    for _ in range(MAX_DEPTH):  # a workflow counts as soon as all that it uses does
        for name, workflow in flows.items():
            used = {step.tool for step in workflow.plan.steps}
            if name not in found and used <= set(found):
                found[name] = declaration(name, workflow, Toolbox(found.values())).tool()
    return Toolbox(found.values())


def declaration(name: str, workflow: Workflow, tools: Toolbox) -> FlowTool:
    """What the workflow takes and gives, as a tool."""
    inputs = {
        port: FlowPort(
            modalities=modalities(item),
            about=item.about[:MAX_ABOUT],
            required=item.required and item.default is None,
            many=item.many,
        )
        for port, item in workflow.inputs.items()
    }
    outputs = {
        port: _output(OutputBinding.of(source), workflow.plan, tools)
        for port, source in shown(workflow).items()
    }
    about = " ".join(f"{workflow.name}. {workflow.about}".split())[:MAX_ABOUT]
    return FlowTool(name=name, about=about, inputs=inputs, outputs=outputs)


def shown(workflow: Workflow) -> dict[str, str]:
    """The workflow's outputs: `image` for `s2.image`, `s2_image` where several have that name."""
    names = [source.partition(".")[2] for source in workflow.plan.reply.show]
    return {
        port if names.count(port) == 1 else source.replace(".", "_"): source
        for port, source in zip(names, workflow.plan.reply.show, strict=True)
    }


def inline(plan: Plan, flows: Flows, depth: int = 0) -> tuple[Plan, list[Fault]]:
    """The plan with each workflow written out, and what cannot be. Expects a plan that passed the
    gate with the declarations of these workflows.
    """
    work = _Inlining(plan, flows, depth)
    for place, step in enumerate(plan.steps):
        work.add(place, step)
    show = [work.source(name) for name in plan.reply.show]
    reply = plan.reply.model_copy(update={"show": show})
    return plan.model_copy(update={"steps": work.steps, "reply": reply}), work.faults


class _Inlining:
    def __init__(self, plan: Plan, flows: Flows, depth: int) -> None:
        self.flows, self.depth = flows, depth
        self.taken = {step.id for step in plan.steps}
        self.steps: list[PlanStep] = []
        self.faults: list[Fault] = []
        self.sources: dict[str, str] = {}  # "s3.image" of a workflow -> where it comes from
        self.inner: dict[str, list[str]] = {}  # step that was a workflow -> its steps

    def add(self, place: int, step: PlanStep) -> None:
        after = [name for needed in step.after for name in self.inner.get(needed, [needed])]
        step = step.reading(self.source).model_copy(update={"after": after})
        workflow = self.flows.get(step.tool)
        if workflow is None:
            self.steps.append(step)
        elif step.map is not None:
            reason = "A workflow cannot be run for each item of a list; its steps can."
            remedy = "Use its steps here, with a map each."
            self.faults.append(Fault(f"/steps/{place}/map", reason, remedy))
        elif self.depth >= MAX_DEPTH:
            reason = f"Workflows use each other more than {MAX_DEPTH} levels deep."
            self.faults.append(Fault(f"/steps/{place}/tool", reason, "Use their steps instead."))
        else:
            self.write_out(place, step, workflow)

    def write_out(self, place: int, step: PlanStep, workflow: Workflow) -> None:
        plan, faults = inline(workflow.plan, self.flows, self.depth + 1)
        if faults:
            self.faults += [
                Fault(f"/steps/{place}/tool", fault.reason, fault.suggestion) for fault in faults
            ]
            return
        values = {
            name: _listed(step.inputs[name]) if name in step.inputs else absent(item)
            for name, item in workflow.inputs.items()
        }
        names = {inner.id: unused(f"{step.id}_{inner.id}", self.taken) for inner in plan.steps}
        for inner in plan.steps:
            filled = fill(inner.reading(of_steps(names)), values)
            after = [*(names[name] for name in inner.after), *step.after]
            update = {"id": names[inner.id], "after": after}
            self.steps.append(filled.model_copy(update=update))
        self.inner[step.id] = list(names.values())
        for port, source in shown(workflow.model_copy(update={"plan": plan})).items():
            inner_id, _, inner_port = source.partition(".")
            self.sources[f"{step.id}.{port}"] = f"{names[inner_id]}.{inner_port}"

    def source(self, name: str) -> str:
        return self.sources.get(name, name)


def _output(binding: OutputBinding, plan: Plan, tools: Toolbox) -> FlowPort:
    port = tools[plan.step(binding.step).tool].outputs[binding.port]
    many = gives_list(binding, plan, tools)
    return FlowPort(modalities=port.accepts, about=port.about[:MAX_ABOUT], many=many)


def _listed(value: Binding | list[Binding]) -> list[Binding]:
    return value if isinstance(value, list) else [value]
