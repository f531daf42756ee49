"""`/v1/audio/speech`: words said aloud, as the bytes of a file with its recipe."""

import wave
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse

from api.openai import aliases, calls
from api.openai.bodies import Asked
from api.schemas.common import documented
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.parts import TextPart
from medley.plan import Plan
from medley.toolset.sounds import SpokenLanguage
from orchestrator import asset_rows
from orchestrator.checking import Rules
from orchestrator.jobs import JobView

router = APIRouter(prefix="/v1/audio", tags=["openai"], route_class=StrictRoute)
#: Voices of OpenAI's, which stand for the default voice of the synthesizer here.
VOICES = frozenset(
    {"alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx"}
    | {"sage", "shimmer", "verse"}
)
PCM_RATE = 24_000  #: Hz; OpenAI's raw samples are 16-bit mono at this rate
#: By `response_format`: how the sound is converted, and the type of the answer.
_FORMATS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "wav": (None, "audio/wav"),
    "mp3": ({"format": "mp3"}, "audio/mpeg"),
    "flac": ({"format": "flac"}, "audio/flac"),
    "opus": ({"codec": "opus"}, "audio/ogg"),
    "aac": ({"codec": "aac"}, "audio/aac"),
    "pcm": ({"format": "wav", "rate": PCM_RATE}, "audio/pcm"),
}
_LANGUAGES = ", ".join(get_args(SpokenLanguage))


class VoiceIn(Asked):
    """A voice by its id."""

    id: str = Field(max_length=64)


class SpeechIn(Asked):
    """What to say, and how."""

    input: str = Field(min_length=1, max_length=4096)
    model: str | None = Field(default=None, max_length=256)
    voice: Annotated[str, Field(max_length=64)] | VoiceIn = Field(
        default="alloy",
        description="A voice of the synthesizer; the names of OpenAI's mean its default.",
    )
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    stream_format: Literal["audio"] | None = None
    language: SpokenLanguage | None = None
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="The same words sound the same with any seed."
    )


_SOUND: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/speech",
    response_class=Response,
    responses={
        200: {
            "description": "The sound",
            "content": {kind: _SOUND for _, kind in _FORMATS.values()},
        },
        **documented(400, 404, 413, 415, 429, 503, 504),
    },
)
async def create_speech(body: SpeechIn, request: Request, here: Here, tenant: Tenant) -> Response:
    """Says words aloud."""
    call = speech(here.rules, body)
    sender = calls.Sender.of(request, tenant, body.model_dump(exclude_unset=True))
    view = await calls.run(request, here, sender, call)
    return await run_in_threadpool(_answer, here, tenant, view, body)


def speech(rules: Rules, body: SpeechIn) -> calls.Call:
    """The call that says words aloud. Raises `ModelNotFound`."""
    voice = body.voice if isinstance(body.voice, str) else body.voice.id
    params: dict[str, Any] = {"speed": body.speed}
    if voice not in VOICES:
        params["voice"] = voice
    if body.language is not None:
        params["language"] = body.language
    steps: list[dict[str, Any]] = [
        {
            "id": "speech",
            "tool": "speak",
            "inputs": {"text": {"text": body.input}},
            "params": params,
            "model": aliases.pinned(rules, "speak", body.model),
        }
    ]
    convert, _ = _FORMATS[body.response_format]
    if convert is not None:
        source = {"audio": {"from": "speech.audio"}}
        steps.append({"id": "file", "tool": "convert_audio", "inputs": source, "params": convert})
    shown = f"{steps[-1]['id']}.audio"
    return calls.Call(
        name="audio.speech",
        plan=Plan.model_validate({"steps": steps, "reply": {"show": [shown]}}),
        parts=[TextPart(text=body.input)],
        places={f"/steps/0/params/{name}": name for name in params}
        | {"/steps/0/inputs/text": "input"},
    )


def _answer(here: Service, tenant: str, view: JobView, body: SpeechIn) -> Response:
    convert, kind = _FORMATS[body.response_format]
    part = calls.output(view, "speech.audio" if convert is None else "file.audio")
    with here.db.connect() as conn:
        asset = asset_rows.get(conn, tenant, part["asset"])
    path = here.store.path(asset.sha256)
    headers = calls.headers_of(view)
    if body.response_format != "pcm":
        carried = here.carrier.of(tenant, asset)
        return FileResponse(carried.path if carried else path, media_type=kind, headers=headers)
    with wave.open(str(path), "rb") as sound:  # samples alone have no place for a recipe
        return Response(sound.readframes(sound.getnframes()), media_type=kind, headers=headers)
