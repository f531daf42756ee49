"""`/v1/embeddings`: words, pictures, sounds and videos as vectors of the shared space."""

import array
import base64
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import Field, field_validator, model_validator
from starlette.concurrency import run_in_threadpool

from api.openai import aliases, calls
from api.openai.bodies import Asked, Ignored
from api.openai.given import Encoded, GivenPart, as_part, binding, media, part_of
from api.schemas.common import Out, documented
from api.schemas.requests import Words
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.modality import Modality
from medley.parts import MAX_TEXT, Part, TextPart
from medley.plan import Plan
from medley.toolset.space import MAX_LISTED
from orchestrator.checking import Rules
from orchestrator.jobs import JobView

router = APIRouter(prefix="/v1/embeddings", tags=["openai"], route_class=StrictRoute)
MAX_INPUTS = 2048
_SHOWN = 16  # parts that the job shows as its request


class MessageGiven(Asked):
    """One message whose parts are embedded together."""

    role: Literal["user", "system", "developer"]
    content: Words | Annotated[list[GivenPart], Field(min_length=1, max_length=16)]


class EmbeddingsIn(Asked):
    """What to embed: `input`, or `messages`."""

    input: (
        Encoded
        | Annotated[list[Encoded], Field(min_length=1, max_length=MAX_INPUTS)]
        | Annotated[list[GivenPart], Field(min_length=1, max_length=MAX_INPUTS)]
        | None
    ) = Field(default=None, description="Words or content parts; one vector for each.")
    messages: list[MessageGiven] | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Instead of `input`: one message, whose parts give one vector, their mean.",
    )
    modality: Literal["text", "image", "audio", "video"] = Field(
        default="text",
        description="What strings in `input` are: words, or media as base64, `data:` addresses or "
        "ids of files.",
    )
    model: str | None = Field(default=None, max_length=256)
    dimensions: int | None = Field(
        default=None, ge=1, le=65_536, description="The first so many numbers, made a unit vector."
    )
    encoding_format: Literal["float", "base64"] = "float"
    user: Ignored = None

    @field_validator("input", mode="before")
    @classmethod
    def _no_tokens(cls, given: Any) -> Any:
        if isinstance(given, list) and not 1 <= len(given) <= MAX_INPUTS:
            raise ValueError(f"give 1 to {MAX_INPUTS} inputs, not {len(given)}")
        if isinstance(given, list):
            first = given[0][0] if isinstance(given[0], list) and given[0] else given[0]
            if isinstance(first, int):
                raise ValueError("tokens of another model's vocabulary are not taken; send words")
        return given

    @model_validator(mode="after")
    def _one_kind(self) -> "EmbeddingsIn":
        if (self.input is None) is (self.messages is None):
            raise ValueError("give either input or messages")
        return self


class EmbeddingOut(Out):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="Numbers, or base64 of little-endian float32.")


class EmbeddingUsage(Out):
    """Tokens are not counted by encoders here: zeros."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class EmbeddingsOut(Out):
    """Vectors in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str = Field(description="The model that made them.")
    usage: EmbeddingUsage = Field(default_factory=EmbeddingUsage)
    job: str = Field(description="The job that this is a view of.")


@router.post(
    "",
    response_model=EmbeddingsOut,
    responses=documented(400, 404, 413, 415, 429, 503, 504, 507),
)
async def create_embeddings(
    body: EmbeddingsIn, request: Request, here: Here, tenant: Tenant
) -> Response:
    """Embeds words and media."""
    call = await run_in_threadpool(embedding, here, tenant, body)
    sender = calls.Sender.of(request, tenant, body.model_dump(exclude_unset=True))
    view = await calls.run(request, here, sender, call)
    made = await run_in_threadpool(embeddings_out, view, body)
    headers = calls.headers_of(view)
    return Response(made.model_dump_json(), headers=headers, media_type="application/json")


def embedding(here: Service, tenant: str, body: EmbeddingsIn) -> calls.Call:
    """The call that embeds; media in it are kept. Raises `ModelNotFound`, `Refused`."""
    pin = aliases.pinned(here.rules, "embed_list", body.model)
    return call_of(here.rules, pin, _parts(here, tenant, body))


def call_of(rules: Rules, pin: str | None, parts: Sequence[Part]) -> calls.Call:
    """The call that embeds these parts, so many at a time."""
    chunks = [parts[start : start + MAX_LISTED] for start in range(0, len(parts), MAX_LISTED)]
    steps = [
        {
            "id": f"vectors{number}",
            "tool": "embed_list",
            "inputs": {"media": [binding(part) for part in chunk]},
            "model": pin,
        }
        for number, chunk in enumerate(chunks, start=1)
    ]
    shown = [f"{step['id']}.vectors" for step in steps]
    return calls.Call(
        name="embeddings",
        plan=Plan.model_validate({"steps": steps, "reply": {"show": shown}}),
        parts=list(parts[:_SHOWN]),
        places={f"/steps/{place}/inputs": "input" for place in range(len(steps))},
    )


def embeddings_out(view: JobView, body: EmbeddingsIn) -> EmbeddingsOut:
    """The answer of a job that has succeeded. Raises `Refused` for too many dimensions."""
    found = [item for step in view.steps for item in step.outputs["vectors"]["data"]]
    vectors = np.array(found, dtype=np.float32)
    if body.messages is not None:
        vectors = _unit(vectors.sum(axis=0, keepdims=True))
    if body.dimensions is not None:
        if body.dimensions > vectors.shape[1]:
            reason = f"These vectors have {vectors.shape[1]} numbers, fewer than that."
            raise calls.Refused("dimensions", reason)
        if body.dimensions < vectors.shape[1]:
            vectors = _unit(vectors[:, : body.dimensions])
    data = [
        EmbeddingOut(index=index, embedding=_written(vector, body.encoding_format))
        for index, vector in enumerate(vectors)
    ]
    return EmbeddingsOut(data=data, model=view.steps[0].model or "", job=view.id)


def _parts(here: Service, tenant: str, body: EmbeddingsIn) -> list[Part]:
    if body.messages is not None:
        content = body.messages[0].content
        if isinstance(content, str):
            return [_words(content, "messages.0.content")]
        return [
            part_of(here, tenant, item, f"messages.0.content.{place}")
            for place, item in enumerate(content)
        ]
    given = [body.input] if isinstance(body.input, str) else list(body.input or [])
    parts: list[Part] = []
    for place, item in enumerate(given):
        at = "input" if isinstance(body.input, str) else f"input.{place}"
        if not isinstance(item, str):
            parts.append(part_of(here, tenant, item, at))
        elif body.modality == "text":
            parts.append(_words(item, at))
        else:
            asset = media(here, tenant, item, at)
            if asset.modality is not Modality(body.modality):
                raise calls.Refused(at, f"This is {asset.modality}, not {body.modality}.")
            parts.append(as_part(asset))
    return parts


def _words(text: str, at: str) -> TextPart:
    if not text.strip():
        raise calls.Refused(at, "The text is empty.")
    if len(text) > MAX_TEXT:
        raise calls.Refused(at, f"The text has more than {MAX_TEXT} characters.")
    return TextPart(text=text)


def _unit(vectors: Any) -> Any:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def _written(vector: Any, form: str) -> list[float] | str:
    if form == "float":
        return [float(number) for number in vector]
    numbers = array.array("f", vector.tolist())
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()
