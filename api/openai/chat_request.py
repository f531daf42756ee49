"""A request for a chat completion: what it may say, and the draft that is made of it. Pure."""

from typing import Annotated, Any, Literal

from pydantic import Field

from api.openai.asked import Asked
from api.openai.faults import unsupported, wrong
from api.openai.files_out import AUDIO_FORMATS
from api.openai.items import OLDER, read_messages
from api.openai.response_request import Ignored
from api.openai.submit import Draft
from api.openai.talk import Talk
from api.openai.text_models import hub_of
from api.openai.tools import read_chat_tools, read_choice, read_form
from api.schemas.common import Body, Call, Metadata
from medley.modality import Modality
from medley.tasks import Sampling
from orchestrator.checking import Rules

Stop = Annotated[str, Field(min_length=1, max_length=200)]


class Extras(Body):
    """What Medley adds."""

    outputs: list[Modality] = Field(
        default_factory=list, max_length=8, description="What is wanted back besides words."
    )


class Voice(Body):
    """How an answer is spoken."""

    voice: str | dict[str, Any] = Field(default="", description="A voice of the synthesizer.")
    format: str = "wav"


class StreamOptions(Body):
    """How the stream is."""

    include_usage: bool | None = None
    include_obfuscation: Ignored


class ChatIn(Call):
    """A request for a chat completion."""

    model: str = Field(
        default="medley",
        min_length=1,
        max_length=256,
        description="`medley` for the whole service, or a hub of /v1/models.",
    )
    messages: list[Any] = Field(min_length=1, max_length=512)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: Stop | Annotated[list[Stop], Field(max_length=8)] | None = None
    max_completion_tokens: int | None = Field(default=None, ge=1, le=100_000)
    max_tokens: int | None = Field(default=None, ge=1, le=100_000)
    n: Literal[1] | None = None
    tools: list[dict[str, Any]] | None = Field(default=None, max_length=128)
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[Literal["text", "image", "audio"]] | None = Field(default=None, max_length=3)
    audio: Voice | None = None
    metadata: Metadata | None = None
    medley: Extras | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    functions: Any = Field(default=None, description=OLDER)
    function_call: Any = Field(default=None, description=OLDER)
    logit_bias: Ignored
    moderation: Ignored
    prompt_cache_key: Ignored
    prompt_cache_options: Ignored
    prompt_cache_retention: Ignored
    reasoning_effort: Ignored
    safety_identifier: Ignored
    service_tier: Ignored
    store: Ignored
    user: Ignored
    verbosity: Ignored


def draft_of(body: ChatIn, rules: Rules) -> Draft:
    """The draft. Raises `BadParameter`, `Unsupported`, `UnknownModel`."""
    for name in ("logprobs", "top_logprobs", "presence_penalty", "frequency_penalty"):
        if getattr(body, name):
            raise unsupported(f"/{name}", "This is not offered here.")
    for name in ("functions", "function_call"):
        if getattr(body, name) is not None:
            raise unsupported(f"/{name}", OLDER)
    chosen = read_choice(
        body.tool_choice, read_chat_tools(body.tools or [], "/tools"), "/tool_choice"
    )
    wanted = {Modality(name) for name in body.modalities or [] if name != "text"}
    voice = _voice(body) if Modality.AUDIO in wanted else None
    extra = body.medley.outputs if body.medley else []
    outputs = [item for item in (*sorted(wanted), *extra) if item is not Modality.TEXT]
    if voice is not None:
        outputs = [item for item in outputs if item is not Modality.AUDIO]
    stop = [body.stop] if isinstance(body.stop, str) else list(body.stop or [])
    talk = Talk(
        hub=hub_of(body.model, rules),
        functions=chosen.functions,
        choice=chosen.choice,
        form=read_form(body.response_format, "/response_format"),
        sampling=Sampling(temperature=body.temperature or 0.0, top_p=body.top_p or 1.0, stop=stop),
        max_tokens=body.max_completion_tokens or body.max_tokens,
        seed=body.seed,
        outputs=list(dict.fromkeys(outputs)),
        voice=voice,
        at="/messages",
    )
    asked = Asked(
        api="chat",
        model=body.model,
        stored=False,
        functions=[item.name for item in talk.functions],
        audio_format=body.audio.format if body.audio else "wav",
    )
    said = read_messages(body.messages)
    return Draft(said=said, talk=talk, asked=asked, metadata=body.metadata or {})


def _voice(body: ChatIn) -> dict[str, Any]:
    """Parameters of `speak`. OpenAI's own voices are not here: they stand for the default one."""
    asked = body.audio or Voice()
    if asked.format not in AUDIO_FORMATS:
        raise wrong("/audio/format", f"One of {', '.join(AUDIO_FORMATS)}.")
    voice = asked.voice.get("id", "") if isinstance(asked.voice, dict) else asked.voice
    if not isinstance(voice, str) or len(voice) > 64:
        raise wrong("/audio/voice", "The name of a voice is wanted.")
    return {"voice": "" if voice in _THEIR_VOICES else voice}


_THEIR_VOICES = frozenset(
    {"alloy", "ash", "ballad", "coral", "echo", "fable", "nova", "onyx", "sage", "shimmer"}
    | {"verse", "marin", "cedar"}
)
