"""What the hub is asked: the input of the tools `plan` and `answer`, and the parameters of `chat`,
as plain JSON.

Assets appear under short ids (`a1`, `a2`, …) that mean something inside one job only; the
orchestrator maps them. Text that came out of media or tools is data: it stands in its own
fields, never inside `request`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field

from medley.flows import FlowTool
from medley.mcp.declaration import Declaration
from medley.modality import Modality
from medley.parts import AssetPart, TextPart


class _Task(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KnownAsset(_Task):
    """An asset of the job or its conversation."""

    id: str  # "a1"
    modality: Modality
    about: str = ""  # one line: file name, or the words it was made from. Untrusted text.
    made_by: str = ""  # the tool that made it
    turn: int = 0  # 0: this message; 1: the turn before; …
    step: str | None = None  # the step that made it


class Turn(_Task):
    """An earlier message of the conversation, or a summary of the first ones."""

    role: Literal["user", "assistant", "summary"]
    text: str


class StepFact(_Task):
    """What became of one step."""

    id: str
    tool: str
    status: Literal["succeeded", "failed"]
    about: dict[str, Any] = Field(default_factory=dict)  # its inputs in short form: {"media": "a1"}
    text: str = ""  # its words, if it gave any. Untrusted text.
    assets: list[str] = Field(default_factory=list)  # short ids of what it made
    error: str = ""


class Sampling(_Task):
    """How words are chosen. Without a temperature the likeliest ones are."""

    temperature: float = Field(default=0.0, ge=0.0, le=2.0)
    top_p: float = Field(default=1.0, gt=0.0, le=1.0)
    stop: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(
        default_factory=list, max_length=8, description="Words before which the text ends."
    )


class PlanTask(_Task):
    """Turn `request` into a plan over `tools`, with assets named by their short ids."""

    request: str
    assets: list[KnownAsset] = Field(default_factory=list)
    tools: list[str] = Field(default_factory=list)  # names of live tools
    outside: list[Declaration] = Field(default_factory=list)  # what those from outside are
    flows: list[FlowTool] = Field(default_factory=list)  # what those that are workflows are
    outputs: list[Modality] = Field(default_factory=list)  # what the caller wants back, when said
    history: list[Turn] = Field(default_factory=list)
    previous: dict[str, Any] | None = None  # the refused plan, or the one that ran
    faults: list[dict[str, Any]] = Field(default_factory=list)  # {pointer, reason, suggestion}
    ran: list[StepFact] = Field(default_factory=list)  # what became of the plan before, if it ran
    max_tokens: int | None = None  # that the hub may write
    may_ask: bool = False  # the hub may ask the caller a question instead: {"ask": "…"}
    max_steps: int = 64


class AnswerFacts(_Task):
    """Write the reply to `request` from what really exists."""

    request: str
    assets: list[KnownAsset] = Field(default_factory=list)
    steps: list[StepFact] = Field(default_factory=list)
    show: list[str] = Field(default_factory=list)  # short ids that the plan wants shown
    history: list[Turn] = Field(default_factory=list)
    faults: list[str] = Field(default_factory=list)  # what was untrue in the last attempt
    max_tokens: int | None = None  # that the hub may write
    may_be_cut: bool = False  # there: what is written until then is the reply
    sampling: Sampling = Field(default_factory=Sampling)


class ReplyDraft(_Task):
    """The reply: words that may name assets as `[a3]`, and the assets to show. Nothing else may be
    named.
    """

    text: str = Field(max_length=16_384)
    show: list[str] = Field(default_factory=list, max_length=64)


class ChatCall(_Task):
    """A function that a model asked its caller to call, with its arguments as JSON text."""

    id: str = Field(max_length=128)
    name: str = Field(max_length=64)
    arguments: str = Field(max_length=1 << 20)


class ChatMessage(_Task):
    """One message of a chat. A `tool` message says what the call `call` gave."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: list[Annotated[TextPart | AssetPart, Discriminator("type")]] = Field(
        default_factory=list, max_length=256
    )
    calls: list[ChatCall] = Field(default_factory=list, max_length=128)
    call: str = Field(default="", max_length=128)

    @property
    def text(self) -> str:
        """Its words."""
        return "\n".join(part.text for part in self.parts if isinstance(part, TextPart))


class Function(_Task):
    """A function of the caller's own: the hub may ask for a call of it and never runs it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    about: str = Field(default="", max_length=8000)
    parameters: dict[str, Any] = Field(default_factory=dict, description="JSON schema.")
