"""Lowering: from the plan as the hub writes it to the graph as the models take it. Pure.

Each step gets its model. Where a model reads embeddings and the plan gives it media or words, an
`embed` step is put in between: encoder, connector and language model stay blocks of their own,
and one embedding serves all readers. Before a `search` an `index` step embeds what no step has
embedded yet, so that there is nothing that cannot be found; a `judge` gets embeddings of its
candidates; media of a chat are put into words where its hub reads words alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from medley.backend import ModelSpec
from medley.errors import BadInput
from medley.gate import EMBEDDABLE, Fault, Known, output_modalities
from medley.modality import Modality
from medley.plan import (
    AssetBinding,
    Binding,
    OutputBinding,
    Plan,
    PlanStep,
    TextBinding,
    of_steps,
)
from orchestrator.fitting import filled, out_of_range
from orchestrator.looks import CHAT, SEEN, look, questions, reads
from orchestrator.redrawing import REDRAW, judge_of, with_redraws
from orchestrator.routing import Policy, choose, pick


def lower(
    plan: Plan,
    known: Known,
    models: Mapping[str, ModelSpec],
    policy: Policy,
    *,
    best: Mapping[str, ModelSpec] | None = None,
) -> tuple[Plan, list[Fault]]:
    """The plan with models chosen, their defaults set and embeddings made where they are read, and
    what could not be served or is out of the model's ranges.

    Expects a plan that passed the gate with the same `known`. `best`: the models that would serve,
    were all of them there; those that stand in for them say so.
    """
    work = _Lowering(plan=plan, known=known, models=models, policy=policy, best=best or models)
    for place, step in enumerate(plan.steps):
        work.add(place, step)
    return plan.model_copy(update={"steps": work.steps}), work.faults


def lower_items(
    step: PlanStep,
    items: Sequence[Binding],
    known: Known,
    models: Mapping[str, ModelSpec],
    policy: Policy,
) -> list[PlanStep]:
    """The steps that run `step` for each of these items: `s2_1`, `s2_2`, …, and the embeddings that
    they need. Expects bindings to assets and words only, but for the other inputs of the step.

    Raises `BadInput` when there are too many, or one cannot be served.
    """
    port = step.map or ""
    if len(items) > known.limits.max_fan_out:
        raise BadInput(f"{len(items)} items; a step is run for at most {known.limits.max_fan_out}.")
    each = [
        step.model_copy(
            update={
                "id": f"{step.id}_{number}",
                "map": None,
                "inputs": {**step.inputs, port: item},
            }
        )
        for number, item in enumerate(items, start=1)
    ]
    plan = Plan(steps=each)
    lowered, faults = lower(plan, known, models, policy)
    if faults:
        raise BadInput(f"{step.id} cannot be run for each: {faults[0].reason}")
    own = {item.id for item in each}
    names = {found.id: f"{step.id}_{found.id}" for found in lowered.steps if found.id not in own}
    return [
        found.reading(of_steps(names)).model_copy(update={"id": names.get(found.id, found.id)})
        for found in lowered.steps
    ]


def unlowered(plan: Plan) -> Plan:
    """A plan that was lowered before, without the steps that lowering puts in anew."""
    added = {step.id for step in plan.steps if step.tool in ("index", "spread", REDRAW)}
    if not added:
        return plan
    whole = {
        step.params["step"]["id"]: PlanStep.model_validate(step.params["step"])
        for step in plan.steps
        if step.tool == "spread"
    } | {
        judge.id: judge
        for step in plan.steps
        if step.tool == REDRAW
        for judge in [judge_of(step.params)]
    }
    kept = [
        whole.get(step.id)
        or step.model_copy(update={"after": [name for name in step.after if name not in added]})
        for step in plan.steps
        if step.id not in added
    ]
    return plan.model_copy(update={"steps": kept})


_MATCHED = frozenset({Modality.IMAGE, Modality.VIDEO})  #: what `match` looks at


@dataclass(kw_only=True)
class _Lowering:
    plan: Plan
    known: Known
    models: Mapping[str, ModelSpec]
    policy: Policy
    best: Mapping[str, ModelSpec]
    steps: list[PlanStep] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    embedded: dict[tuple[str, str], str] = field(
        default_factory=dict
    )  # (binding, encoder) -> embed step
    index: str | None = None

    def add(self, place: int, step: PlanStep) -> None:
        # What stands in for a model that the caller named is not that model.
        policy = replace(self.policy, models={}) if step.instead_of else self.policy
        choice = pick(step.tool, self.best, self.models, policy, step.model)
        if choice is None:
            wanted = (
                f"The model {step.model!r} does not serve"
                if step.model
                else "No permitted model serves"
            )
            self.faults.append(Fault(f"/steps/{place}/tool", f"{wanted} {step.tool!r}."))
            return
        model = choice.model
        tool = self.known.tools[step.tool]
        self.faults += out_of_range(step.params, tool, model, f"/steps/{place}/params")
        update: dict[str, object] = {"params": filled(step.params, tool, model), "model": model.id}
        if choice.instead_of is not None:
            update["instead_of"] = choice.instead_of
        written, step = step, step.model_copy(update=update)
        if step.map is not None:
            self.steps += self.spread(step, place)
            return
        inputs = (
            self.judged(step.inputs, model, place)
            if step.tool == "judge" and not {"vectors", "scores"} & step.inputs.keys()
            else self.fitted(step, model, place)
        )
        after = [*step.after, *self.indexed()] if step.tool == "search" else step.after
        whole = step.model_copy(update={"inputs": inputs, "after": after})
        if step.tool == "judge":
            name = self.fresh_id(f"{step.id[:20]}_round", 1)
            self.steps += with_redraws(whole, written, self.steps, name)
        else:
            self.steps.append(whole)

    def spread(self, step: PlanStep, place: int) -> list[PlanStep]:
        """A step that is run for each item: one that adds a step for each when the list is there,
        and one under the step's own id that gathers what they gave.
        """
        engine = choose("spread", self.models, self.policy)
        if engine is None:
            reason, remedy = "Nothing here runs a step for each item.", "Name each item in a step."
            self.faults.append(Fault(f"/steps/{place}/map", reason, remedy))
            return []
        ports = list(self.known.tools[step.tool].outputs)
        name = self.fresh_id(f"{step.id[:24]}_each", 1)
        spread = PlanStep(
            id=name,
            tool="spread",
            inputs={"items": step.inputs[step.map or ""]},
            params={"step": step.model_dump(mode="json", by_alias=True, exclude_none=True)},
            model=engine.id,
            after=sorted(step.needs()),
        )
        params = {"of": step.id, "ports": ports}
        gather = PlanStep(id=step.id, tool="gather", params=params, model=engine.id, after=[name])
        return [spread, gather]

    def fitted(
        self, step: PlanStep, model: ModelSpec, place: int
    ) -> dict[str, Binding | list[Binding]]:
        """The inputs as the model reads them."""
        if step.tool == CHAT:
            return {**step.inputs, **self.looked_at(step, model, place)}
        inputs: dict[str, Binding | list[Binding]] = {}
        for port, bound in step.inputs.items():
            declared = self.known.tools[step.tool].inputs[port].accepts
            accepts = model.reads.get(f"{step.tool}.{port}", declared)
            if isinstance(bound, list):
                inputs[port] = [self.fit(item, accepts, model, place) for item in bound]
            else:
                inputs[port] = self.fit(bound, accepts, model, place)
        return inputs

    def looked_at(
        self, chat: PlanStep, hub: ModelSpec, place: int
    ) -> dict[str, Binding | list[Binding]]:
        """The media of a chat as its hub reads them: themselves, or words about them."""
        bound = chat.inputs.get(SEEN, [])
        listed = bound if isinstance(bound, list) else [bound]
        asked = dict(enumerate(questions(chat.params)))
        hears = choose("transcribe", self.models, self.policy) is not None
        found: list[Binding] = []
        for number, item in enumerate(listed):
            kinds = self.modalities(item)
            if kinds & reads(hub):
                found.append(item)
                continue
            transcribe = hears and kinds == {Modality.AUDIO}
            name = self.fresh_id("look", number + 1)
            self.add(place, look(name, item, asked.get(number, ""), transcribe=transcribe))
            found.append(OutputBinding.of(f"{name}.text"))
        return {SEEN: found} if found else {}

    def judged(
        self, inputs: Mapping[str, Binding | list[Binding]], judge: ModelSpec, place: int
    ) -> dict[str, Binding | list[Binding]]:
        """A judge's inputs with the embeddings that it compares, all in the space of whoever made
        its candidates.
        """
        listed, asked = inputs["candidates"], inputs["request"]
        if not isinstance(listed, list) or isinstance(asked, list):
            reason = "A judge reads a list of single candidates and one request."
            remedy = "Name each candidate, lists by their items."
            self.faults.append(Fault(f"/steps/{place}/inputs", reason, remedy))
            return dict(inputs)
        matcher = choose("match", self.models, self.policy)
        seen = {kind for item in listed for kind in self.modalities(item)}
        if matcher and seen <= _MATCHED and self.modalities(asked) == {Modality.TEXT}:
            return {**inputs, "scores": [self.matched(item, asked, matcher) for item in listed]}
        sources = {item.step for item in listed if isinstance(item, OutputBinding)}
        made = [self.models[step.model] for step in self.steps if step.id in sources and step.model]
        space = next((model.space for model in made if model.space), self.policy.space)
        reader, vector = replace(judge, space=space), frozenset({Modality.EMBEDDING})
        return {
            **inputs,
            "vectors": [self.fit(item, vector, reader, place) for item in listed],
            "request": self.fit(asked, vector, reader, place),
        }

    def matched(self, candidate: Binding, words: Binding, matcher: ModelSpec) -> Binding:
        """The score of a `match` step that is put in for a candidate."""
        name = self.fresh_id("match", 1)
        inputs: dict[str, Binding | list[Binding]] = {"media": candidate, "text": words}
        self.steps.append(PlanStep(id=name, tool="match", inputs=inputs, model=matcher.id))
        return OutputBinding.of(f"{name}.score")

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
        space = reader.space or self.policy.space
        encoder = choose("embed", self.models, replace(self.policy, space=space))
        if encoder is None:
            fault = Fault(f"/steps/{place}", f"No encoder writes the space {reader.space!r}.")
            self.faults.append(fault)
            return binding
        key = (binding.model_dump_json(by_alias=True), encoder.id)
        if key not in self.embedded:
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
