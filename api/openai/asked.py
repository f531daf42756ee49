"""What a job keeps of a request in OpenAI's form, so that any replica can show it again later."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from medley.modality import Modality
from medley.parts import AssetPart, TextPart
from medley.status import JobStatus
from medley.tasks import ChatMessage
from orchestrator.jobs import JobView


class Asked(BaseModel):
    """The request, as far as the answer repeats it or depends on it."""

    model_config = ConfigDict(extra="ignore")

    api: Literal["responses", "chat"] = "responses"
    model: str = "medley"
    stored: bool = True
    background: bool = False
    before: list[ChatMessage] = Field(default_factory=list)
    said: list[ChatMessage] = Field(default_factory=list)
    echo: dict[str, Any] = Field(default_factory=dict)  # members that the answer repeats
    functions: list[str] = Field(default_factory=list)  # names of those that may be called
    steps: bool = False  # whether plan and steps are told
    partial_images: int = 0
    image_format: str = "png"
    audio_format: str = "wav"


def asked_of(job: JobView) -> Asked:
    """What was asked; of a job that came another way, what can be said of it in this form."""
    kept = job.request.get("asked")
    if kept:
        return Asked.model_validate(kept)
    parts = [_part(part) for part in job.request.get("input") or []]
    said = [ChatMessage(role="user", parts=[part for part in parts if part is not None])]
    return Asked(said=said, echo={"metadata": dict(job.metadata)})


def _part(part: dict[str, Any]) -> TextPart | AssetPart | None:
    if part.get("type") == "text":
        return TextPart(text=part["text"])
    if part.get("type") == "asset":
        return AssetPart(
            asset=part["asset"],
            modality=Modality(part["modality"]),
            media_type=part.get("media_type", ""),
        )
    return None


def status_of(job: JobView, *, cut: bool) -> str:
    """The state of a response. `cut`: its answer was stopped at a budget."""
    match job.status:
        case JobStatus.QUEUED:
            return "queued"
        case JobStatus.SUCCEEDED:
            return "incomplete" if cut else "completed"
        case JobStatus.CANCELED:
            return "cancelled"
        case JobStatus.FAILED | JobStatus.EXPIRED:
            return "failed"
        case _:
            return "in_progress"
