"""Plans: the graph that the hub proposes or a workflow gives. Shapes only; `medley.gate` checks
them.

Step ids, not tool names, are the nodes. An input of a step is a binding: an asset, an output of
an earlier step, words, a named input of the workflow, or a list of these where the port takes
many.
"""

from collections.abc import Callable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from medley.parts import MAX_TEXT

STEP_ID = r"^[a-z][a-z0-9_]{0,31}$"
OUTPUT_NAME = r"^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,31}$"


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class AssetBinding(_Shape):
    """An asset by id."""

    asset: str = Field(max_length=64)


class OutputBinding(_Shape):
    """An output of an earlier step, `"s1.image"`; `item` picks one where that output is a list."""

    source: str = Field(alias="from", pattern=OUTPUT_NAME)
    item: int | None = Field(default=None, ge=0, le=1023)

    @classmethod
    def of(cls, source: str) -> "OutputBinding":
        """The binding to `"s1.image"`."""
        return cls.model_validate({"from": source})

    @property
    def step(self) -> str:
        """Id of the step referred to."""
        return self.source.partition(".")[0]

    @property
    def port(self) -> str:
        """Name of its output port."""
        return self.source.partition(".")[2]


class TextBinding(_Shape):
    """Words, as they stand."""

    text: str = Field(max_length=MAX_TEXT)


class InputBinding(_Shape):
    """A named input of the workflow, filled in when it is run."""

    input: str = Field(pattern=STEP_ID)


def _bare_words(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


Binding = Annotated[
    AssetBinding | OutputBinding | TextBinding | InputBinding, BeforeValidator(_bare_words)
]


class PlanStep(_Shape):
    """One use of one tool."""

    id: str = Field(pattern=STEP_ID)
    tool: str = Field(max_length=64)
    inputs: dict[str, Binding | list[Binding]] = Field(default_factory=dict)
    params: dict[str, Any] = Field(default_factory=dict)
    model: str | None = Field(
        default=None, max_length=256
    )  # pins a model; otherwise routing chooses
    instead_of: str | None = Field(
        default=None, max_length=256
    )  # the model that would run it, were it served; routing says so
    map: str | None = Field(
        default=None, pattern=STEP_ID
    )  # a port: the step runs once for each item of the list it gets; its outputs are lists
    after: list[Annotated[str, Field(pattern=STEP_ID)]] = Field(
        default_factory=list, max_length=32
    )  # steps to wait for without reading an output of theirs

    def bindings(self) -> Iterator[tuple[str, int | None, Binding]]:
        """Every binding with its port, and its place where the port got a list."""
        for port, bound in self.inputs.items():
            if isinstance(bound, list):
                yield from ((port, place, item) for place, item in enumerate(bound))
            else:
                yield port, None, bound

    def needs(self) -> set[str]:
        """Ids of the steps that this one waits for."""
        read = {item.step for _, _, item in self.bindings() if isinstance(item, OutputBinding)}
        return read | set(self.after)

    def reading(self, source: Callable[[str], str]) -> "PlanStep":
        """The same step with each `"s1.image"` that it reads replaced by what `source` says."""

        def one(item: Binding) -> Binding:
            if isinstance(item, OutputBinding):
                return item.model_copy(update={"source": source(item.source)})
            return item

        inputs = {
            port: [one(item) for item in bound] if isinstance(bound, list) else one(bound)
            for port, bound in self.inputs.items()
        }
        return self.model_copy(update={"inputs": inputs})


class Reply(_Shape):
    """What the answer should be about: outputs to show, and optionally words for a workflow without
    a hub.
    """

    text: str = Field(default="", max_length=MAX_TEXT)
    show: list[Annotated[str, Field(pattern=OUTPUT_NAME)]] = Field(
        default_factory=list, max_length=64
    )


class Plan(_Shape):
    """A graph of steps, and what of it the reply should show."""

    steps: list[PlanStep] = Field(max_length=256)
    reply: Reply = Field(default_factory=Reply)

    def step(self, step_id: str) -> PlanStep:
        """The step with this id. Raises `KeyError`."""
        for step in self.steps:
            if step.id == step_id:
                return step
        raise KeyError(step_id)

    def order(self) -> list[str]:
        """Step ids so that each comes after what it needs. Raises `graphlib.CycleError`."""
        return list(
            TopologicalSorter({step.id: step.needs() for step in self.steps}).static_order()
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, as stored and shown."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def of_steps(names: Mapping[str, str]) -> Callable[[str], str]:
    """From `"s1.image"` to the same output of the step under its new name."""

    def source(name: str) -> str:
        step, _, port = name.partition(".")
        return f"{names.get(step, step)}.{port}"

    return source


def unused(name: str, taken: set[str]) -> str:
    """This step id, or the next like it that is not taken; it is from then on."""
    name, number = name[:32], 2
    while name in taken:
        name, number = f"{name[:28].rstrip('_')}_{number}", number + 1
    taken.add(name)
    return name


class WorkflowInput(_Shape):
    """A typed input of a workflow."""

    modality: str
    about: str = ""
    required: bool = True
    default: str | None = None
    many: bool = False


class Workflow(_Shape):
    """A saved plan with typed inputs."""

    name: str = Field(min_length=1, max_length=120)
    about: str = Field(default="", max_length=4000)
    inputs: dict[Annotated[str, Field(pattern=STEP_ID)], WorkflowInput] = Field(
        default_factory=dict
    )
    plan: Plan
