"""Binding: a workflow and values for its inputs become a plan. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medley.advice import UPLOAD
from medley.gate import Fault
from medley.modality import Modality
from medley.plan import (
    AssetBinding,
    Binding,
    InputBinding,
    Plan,
    PlanStep,
    TextBinding,
    Workflow,
    WorkflowInput,
)

Value = TextBinding | AssetBinding
Values = Mapping[str, Value | Sequence[Value]]


def modalities(item: WorkflowInput) -> frozenset[Modality]:
    """What an input takes; `image|audio` means either. Raises `ValueError` for an unknown word."""
    return frozenset(Modality(name.strip()) for name in item.modality.split("|"))


def declared(workflow: Workflow) -> tuple[dict[str, frozenset[Modality]], list[Fault]]:
    """The inputs by name with what they take, and faults of their declarations."""
    found: dict[str, frozenset[Modality]] = {}
    faults: list[Fault] = []
    for name, item in workflow.inputs.items():
        try:
            found[name] = modalities(item)
        except ValueError:
            words = ", ".join(modality.value for modality in Modality)
            at = f"/inputs/{name}/modality"
            faults.append(
                Fault(at, f"There is no modality {item.modality!r}.", f"One of: {words}.")
            )
    return found, faults


def bind(
    workflow: Workflow, values: Values, assets: Mapping[str, Modality]
) -> tuple[Plan, list[Fault]]:
    """The plan with its inputs filled in. Faults point into the `inputs` that the caller gave.

    An optional input that was not given leaves its port open. `assets`: modality by id.
    """
    work = _Binding(workflow, values, assets)
    chosen = {name: work.value(name, item) for name, item in workflow.inputs.items()}
    for name in values:
        if name not in workflow.inputs:
            known = ", ".join(workflow.inputs) or "none"
            work.faults.append(
                Fault(f"/inputs/{name}", "There is no such input.", f"Inputs: {known}.")
            )
    steps = [fill(step, chosen) for step in workflow.plan.steps]
    return workflow.plan.model_copy(update={"steps": steps}), work.faults


@dataclass
class _Binding:
    workflow: Workflow
    values: Values
    assets: Mapping[str, Modality]

    def __post_init__(self) -> None:
        self.faults: list[Fault] = []

    def value(self, name: str, item: WorkflowInput) -> list[Value]:
        given = self.values.get(name)
        if given is None:
            found = absent(item)
            if item.required and not found:
                self.faults.append(
                    Fault(f"/inputs/{name}", "This input is missing.", item.about or "Add it.")
                )
            return found
        listed = [given] if isinstance(given, TextBinding | AssetBinding) else list(given)
        if len(listed) != 1 and not item.many:
            reason = f"Takes one value, got {len(listed)}."
            self.faults.append(Fault(f"/inputs/{name}", reason, "Give one value."))
        takes = modalities(item)
        for value in listed:
            self.judge(name, value, takes)
        return listed

    def judge(self, name: str, value: Value, takes: frozenset[Modality]) -> None:
        found = Modality.TEXT
        if isinstance(value, AssetBinding):
            if value.asset not in self.assets:
                reason = f"There is no asset {value.asset!r}."
                self.faults.append(Fault(f"/inputs/{name}", reason, UPLOAD))
                return
            found = self.assets[value.asset]
        if found not in takes:
            wanted = " or ".join(sorted(takes))
            reason = f"Got {found}; takes {wanted}."
            self.faults.append(Fault(f"/inputs/{name}", reason, f"Give {wanted}."))


def absent(item: WorkflowInput) -> list[Value]:
    """What an input is where nothing was given: its default, or nothing."""
    if item.default is None:
        return []
    words = Modality.TEXT in modalities(item)
    return [TextBinding(text=item.default) if words else AssetBinding(asset=item.default)]


def fill(step: PlanStep, chosen: Mapping[str, Sequence[Binding]]) -> PlanStep:
    """The step with the workflow's inputs replaced by these; a port whose input is empty stays
    open.
    """
    inputs: dict[str, Binding | list[Binding]] = {}
    for port, bound in step.inputs.items():
        if isinstance(bound, InputBinding):
            values = list(chosen.get(bound.input, [bound]))
            if len(values) == 1:
                inputs[port] = values[0]
            elif values:
                inputs[port] = [*values]
        elif isinstance(bound, list):
            inputs[port] = [value for item in bound for value in _spread(item, chosen)]
        else:
            inputs[port] = bound
    return step.model_copy(update={"inputs": inputs})


def _spread(item: Binding, chosen: Mapping[str, Sequence[Binding]]) -> list[Binding]:
    if isinstance(item, InputBinding):
        return list(chosen.get(item.input, [item]))
    return [item]
