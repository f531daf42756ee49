"""What a step of a job is to a response: whether it speaks or draws, what it said. Pure."""

from collections.abc import Mapping
from typing import Any

from medley.status import DONE_STEP
from orchestrator.jobs import JobView, StepView


def speaks(step: StepView) -> bool:
    """Whether its words, or its call, are what the answer ends with."""
    return step.kind == "answer" or step.tool == "chat"


def draws_one(step: StepView) -> bool:
    """Whether it makes one picture, as far as its tool says: the usual drawing tools."""
    return step.lane == "generate" and (step.tool.endswith("_to_image") or "image" in step.tool)


def outcome(step: StepView) -> str:
    """The status of its item, when it has ended."""
    return "completed" if step.status in DONE_STEP else "failed"


def said_by(step: StepView) -> tuple[str, Mapping[str, Any] | None]:
    """The words that a step which answers has said, or its call."""
    if step.kind == "answer":
        reply = step.outputs.get("reply") or []
        parts = reply if isinstance(reply, list) else [reply]
        return "\n".join(part["text"] for part in parts if part.get("type") == "text"), None
    said = (step.outputs.get("said") or {}).get("data") or {}
    calls = said.get("calls") or []
    return str((step.outputs.get("text") or {}).get("text", "")), calls[0] if calls else None


def was_cut(step: StepView, job: JobView) -> bool:
    """Whether its words ended at a budget."""
    if step.tool == "chat":
        said = (step.outputs.get("said") or {}).get("data") or {}
        return bool(said.get("end") == "length")
    most = job.options.get("max_answer_tokens")
    if step.kind != "answer" or most is None:
        return False
    return bool(step.usage.get("output_tokens", 0) >= most)


def read_aloud(step: StepView, job: JobView) -> str:
    """What a step that makes speech says: its words, or those of the step that it reads."""
    bound = step.inputs.get("text")
    if not isinstance(bound, Mapping):
        return ""
    if "text" in bound:
        return str(bound["text"])
    name, _, port = str(bound.get("from", "")).partition(".")
    made = next((item for item in job.steps if item.id == name), None)
    part = made.outputs.get(port) if made is not None else None
    return str(part.get("text", "")) if isinstance(part, Mapping) else ""
