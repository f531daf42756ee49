"""What a line of a batch may ask for: how its body is read, becomes a job, and is answered.

Another endpoint is another entry of `ENDPOINTS`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Connection

from api import orders
from api.openai import calls, embeddings, images
from api.openai.embeddings import EmbeddingsIn
from api.openai.image_bodies import ImageGenerationIn
from api.state import Service
from orchestrator.jobs import JobView

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
}
