"""Workflows, conversations, models and the state of the system, as callers see them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.common import Body, Metadata, Out, Time
from api.schemas.jobs import PartOut, StepOut
from medley.flows import FLOW
from medley.plan import Plan, Workflow


class WorkflowUrls(Out):
    """Where to go from a workflow."""

    self: str
    versions: str
    runs: str


class WorkflowOut(Workflow):
    """One version of a workflow. Versions never change."""

    id: str
    object: Literal["workflow"] = "workflow"
    tool: str | None = Field(default=None, description="The tool that it is published as.")
    version: int
    newest: int = Field(description="Number of the newest version.")
    created_at: Time
    updated_at: Time
    urls: WorkflowUrls


class PublishIn(Body):
    """What a workflow is called as a tool."""

    name: str = Field(pattern=FLOW, description="Such as `flow.postcard`.")


class Verdict(Out):
    """A workflow or plan that can be run."""

    object: Literal["verdict"] = "verdict"
    valid: Literal[True] = True
    plan: Plan = Field(description="With models chosen, and embeddings made where they are read.")


class Seconds(Out):
    """Typical and long durations."""

    p50: float
    p90: float


class Estimate(Out):
    """What the plan would cost. What neither history nor the catalogue can say is left out."""

    seconds: Seconds | None = Field(
        default=None,
        description="What earlier runs of the same tools took, one after the other, without the "
        "steps that need not run.",
    )
    gpu_seconds: Seconds | None = Field(default=None, description="The same on an accelerator.")
    peak_memory_bytes: int | None = Field(
        default=None, description="Of the largest model, as it declares."
    )
    cached: list[str] = Field(description="Steps whose outputs are known from an earlier job.")
    basis: int = Field(description="Earlier steps that the seconds rest on.")


class PlanOut(Out):
    """A checked plan that was not run. Send `plan` to /v1/jobs to run exactly this."""

    object: Literal["plan"] = "plan"
    plan: Plan
    estimate: Estimate


class RevisionOut(Out):
    """A plan that a job had."""

    object: Literal["plan_revision"] = "plan_revision"
    revision: int
    created_at: Time
    plan: Plan


class RevisionList(Out):
    """All plans of a job, oldest first."""

    object: Literal["list"] = "list"
    data: list[RevisionOut]


Items = Annotated[
    list[dict[str, Any]], Field(max_length=64, description="Items as /v1/responses reads them.")
]


class ConversationIn(Body):
    """A new conversation."""

    title: str = Field(default="", max_length=200)
    metadata: Metadata | None = None
    items: Items | None = Field(default=None, description="What was said already.")


class ItemsIn(Body):
    """More that was said, after the newest message."""

    items: Items = Field(min_length=1)


class ConversationChange(Body):
    """What should change."""

    title: str | None = Field(default=None, max_length=200)
    metadata: Metadata | None = None


class ConversationOut(Out):
    """A conversation without its messages."""

    id: str
    object: Literal["conversation"] = "conversation"
    title: str
    metadata: dict[str, str]
    created_at: int = Field(description="Unix seconds, as in OpenAI's form.")


class ConversationDeleted(Out):
    """A conversation that is no more."""

    id: str
    object: Literal["conversation.deleted"] = "conversation.deleted"
    deleted: Literal[True] = True


class MessageOut(Out):
    """One message; `parent` is the one it follows. `type`, `status` and `content`, or the members
    of a call, are OpenAI's; the others are ours.
    """

    id: str
    object: Literal["message"] = "message"
    type: Literal["message", "function_call", "function_call_output"] = "message"
    status: Literal["completed"] = "completed"
    conversation: str
    parent: str | None
    role: Literal["user", "assistant", "system", "developer"]
    content: list[dict[str, Any]] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    parts: list[PartOut]
    job: str | None
    created_at: Time


class PortOut(Out):
    """An input or output of a tool."""

    modalities: list[str]
    about: str
    many: bool
    required: bool
    max_items: int | None = None


class ToolOut(Out):
    """A typed operation that a plan may use."""

    id: str
    object: Literal["tool"] = "tool"
    name: str
    about: str
    version: int
    lane: str
    inputs: dict[str, PortOut]
    outputs: dict[str, PortOut]
    params: dict[str, Any] = Field(description="JSON Schema.")
    seeded: bool
    planned: bool
    live: bool = Field(description="A running worker serves it.")
    models: list[str] = Field(description="Models that serve it, best first.")
    server: str | None = Field(
        default=None,
        description="The attached server it belongs to; jobs name it in `options.tools_from`.",
    )


class WorkerOut(Out):
    """A running worker process."""

    id: str
    lanes: list[str]
    tools: list[str]
    models: list[str] = Field(description="Those in memory.")
    serves: list[str] | None = Field(description="Those that it can load; null: it does not say.")
    lacks: dict[str, str] = Field(description="Those that it should serve and cannot load: why.")
    facts: dict[str, Any]
    started_at: Time
    beat_at: Time
    live: bool


class LaneOut(Out):
    """One queue."""

    ready: int
    running: int
    workers: int


class HubOut(Out):
    """The model that plans."""

    model: str
    status: Literal["ok", "away"] = Field(
        description="`away`: it did not answer when a worker asked it last."
    )
    fallback: str | None = Field(description="The model that runs its steps meanwhile.")


class SystemOut(Out):
    """The state of the installation."""

    object: Literal["system"] = "system"
    version: str
    versions: dict[str, str]
    profile: str
    redis: Literal["connected", "away"]
    hub: HubOut | None
    jobs: dict[str, int] = Field(description="Jobs that have not ended, by status.")
    lanes: dict[str, LaneOut]
    workers: list[WorkerOut]


class Health(Out):
    """Whether the service works."""

    status: Literal["ok", "unready"]
    checks: dict[str, str] = Field(default_factory=dict)


class StepList(Out):
    """The steps of a job in the order of its plan."""

    object: Literal["list"] = "list"
    data: list[StepOut]


class JobWorkflow(Workflow):
    """A workflow made of a job's plan; post it to /v1/workflows to keep it."""


def workflow_urls(workflow_id: str) -> WorkflowUrls:
    """The links of a workflow."""
    here = f"/v1/workflows/{workflow_id}"
    return WorkflowUrls(self=here, versions=f"{here}/versions", runs=f"{here}/runs")


class TraceOut(Out):
    """A trace as OTLP-JSON (`ExportTraceServiceRequest`)."""

    resource_spans: list[dict[str, Any]] = Field(alias="resourceSpans")
