"""`/v1/audio/transcriptions` and `/translations`: what is said in a recording, as text, with times,
or as it is heard.
"""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.sse import format_sse_event
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api import stream
from api.openai import aliases, bodies, calls, subtitles
from api.openai.bodies import Asked, Ignored
from api.openai.following import notices
from api.schemas.common import Out, documented
from api.state import Here, Service, Tenant
from medley.modality import Modality
from medley.parts import AssetPart
from medley.plan import Plan
from medley.status import JobStatus
from orchestrator.asset_rows import Asset
from orchestrator.checking import Rules
from orchestrator.jobs import JobView

router = APIRouter(prefix="/v1/audio", tags=["openai"])
Code = Annotated[str, Field(pattern=r"^[a-z]{2,3}$", description="An ISO 639 code.")]


class TranslationIn(Asked):
    """The fields of the form beside its file."""

    model: str | None = Field(default=None, max_length=256)
    response_format: Literal["json", "text", "srt", "vtt", "verbose_json"] = "json"
    prompt: str | None = Field(
        default=None, max_length=4000, description="Words that may be said before it."
    )
    temperature: float | None = Field(
        default=None, ge=0, le=1, description="0 writes the likeliest words."
    )


class TranscriptionIn(TranslationIn):
    """The fields of the form beside its file."""

    language: Code | None = None
    languages: list[Code] | None = Field(
        default=None, max_length=16, description="One is what is spoken; several leave it open."
    )
    timestamp_granularities: list[Literal["segment", "word"]] | None = Field(
        default=None, max_length=2, description="`word` goes with `verbose_json`."
    )
    stream: bool | None = None
    include: Ignored = None
    chunking_strategy: Ignored = None
    keywords: Ignored = None
    known_speaker_names: Ignored = None
    known_speaker_references: Ignored = None


class Duration(Out):
    """What was heard."""

    type: Literal["duration"] = "duration"
    seconds: float


class SegmentOut(Out):
    """A stretch of the recording. What the model does not measure is 0."""

    id: int
    start: float
    end: float
    text: str
    seek: int = 0
    tokens: list[int] = Field(default_factory=list)
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 0.0
    no_speech_prob: float = 0.0


class WordOut(Out):
    """A word of the recording."""

    word: str
    start: float
    end: float


class TranscriptionOut(Out):
    """What is said; the members below `text` come with `verbose_json`."""

    text: str
    usage: Duration
    task: Literal["transcribe", "translate"] | None = None
    language: str | None = None
    duration: float | None = None
    segments: list[SegmentOut] | None = None
    words: list[WordOut] | None = None


_WORDS: dict[str, Any] = {"schema": {"type": "string"}}


def _said(*, streamed: bool) -> dict[int | str, dict[str, Any]]:
    content: dict[str, Any] = {"text/plain": _WORDS, "text/vtt": _WORDS}
    if streamed:
        content |= stream.DOCUMENTED
    return {
        200: {"model": TranscriptionOut, "description": "What is said", "content": content},
        **documented(400, 404, 413, 415, 429, 503, 504, 507),
    }


@router.post(
    "/transcriptions",
    response_model=TranscriptionOut,
    responses=_said(streamed=True),
    openapi_extra=bodies.form_of(TranscriptionIn, file="A sound, or a video with sound."),
)
async def create_transcription(request: Request, here: Here, tenant: Tenant) -> Response:
    """Writes down what is said in a recording."""
    return await _hear(request, here, tenant, TranscriptionIn)


@router.post(
    "/translations",
    response_model=TranscriptionOut,
    responses=_said(streamed=False),
    openapi_extra=bodies.form_of(TranslationIn, file="A sound, or a video with sound."),
)
async def create_translation(request: Request, here: Here, tenant: Tenant) -> Response:
    """Writes down in English what is said in a recording."""
    return await _hear(request, here, tenant, TranslationIn)


async def _hear(
    request: Request, here: Service, tenant: str, model: type[TranslationIn]
) -> Response:
    with ExitStack() as left:
        body, files = await bodies.read_fields(request, here, model, left)
        bodies.only_fields(files, "file")
        file = bodies.one_file(files, "file")
        judged = await bodies.judged(here, [file] if file else [], left)
    (sound,) = await run_in_threadpool(bodies.kept, here, tenant, judged)
    call = transcription(here.rules, body, sound)
    sender = calls.Sender.of(request, tenant, body.model_dump(exclude_unset=True), [sound.sha256])
    if isinstance(body, TranscriptionIn) and body.stream:
        if body.response_format not in ("json", "text"):
            raise calls.Refused("response_format", "A stream gives json or text.")
        job = await run_in_threadpool(calls.submit, here, sender, call)
        return stream.respond(_stream(request, here, tenant, job), {"Medley-Job-Id": job})
    view = await calls.run(request, here, sender, call)
    return answer(view, body, sound)


def transcription(rules: Rules, body: TranslationIn, sound: Asset) -> calls.Call:
    """The call that writes down a recording. Raises `ModelNotFound`, `Refused`."""
    steps: list[dict[str, Any]] = []
    source: dict[str, Any] = {"asset": sound.id}
    if sound.modality is Modality.VIDEO:
        steps.append({"id": "sound", "tool": "extract_audio", "inputs": {"video": source}})
        source = {"from": "sound.audio"}
    elif sound.modality is not Modality.AUDIO:
        raise calls.Refused("file", f"This is {sound.modality}, no recording.")
    params: dict[str, Any] = {}
    if body.prompt:
        params["prompt"] = body.prompt
    if body.temperature:
        params["temperature"] = body.temperature
    if "word" in _granularities(body):
        if body.response_format != "verbose_json":
            reason = "Times of words come with verbose_json."
            raise calls.Refused("timestamp_granularities", reason)
        params["words"] = True
    if body.response_format in ("srt", "vtt", "verbose_json"):
        params["times"] = True
    if not isinstance(body, TranscriptionIn):
        params["translate"] = True
    elif language := _language(body):
        params["language"] = language
    at = f"/steps/{len(steps)}"
    steps.append(
        {
            "id": "text",
            "tool": "transcribe",
            "inputs": {"audio": source},
            "params": params,
            "model": aliases.pinned(rules, "transcribe", body.model),
        }
    )
    name = "transcriptions" if isinstance(body, TranscriptionIn) else "translations"
    return calls.Call(
        name=f"audio.{name}",
        plan=Plan.model_validate({"steps": steps, "reply": {"show": ["text.text"]}}),
        parts=[AssetPart(asset=sound.id, modality=sound.modality, media_type=sound.media_type)],
        places={
            **{f"{at}/params/{name}": name for name in ("language", "prompt", "temperature")},
            f"{at}/params/words": "timestamp_granularities",
            "/steps/0/inputs": "file",
        },
    )


def answer(view: JobView, body: TranslationIn, sound: Asset) -> Response:
    """What is said, in the form that was asked for."""
    text = calls.output(view, "text.text")["text"]
    seconds = float(sound.facts.seconds or 0.0)
    segments = (calls.output(view, "text.segments") or {}).get("data")
    if segments is None:
        segments = [{"start": 0.0, "end": seconds, "text": text}] if text else []
    headers = calls.headers_of(view)
    match body.response_format:
        case "text":
            return Response(text + "\n", media_type="text/plain", headers=headers)
        case "srt":
            return Response(subtitles.srt(segments), media_type="text/plain", headers=headers)
        case "vtt":
            return Response(subtitles.vtt(segments), media_type="text/vtt", headers=headers)
    found = TranscriptionOut(text=text, usage=Duration(seconds=seconds))
    if body.response_format == "verbose_json":
        heard = isinstance(body, TranscriptionIn)
        found.task = "transcribe" if heard else "translate"
        found.language = (_language(body) if heard else "en") or "unknown"
        found.duration = seconds
        if "segment" in _granularities(body):
            found.segments = [
                SegmentOut(id=number, start=item["start"], end=item["end"], text=item["text"])
                for number, item in enumerate(segments)
            ]
        if "word" in _granularities(body):
            found.words = [WordOut(**item) for item in calls.output(view, "text.words")["data"]]
    content = found.model_dump_json(exclude_none=True)
    return Response(content, media_type="application/json", headers=headers)


def _granularities(body: TranslationIn) -> Sequence[str]:
    """Of what the times are wanted: of segments, where nothing is said."""
    asked = body.timestamp_granularities if isinstance(body, TranscriptionIn) else None
    return asked or ["segment"]


def _language(body: TranslationIn) -> str | None:
    if not isinstance(body, TranscriptionIn):
        return None
    several = body.languages or []
    return body.language or (several[0] if len(several) == 1 else None)


async def _stream(request: Request, here: Service, tenant: str, job: str) -> AsyncIterator[bytes]:
    """Events `transcript.text.delta` for each stretch as it is heard, and one `…done`."""
    said = False
    async for notice in notices(request, here, tenant, job):
        if isinstance(notice, bytes):
            yield notice
        elif isinstance(notice, JobView):
            if notice.status is not JobStatus.SUCCEEDED:
                yield _event("error", {"error": calls.fault(notice), "job": job})
                return
            text = calls.output(notice, "text.text")["text"]
            if not said and text:  # equal words were heard before, or nobody listened
                yield _event("transcript.text.delta", {"delta": text})
            yield _event("transcript.text.done", {"text": text, "job": job})
        elif notice.get("type") == "delta" and notice.get("text"):
            delta = str(notice["text"])
            yield _event("transcript.text.delta", {"delta": f" {delta}" if said else delta})
            said = True


def _event(name: str, data: dict[str, Any]) -> bytes:
    return format_sse_event(data_str=json.dumps({"type": name, **data}), event=name)
