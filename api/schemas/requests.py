"""What a caller sends to have something done: words and files, a workflow with its inputs, or a
plan.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, model_validator

from api.schemas.common import Body, Metadata
from medley.mcp.declaration import SERVER
from medley.modality import Modality
from medley.parts import MAX_TEXT
from medley.plan import STEP_ID, Plan, Workflow

MAX_PARTS = 64
Words = Annotated[str, Field(max_length=MAX_TEXT)]
Link = Annotated[
    str,
    Field(
        min_length=1,
        max_length=1 << 20,
        description="`https://…`, `http://…` (2,048 characters), or `data:…;base64,…`.",
    ),
]


class TextIn(Body):
    """Words."""

    type: Literal["text"]
    text: Words


class AssetIn(Body):
    """An asset that is already here. A part of an answer may be sent back as it came."""

    type: Literal["asset"]
    asset: str = Field(max_length=64)
    modality: str | None = Field(default=None, max_length=32, description="Ignored.")
    media_type: str | None = Field(default=None, max_length=128, description="Ignored.")
    url: str | None = Field(default=None, max_length=2048, description="Ignored.")


class FileIn(Body):
    """A file of the same multipart request, by its form field or its file name."""

    type: Literal["file"]
    file: str = Field(max_length=255)


class UrlIn(Body):
    """A file that the service fetches, or that the URL itself contains."""

    type: Literal["url"]
    url: Link


PartIn = Annotated[TextIn | AssetIn | FileIn | UrlIn, Discriminator("type")]


class TextValue(Body):
    """Words, as the value of a workflow's input."""

    text: Words


class AssetValue(Body):
    """An asset, as the value of a workflow's input."""

    asset: str = Field(max_length=64)


class FileValue(Body):
    """A file of the same multipart request, as the value of a workflow's input."""

    file: str = Field(max_length=255)


class UrlValue(Body):
    """A file that the service fetches, as the value of a workflow's input."""

    url: Link


Value = Words | TextValue | AssetValue | FileValue | UrlValue
Values = dict[
    Annotated[str, Field(pattern=STEP_ID)], Value | Annotated[list[Value], Field(max_length=64)]
]


class Options(Body):
    """How the job is done."""

    seed: int | None = Field(default=None, ge=0, lt=2**63, description="For steps that take one.")
    approve: Literal["auto", "plan"] = Field(
        default="auto", description="`plan`: stop at the checked plan until it is approved."
    )
    commercial_only: bool = Field(
        default=False, description="Use only models whose licence permits commercial use."
    )
    models: dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=256)]] = (
        Field(
            default_factory=dict,
            max_length=32,
            description="Which model serves a tool in this job, by the tool's name: "
            '`{"plan": "…", "text_to_image": "…"}`.',
        )
    )
    best_of: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Draw so many candidates and take the one that fits best.",
    )
    min_score: float | None = Field(
        default=None,
        ge=-1,
        le=1,
        description="Cosine to the request below which the answer says that it is not sure.",
    )
    max_redraws: int = Field(
        default=0,
        ge=0,
        le=8,
        description="How often a drawing below `min_score` is made once more, with another seed.",
    )
    max_revisions: int = Field(
        default=1, ge=0, le=3, description="How often the hub may plan anew after a failed step."
    )
    ask: bool = Field(
        default=True,
        description="Whether the hub may ask back; the job then waits for `POST …/input`.",
    )
    tools_from: list[Annotated[str, Field(pattern=SERVER)]] | None = Field(
        default=None,
        max_length=16,
        description="Attached MCP servers whose tools the plan may use; without it none.",
    )
    max_steps: int | None = Field(
        default=None, ge=1, le=256, description="Of the plan, with the embeddings that it reads."
    )
    max_gpu_seconds: float | None = Field(
        default=None,
        gt=0,
        le=1e6,
        description="A plan that would take longer, as earlier runs of its steps tell, is refused; "
        "a job that has taken longer is stopped. A step that never ran counts as nothing.",
    )
    recipe: bool | None = Field(
        default=None,
        description="`false`: downloads of what this job makes do not say how it was made.",
    )
    max_output_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Most tokens that each step of the language model may write. A description is "
        "cut there, an unfinished answer is replaced by a plain one, an unfinished plan fails.",
    )


_KINDS = ("input", "workflow", "plan")


class HookIn(Body):
    """Where to tell of what happens to this one job."""

    webhook: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        default=None,
        description="URL that is told of this job: POST, in the form of Standard Webhooks.",
    )
    webhook_events: (
        Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=64)]
        | None
    ) = Field(
        default=None,
        description="Event types as at `/v1/webhook_event_types`; by default when the job waits "
        "for somebody, and how it ends.",
    )
    webhook_secret: Annotated[str, Field(max_length=128)] | None = Field(
        default=None,
        repr=False,
        description="`whsec_…`: signs the messages; without it they are not signed.",
    )

    @model_validator(mode="after")
    def _with_webhook(self) -> Self:
        if self.webhook is None and (self.webhook_events or self.webhook_secret):
            raise ValueError("webhook_events and webhook_secret go with a webhook")
        return self


class JobIn(HookIn):
    """A job: exactly one of `input`, `workflow` (with `inputs`) and `plan`."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [name]} for name in _KINDS]}
    )

    input: Words | Annotated[list[PartIn], Field(min_length=1, max_length=MAX_PARTS)] | None = None
    instructions: Words | None = Field(
        default=None, description="How to go about it; kept apart from the request."
    )
    outputs: list[Modality] = Field(default_factory=list, max_length=8)
    workflow: Annotated[str, Field(max_length=64)] | Workflow | None = Field(
        default=None,
        description="Id (`wf_…` for the newest version, `wf_…@2` for one), or a document.",
    )
    inputs: Values = Field(default_factory=dict, max_length=64)
    plan: Plan | None = None
    conversation: str | None = Field(default=None, max_length=64)
    parent: str | None = Field(default=None, max_length=64, description="Message this one follows.")
    options: Options = Field(default_factory=Options)
    priority: int = Field(default=0, ge=-10, le=10, description="Higher runs earlier.")
    metadata: Metadata = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_kind(self) -> "JobIn":
        given = [name for name in _KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(f"give exactly one of input, workflow and plan (found {found})")
        if self.inputs and self.workflow is None:
            raise ValueError("inputs go with a workflow")
        if self.parent is not None and self.conversation is None:
            raise ValueError("parent goes with a conversation")
        return self


class RunIn(HookIn):
    """A run of a workflow."""

    inputs: Values = Field(default_factory=dict, max_length=64)
    options: Options = Field(default_factory=Options)
    priority: int = Field(default=0, ge=-10, le=10)
    metadata: Metadata = Field(default_factory=dict)


class RetryIn(Body):
    """Which steps run again; what succeeded before them is kept."""

    from_: str = Field(
        default="failed", alias="from", max_length=32, description="`failed`, or a step's id."
    )
    overrides: dict[Annotated[str, Field(max_length=32)], dict[str, Any]] = Field(
        default_factory=dict, max_length=64, description="Parameters to change, by step."
    )


class InputIn(Body):
    """The answer to a question that a job waits with."""

    input: Words | Annotated[list[PartIn], Field(min_length=1, max_length=MAX_PARTS)]


class ApproveIn(Body):
    """Consent to a waiting plan, as it is or in this edited form."""

    revision: int | None = Field(
        default=None,
        ge=1,
        lt=2**31,
        description="The revision that is meant; 412 if there is a newer one.",
    )
    plan: Plan | None = None
