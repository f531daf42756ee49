"""What goes into the engine and comes out of it: new jobs and steps, leases, commits."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from typing import Any

from medley.errors import InvalidPlan
from medley.ids import new_id
from medley.plan import PlanStep
from medley.status import Lane
from medley.tools import Tool

MAX_CRASHES = 3  #: so many lost workers make a step dead


class Kind(StrEnum):
    """What a step is for."""

    PLAN = "plan"  # its commit appends the work
    WORK = "work"
    ANSWER = "answer"  # runs when every other step is final


class Outcome(StrEnum):
    """What became of an attempt to change a step."""

    COMMITTED = "committed"
    REPEATED = "repeated"  # an earlier COMMIT of ours had succeeded; only its answer was lost
    CANCELED = "canceled"  # the job was canceled meanwhile; the outputs were discarded
    FENCED = "fenced"  # somebody else owns the step now; the outputs were discarded
    RETRIED = "retried"
    FAILED = "failed"
    LOST = "lost"
    DEAD = "dead"
    RELEASED = "released"


def needs_of(inputs: Mapping[str, Any]) -> set[str]:
    """Ids of the steps whose outputs these bindings read."""
    found: set[str] = set()
    for bound in inputs.values():
        for item in bound if isinstance(bound, list) else [bound]:
            if isinstance(item, dict) and "from" in item:
                found.add(item["from"].partition(".")[0])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStep:
    """A step to be added. It waits for the steps that its bindings name, and for `after`."""

    id: str
    tool: str
    lane: Lane | str
    tool_version: int = 1
    kind: Kind | str = Kind.WORK
    model: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)  # bindings of medley.plan, as JSON
    params: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    max_attempts: int = 3
    round: int | None = None  # None: the job's round
    after: Collection[str] = ()
    kept: Mapping[str, Any] | None = None  # outputs of a finished step of another job
    kept_from: str | None = None
    cache_key: str | None = None
    item_of: str | None = None  # the step that adds this one for an item of its list
    feeds: str | None = None  # a blocked step that has to wait for this one from now on

    @classmethod
    def of(
        cls,
        step: PlanStep,
        tool: Tool,
        *,
        seed: int = 0,
        item_of: str | None = None,
        feeds: str | None = None,
    ) -> "NewStep":
        """The step of a checked plan; an explicit `seed` parameter wins over the given one."""
        data = step.model_dump(mode="json", by_alias=True, exclude_none=True)
        params = dict(data["params"])
        return cls(
            id=step.id,
            tool=tool.name,
            tool_version=tool.version,
            lane=tool.lane,
            model=step.model,
            inputs=data["inputs"],
            seed=int(params.pop("seed", seed)),
            params=params,
            max_attempts=tool.max_attempts,
            after=step.after,
            item_of=item_of,
            feeds=feeds,
        )

    @classmethod
    def whole_job(cls, tool: Tool, kind: Kind, *, model: str | None = None) -> "NewStep":
        """The `plan` or `answer` step of a job."""
        return cls(
            id=kind.value,
            kind=kind,
            tool=tool.name,
            tool_version=tool.version,
            lane=tool.lane,
            model=model,
            max_attempts=tool.max_attempts,
        )

    @property
    def needs(self) -> set[str]:
        """Ids of the steps that it waits for."""
        return needs_of(self.inputs) | set(self.after)

    def to_data(self) -> dict[str, Any]:
        """Plain JSON, as the SQL functions read it."""
        data: dict[str, Any] = {
            "id": self.id,
            "kind": str(self.kind),
            "tool": self.tool,
            "tool_version": self.tool_version,
            "model": self.model,
            "lane": str(self.lane),
            "inputs": dict(self.inputs),
            "params": dict(self.params),
            "seed": self.seed,
            "max_attempts": self.max_attempts,
            "needs": sorted(self.needs),
        }
        if self.round is not None:
            data["round"] = self.round
        if self.kept is not None:
            data |= {"status": "cached", "outputs": dict(self.kept), "kept_from": self.kept_from}
        if self.cache_key is not None:
            data["cache_key"] = self.cache_key
        if self.item_of is not None:
            data["map"] = {"of": self.item_of}
        if self.feeds is not None:
            data["feeds"] = self.feeds
        return data


def check_graph(steps: Sequence[NewStep], known: Collection[str] = ()) -> None:
    """Raises `InvalidPlan` for repeated ids, needs that do not exist, and circles."""
    ids = [step.id for step in steps]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise InvalidPlan(f"The step {twice[0]!r} is there twice.")
    for step in steps:
        missing = step.needs - set(ids) - set(known)
        if missing:
            raise InvalidPlan(f"{step.id} needs {min(missing)!r}, which does not exist.")
    try:
        TopologicalSorter({step.id: step.needs for step in steps}).prepare()
    except CycleError as error:
        raise InvalidPlan(f"The steps go in a circle: {' -> '.join(error.args[1])}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job to be submitted. Times are seconds from now on the database's clock."""

    tenant: str
    steps: Sequence[NewStep]
    kind: str = "request"  # request | workflow | plan
    id: str = field(default_factory=lambda: new_id("job"))
    priority: int = 0
    conversation: str | None = None
    message: str | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    workflow: str | None = None
    workflow_version: int | None = None
    approve: str = "auto"  # auto | plan
    options: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    start_deadline_s: float | None = None
    deadline_s: float | None = None
    max_steps: int = 64
    max_rounds: int = 1
    max_gpu_seconds: float | None = None
    retry_of: str | None = None
    key: str | None = None  # that asks for it

    @property
    def held(self) -> bool:
        """Whether it waits for approval from the start: its plan is known already."""
        return self.approve == "plan" and self.plan is not None

    def to_data(self) -> dict[str, Any]:
        """Plain JSON, as the SQL functions read it."""
        names = (
            "tenant", "kind", "id", "priority", "conversation", "message", "request", "plan",
            "workflow", "workflow_version", "approve", "options", "metadata", "start_deadline_s",
            "deadline_s", "max_steps", "max_rounds", "max_gpu_seconds", "retry_of", "held", "key",
        )  # fmt: skip
        data = {name: getattr(self, name) for name in names}
        return {name: value for name, value in data.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to run attempt `attempt` of a step. `token` is its fence."""

    job: str
    step: str
    token: int
    attempt: int
    crashes: int
    max_attempts: int
    tenant: str
    kind: str
    tool: str
    tool_version: int
    model: str | None
    lane: str
    round: int
    params: Mapping[str, Any]
    seed: int
    inputs: Mapping[str, Any]  # bindings
    sources: Mapping[str, Any] | None  # outputs of the steps that the bindings read

    def key(self) -> dict[str, Any]:
        """What names it in the database."""
        return {"job": self.job, "step": self.step, "token": self.token}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a worker can run now."""

    lanes: Sequence[str]
    tools: Sequence[str]  # "name@version"
    models: Sequence[str] | None = None  # ids of the models that it can load; None: any
    held: Sequence[str] = ()  # ids of models in memory
    batch: Mapping[str, int] = field(default_factory=dict)  # tool -> how many at once; default 1
    ttl: float = 15.0
    go_on: bool = False  # after a commit: first a step of the same job, whatever else waits

    def to_data(self) -> dict[str, Any]:
        """Plain JSON, as the SQL functions read it."""
        data = {
            "lanes": list(self.lanes),
            "tools": list(self.tools),
            "held": list(self.held),
            "batch": dict(self.batch),
            "ttl": self.ttl,
            "go_on": self.go_on,
        }
        return data if self.models is None else {**data, "models": list(self.models)}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAsset:
    """An asset whose bytes are in the store already.

    If the tenant has these bytes, the older asset is used.
    """

    id: str
    sha256: str
    size: int
    modality: str
    media_type: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEmbedding:
    """A vector of an asset in a space; `modality` is that of the asset."""

    asset: str
    space: str
    modality: str
    vector: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMessage:
    """A message that a commit writes: the answer of a job."""

    conversation: str
    parts: Sequence[Mapping[str, Any]]
    parent: str | None = None
    role: str = "assistant"
    id: str = field(default_factory=lambda: new_id("msg"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What an attempt made: everything that becomes true in one transaction."""

    outputs: Mapping[str, Any] = field(default_factory=dict)  # parts as JSON, by port
    assets: Sequence[NewAsset] = ()
    embeddings: Sequence[NewEmbedding] = ()
    usage: Mapping[str, float] = field(default_factory=dict)
    cache_key: str | None = None
    cached: bool = False  # the outputs are those of an equal step
    plan: Mapping[str, Any] | None = None  # a plan step's: the job's plan from now on
    question: str | None = None  # a plan step's: the job waits until somebody answers
    steps: Sequence[NewStep] = ()  # appended to the job
    message: NewMessage | None = None
    model: str | None = None  # that ran in place of the step's own

    @property
    def spent(self) -> dict[str, Any]:
        """What was used, as it is stored."""
        return dict(self.usage) | ({"model": self.model} if self.model else {})

    def to_data(self, lease: Lease) -> dict[str, Any]:
        """Plain JSON, as the SQL functions read it."""
        data: dict[str, Any] = {**lease.key(), "outputs": dict(self.outputs)}
        if spent := self.spent:
            data["usage"] = spent
        if self.assets:
            data["assets"] = [_plain(asset) for asset in self.assets]
        if self.embeddings:
            data["embeddings"] = [
                _plain(item) | {"vector": str([float(number) for number in item.vector])}
                for item in self.embeddings
            ]
        if self.cache_key is not None:
            data["cache_key"] = self.cache_key
        if self.cached:
            data["cached"] = True
        if self.plan is not None:
            data["plan"] = dict(self.plan)
        if self.question is not None:
            data["question"] = self.question
        if self.steps:
            data["steps"] = [step.to_data() for step in self.steps]
        if self.message is not None:
            data["message"] = _plain(self.message)
        return data


def _plain(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The answer to a commit: what became of each, what to run next, and which lanes to wake."""

    outcomes: list[Outcome]
    leases: list[Lease]
    busy: bool  # there is work, but others held its locks: claim once more
    wakes: Mapping[str, int]
