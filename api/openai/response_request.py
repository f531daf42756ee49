"""A request for a response: what it may say, and the draft that is made of it. Pure."""

from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from api.openai import inline
from api.openai.asked import Asked
from api.openai.faults import unsupported, wrong
from api.openai.inline import Media
from api.openai.items import Said, read_input
from api.openai.submit import Draft
from api.openai.talk import Talk
from api.openai.text_models import hub_of
from api.openai.tools import Chosen, read_choice, read_form, read_tools
from api.schemas.common import Call, Metadata
from medley.modality import Modality
from medley.tasks import Sampling
from orchestrator.checking import Rules

Ignored = Annotated[Any, Field(default=None, description="Accepted and ignored.")]
STEPS = "medley:steps"  #: in `include`: plan and steps are told, too


class Counted(Call):
    """What the tokens of a request depend on."""

    model: str = Field(
        default="medley",
        min_length=1,
        max_length=256,
        description="`medley` for the whole service, or a hub of /v1/models.",
    )
    input: str | list[Any] | None = Field(default=None, description="Words, or items.")
    instructions: str | None = Field(default=None, max_length=65_536)
    previous_response_id: str | None = Field(default=None, max_length=64)
    conversation: str | dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = Field(default=None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    text: dict[str, Any] | None = None
    truncation: str | None = Field(default=None, pattern="^(auto|disabled)$")
    parallel_tool_calls: bool | None = None
    reasoning: Ignored
    personality: Ignored


class ResponseIn(Counted):
    """A request for a response."""

    background: bool | None = None
    stream: bool | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    max_tool_calls: int | None = Field(default=None, ge=1, le=256)
    max_output_tokens: int | None = Field(default=None, ge=1, le=100_000)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    include: list[Annotated[str, Field(max_length=64)]] | None = Field(default=None, max_length=32)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    access_programs: Ignored
    context_management: Ignored
    image: Ignored
    moderation: Ignored
    prompt_cache_key: Ignored
    prompt_cache_options: Ignored
    prompt_cache_retention: Ignored
    safety_identifier: Ignored
    service_tier: Ignored
    stream_options: Ignored
    user: Ignored


def draft_of(body: ResponseIn, rules: Rules) -> Draft:
    """The draft. Raises `BadParameter`, `Unsupported`, `UnknownModel`."""
    stored = body.store is not False
    if body.background and not stored:
        raise wrong("/background", "What runs in the background has to be stored.")
    for name in ("top_logprobs", "presence_penalty", "frequency_penalty"):
        if getattr(body, name):
            raise unsupported(f"/{name}", "Only 0 is offered.")
    chosen = _chosen(body)
    talk = _talk(body, rules, chosen, Sampling(
        temperature=body.temperature or 0.0, top_p=body.top_p or 1.0
    ))  # fmt: skip
    asked = Asked(
        model=body.model,
        stored=stored,
        background=bool(body.background),
        echo=_echo(body),
        functions=[item.name for item in talk.functions] if talk.choice != "none" else [],
        steps=STEPS in (body.include or []) or chosen.plan,
        partial_images=chosen.partial_images,
        image_format=chosen.image_format,
    )
    return Draft(
        said=[*_said(body, chosen)],
        talk=talk,
        asked=asked,
        previous=body.previous_response_id,
        metadata=body.metadata or {},
    )


def counted_draft(body: Counted, rules: Rules) -> Draft:
    """The draft of a request whose tokens are only counted: the chat as its hub would read it."""
    chosen = _chosen(body)
    talk = _talk(body, rules, chosen, Sampling(), counts=True)
    return Draft(
        said=_said(body, chosen),
        talk=talk,
        asked=Asked(model=body.model, stored=False),
        previous=body.previous_response_id,
    )


def _chosen(body: Counted) -> Chosen:
    return read_choice(body.tool_choice, read_tools(body.tools or [], "/tools"), "/tool_choice")


def _talk(
    body: Counted, rules: Rules, chosen: Chosen, sampling: Sampling, *, counts: bool = False
) -> Talk:
    if body.previous_response_id and body.conversation:
        raise wrong("/conversation", "A conversation or a previous response, not both.")
    return Talk(
        instructions=body.instructions or "",
        hub=hub_of(body.model, rules),
        functions=chosen.functions,
        choice=chosen.choice,
        form=read_form((body.text or {}).get("format"), "/text/format"),
        sampling=sampling,
        max_tokens=0 if counts else getattr(body, "max_output_tokens", None),
        seed=getattr(body, "seed", None),
        may_forget=body.truncation == "auto",
        outputs=() if counts else chosen.outputs,
        draw=chosen.draw,
        approve=chosen.approve and not counts,
        max_steps=getattr(body, "max_tool_calls", None),
        conversation=_conversation(body.conversation),
        counts=counts,
    )


def _said(body: Counted, chosen: Chosen) -> list[Said]:
    said = read_input(body.input)
    if chosen.mask is not None:
        at = "/tools/input_image_mask"
        if chosen.mask.get("file_id") is not None:
            mask = inline.named(at, chosen.mask["file_id"], Modality.IMAGE)
        else:
            found = inline.of_url(at, chosen.mask.get("image_url"), Modality.IMAGE)
            assert isinstance(found, Media)
            mask = replace(found, name="mask")
        said.append(Said(role="user", parts=[mask]))
    return said


def _conversation(given: str | dict[str, Any] | None) -> str | None:
    name = given.get("id") if isinstance(given, dict) else given
    if given is not None and (not isinstance(name, str) or not 1 <= len(name) <= 64):
        raise wrong("/conversation", "The id of a conversation is wanted.")
    return name


def _echo(body: ResponseIn) -> dict[str, Any]:
    """What the answer repeats of the request."""
    names = (
        "instructions", "previous_response_id", "truncation", "parallel_tool_calls", "top_p",
        "temperature", "max_output_tokens", "max_tool_calls", "metadata", "tool_choice",
        "safety_identifier", "prompt_cache_key", "user",
    )  # fmt: skip
    echo = {name: value for name in names if (value := getattr(body, name)) is not None}
    if body.tools is not None:
        echo["tools"] = [_shown_tool(tool) for tool in body.tools]
    if isinstance(body.reasoning, dict):
        echo["reasoning"] = {"effort": None, "summary": None, **body.reasoning}
    if body.text is not None:
        echo["text"] = {"format": {"type": "text"}, **body.text}
    if (name := _conversation(body.conversation)) is not None:
        echo["conversation"] = {"id": name}
    return echo


def _shown_tool(tool: dict[str, Any]) -> dict[str, Any]:
    if tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": True, **tool}
