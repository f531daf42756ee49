"""Lowering: from the plan as the hub writes it to the graph as the models take it. Pure.

Each step gets its model. Where a model reads embeddings and the plan gives it media or words, an
`embed` step is put in between: encoder, connector and language model stay blocks of their own,
and one embedding serves all readers. Before a `search` an `index` step embeds what no step has
embedded yet, so that there is nothing that cannot be found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from medley.backend import ModelSpec
from medley.gate import EMBEDDABLE, Fault, Known, output_modalities
from medley.modality import Modality
from medley.plan import AssetBinding, Binding, OutputBinding, Plan, PlanStep, TextBinding
from orchestrator.routing import Policy, choose


def lower(
    plan: Plan, known: Known, models: Mapping[str, ModelSpec], policy: Policy
) -> tuple[Plan, list[Fault]]:
    """The plan with models chosen and embeddings made where they are read, and what could not be
    served.

    Expects a plan that passed the gate with the same `known`.
    """
    work = _Lowering(plan=plan, known=known, models=models, policy=policy)
    for place, step in enumerate(plan.steps):
        work.add(place, step)
    return plan.model_copy(update={"steps": work.steps}), work.faults


def unlowered(plan: Plan) -> Plan:
    """A plan that was lowered before, without the steps that lowering puts in anew."""
    added = {step.id for step in plan.steps if step.tool == "index"}
    if not added:
        return plan
    kept = [
        step.model_copy(update={"after": [name for name in step.after if name not in added]})
        for step in plan.steps
        if step.id not in added
    ]
    return plan.model_copy(update={"steps": kept})


@dataclass(kw_only=True)
class _Lowering:
    plan: Plan
    known: Known
    models: Mapping[str, ModelSpec]
    policy: Policy
    steps: list[PlanStep] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    embedded: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # (binding, space) -> embed step
    index: str | None = None

    def add(self, place: int, step: PlanStep) -> None:
        model = choose(step.tool, self.models, self.policy, step.model)
        if model is None:
            wanted = (
                f"The model {step.model!r} does not serve"
                if step.model
                else "No permitted model serves"
            )
            self.faults.append(Fault(f"/steps/{place}/tool", f"{wanted} {step.tool!r}."))
            return
        tool = self.known.tools[step.tool]
        inputs: dict[str, Binding | list[Binding]] = {}
        for port, bound in step.inputs.items():
            accepts = model.reads.get(f"{step.tool}.{port}", tool.inputs[port].accepts)
            if isinstance(bound, list):
                inputs[port] = [self.fit(item, accepts, model, place) for item in bound]
            else:
                inputs[port] = self.fit(bound, accepts, model, place)
        after = [*step.after, *self.indexed()] if step.tool == "search" else step.after
        update = {"inputs": inputs, "model": model.id, "after": after}
        self.steps.append(step.model_copy(update=update))

    def indexed(self) -> list[str]:
        """The id of the plan's `index` step, put in at the first search; none without a model."""
        if self.index is None:
            model = choose("index", self.models, self.policy)
            if model is None:
                return []
            self.index = self.fresh_id("index", 1)
            self.steps.append(PlanStep(id=self.index, tool="index", model=model.id))
        return [self.index]

    def fit(
        self, binding: Binding, accepts: frozenset[Modality], reader: ModelSpec, place: int
    ) -> Binding:
        """The binding itself where it fits, otherwise the embedding of it."""
        found = self.modalities(binding)
        if found & accepts or not (Modality.EMBEDDING in accepts and found & EMBEDDABLE):
            return binding
        key = (binding.model_dump_json(by_alias=True), reader.space)
        if key not in self.embedded:
            policy = Policy(
                commercial_only=self.policy.commercial_only, space=reader.space or self.policy.space
            )
            encoder = choose("embed", self.models, policy)
            if encoder is None:
                self.faults.append(
                    Fault(f"/steps/{place}", f"No encoder writes the space {reader.space!r}.")
                )
                return binding
            step_id = self.fresh_id("embed", len(self.embedded) + 1)
            self.steps.append(
                PlanStep(id=step_id, tool="embed", inputs={"media": binding}, model=encoder.id)
            )
            self.embedded[key] = step_id
        return OutputBinding.of(f"{self.embedded[key]}.embedding")

    def modalities(self, binding: Binding) -> frozenset[Modality]:
        match binding:
            case TextBinding():
                return frozenset({Modality.TEXT})
            case AssetBinding(asset=name):
                return frozenset({self.known.assets[name]})
            case OutputBinding():
                return output_modalities(binding, self.plan, self.known.tools)
        return self.known.inputs[binding.input]

    def fresh_id(self, tool: str, number: int) -> str:
        taken = {step.id for step in self.plan.steps} | {step.id for step in self.steps}
        while f"{tool}{number}" in taken:
            number += 1
        return f"{tool}{number}"
