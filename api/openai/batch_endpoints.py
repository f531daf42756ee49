"""What a line of a batch may ask for: how its body is read, becomes a job, and is answered.

Another endpoint is another entry of `ENDPOINTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Connection

from api import orders
from api.openai import (
    calls,
    chat,
    chat_request,
    embeddings,
    images,
    inline,
    response_request,
    responses,
)
from api.openai.chat_request import ChatIn
from api.openai.embeddings import EmbeddingsIn
from api.openai.image_bodies import ImageGenerationIn
from api.openai.response_request import ResponseIn
from api.openai.submit import Draft, write
from api.state import Service
from medley.ids import new_id
from orchestrator.jobs import JobView

Model = TypeVar("Model", bound=BaseModel)
PRIORITY = -5  #: a batch lets those pass who wait for their answer


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`prepare` may keep media of the body and gives what `submit` needs, before the transaction
    that `submit` writes the job in; `answer` is the body of a job that has succeeded. `read` and
    `prepare` raise errors of the caller.
    """

    read: Callable[[Any], BaseModel]
    prepare: Callable[[Service, str, Any], Any]
    submit: Callable[[Connection, Service, str, Any], str]
    answer: Callable[[Service, str, JobView, Any], dict[str, Any]]


def _submit(conn: Connection, here: Service, tenant: str, call: calls.Call) -> str:
    quiet = calls.Call(
        name=f"batches.{call.name}",
        plan=call.plan,
        parts=call.parts,
        places=call.places,
        priority=PRIORITY,
    )
    return calls.write(conn, here, calls.Sender(tenant=tenant), quiet)


def _kept(here: Service, draft: Draft) -> tuple[Draft, list[inline.Kept]]:
    """The draft with its media looked at; nothing is fetched from elsewhere."""
    return draft, inline.keep(here, draft.media())


def _submit_draft(
    conn: Connection, here: Service, tenant: str, ready: tuple[Draft, list[inline.Kept]]
) -> str:
    job = new_id("job")
    write(conn, here, tenant, *ready, job, PRIORITY)
    return job


def _read_talk(model: type[Model], body: Any) -> Model:
    asked = orders.parse(model, body)
    for name in ("stream", "background"):
        if getattr(asked, name, None):
            raise calls.Refused(name, "There is nobody who waits for a line of a batch.")
    return asked


def _read_image(body: Any) -> ImageGenerationIn:
    asked = orders.parse(ImageGenerationIn, body)
    if asked.stream:
        raise calls.Refused("stream", "There is nobody to stream to in a batch.")
    if asked.response_format == "url":
        raise calls.Refused("response_format", "A batch gives b64_json.")
    return asked


def _images(here: Service, tenant: str, view: JobView, body: ImageGenerationIn) -> dict[str, Any]:
    shown = [
        f"{step.id}.image"
        for step in view.steps
        if not any(step.id in other.needs for other in view.steps)
    ]
    out = images.answer_of(here, tenant, view, shown, body, "")
    return out.model_dump(mode="json", exclude_none=True)


def _embeddings(here: Service, tenant: str, view: JobView, body: EmbeddingsIn) -> dict[str, Any]:
    return embeddings.embeddings_out(view, body).model_dump(mode="json")


ENDPOINTS: dict[str, Endpoint] = {
    "/v1/images/generations": Endpoint(
        read=_read_image,
        prepare=lambda here, tenant, body: images.generation(here.rules, body)[0],
        submit=_submit,
        answer=_images,
    ),
    "/v1/embeddings": Endpoint(
        read=lambda body: orders.parse(EmbeddingsIn, body),
        prepare=embeddings.embedding,
        submit=_submit,
        answer=_embeddings,
    ),
    "/v1/responses": Endpoint(
        read=lambda body: _read_talk(ResponseIn, body),
        prepare=lambda here, tenant, body: _kept(here, response_request.draft_of(body, here.rules)),
        submit=_submit_draft,
        answer=lambda here, tenant, view, body: responses.whole(here, tenant, view.id),
    ),
    "/v1/chat/completions": Endpoint(
        read=lambda body: _read_talk(ChatIn, body),
        prepare=lambda here, tenant, body: _kept(here, chat_request.draft_of(body, here.rules)),
        submit=_submit_draft,
        answer=lambda here, tenant, view, body: chat.whole(here, tenant, view.id),
    ),
}
