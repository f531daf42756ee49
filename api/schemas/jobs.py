"""Jobs as callers see them."""

from typing import Any, Literal

from pydantic import Field

from api.schemas.common import Out, Time
from medley.status import JobStatus, StepStatus


class PartOut(Out):
    """Text, an asset or a plain value."""

    type: Literal["text", "asset", "data"]
    text: str | None = None
    asset: str | None = None
    modality: str | None = None
    media_type: str | None = None
    url: str | None = Field(default=None, description="Where an asset's bytes are.")
    data: Any = None


class StepOut(Out):
    """One use of one tool."""

    id: str
    tool: str
    model: str | None = Field(description="The model that runs it, or that ran in its place.")
    status: StepStatus
    needs: list[str] = Field(description="Steps whose outputs it reads.")
    inputs: dict[str, Any] = Field(description="What it reads: assets, words, outputs of steps.")
    params: dict[str, Any]
    outputs: dict[str, PartOut | list[PartOut]]
    attempt: int
    progress: dict[str, Any] | None
    error: dict[str, Any] | None
    lane: str | None
    worker: str | None
    started_at: Time | None
    completed_at: Time | None
    usage: dict[str, float] = Field(
        description="What its attempts used, however they ended: `seconds`, `gpu_seconds`, and of "
        "a hub `input_tokens` and `output_tokens`."
    )


class PlanView(Out):
    """The job's graph as it stands: every step with its state."""

    revision: int
    steps: list[StepOut]
    reply: dict[str, Any]


class Progress(Out):
    """How far the job is. `value` never goes back."""

    value: float = Field(ge=0, le=1)
    steps_done: int
    steps_total: int
    current: list[dict[str, Any]] = Field(
        description="Running steps: step, tool, and done/total/message where they report."
    )


class Answer(Out):
    """The reply: its words, and its parts in order."""

    text: str
    parts: list[PartOut]


class Output(Out):
    """Something the job made and shows."""

    type: str = Field(description="Its modality.")
    step: str | None
    name: str | None = Field(description="Output of the plan, such as `s2.image`.")
    asset: str | None = None
    content_type: str | None = None
    url: str | None = None
    text: str | None = None
    data: Any = None


class Metrics(Out):
    """Times in milliseconds, as far as they are known."""

    queue_ms: int | None = None
    plan_ms: int | None = None
    execution_ms: int | None = None


class WaitingFor(Out):
    """What a waiting job waits for."""

    what: Literal["approval", "input"]
    question: str | None = Field(default=None, description="What the hub wants to know.")


class JobUrls(Out):
    """Where to go from a job."""

    self: str
    events: str
    plan: str
    steps: str
    cancel: str
    retry: str
    approve: str
    input: str
    workflow: str
    ui: str


class JobOut(Out):
    """One request of a caller, durable, with a state and an event log."""

    id: str
    object: Literal["job"] = "job"
    kind: Literal["request", "workflow", "plan"]
    status: JobStatus
    phase: Literal["planning", "executing", "finalizing"] | None
    created_at: Time
    started_at: Time | None
    completed_at: Time | None
    queue_position: int | None = Field(description="Jobs that were accepted earlier and wait, too.")
    waiting_for: WaitingFor | None = None
    progress: Progress
    input: list[PartOut]
    plan: PlanView | None
    answer: Answer | None
    outputs: list[Output]
    error: dict[str, Any] | None
    metrics: Metrics
    usage: dict[str, float] = Field(description="The usage of its steps, added up.")
    conversation: str | None
    message: str | None = Field(description="The message that asked for this job.")
    workflow: str | None
    retry_of: str | None
    options: dict[str, Any]
    priority: int
    metadata: dict[str, str]
    urls: JobUrls


def job_urls(job_id: str) -> JobUrls:
    """The links of a job."""
    here = f"/v1/jobs/{job_id}"
    rooms = ("events", "plan", "steps", "cancel", "retry", "approve", "input", "workflow")
    return JobUrls(self=here, ui=f"/#/jobs/{job_id}", **{room: f"{here}/{room}" for room in rooms})
