"""The response object: a job as OpenAI's Responses and Open Responses write it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from api import views
from api.ids import RESPONSE, uuid_of
from api.openai.asked import Asked
from orchestrator.jobs import JobView

#: What the object says where the caller said nothing. `temperature` is ours: the likeliest words.
DEFAULTS: Mapping[str, Any] = {
    "instructions": None,
    "previous_response_id": None,
    "tools": [],
    "tool_choice": "auto",
    "truncation": "disabled",
    "parallel_tool_calls": True,
    "text": {"format": {"type": "text"}},
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "temperature": 0.0,
    "reasoning": None,
    "user": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "service_tier": "default",
    "metadata": {},
    "safety_identifier": None,
    "prompt_cache_key": None,
    "conversation": None,
}


def body_of(
    job: JobView, asked: Asked, output: Sequence[Mapping[str, Any]], *, status: str
) -> dict[str, Any]:
    """The object. Tokens are those that the hub counted in all steps."""
    done = status in ("completed", "incomplete", "failed", "cancelled")
    finished = int(job.finished_at.timestamp()) if job.finished_at else None
    return {
        "id": RESPONSE + uuid_of(job.id),
        "object": "response",
        "created_at": int(job.created_at.timestamp()),
        "completed_at": finished if status == "completed" else None,
        "status": status,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "model": asked.model,
        "output": list(output),
        "error": _error(job, status),
        "usage": usage_of(job) if done else None,
        "store": asked.stored,
        "background": asked.background,
        **DEFAULTS,
        **asked.echo,
        "medley": {
            "job": job.id,
            "outputs": [item.model_dump(mode="json") for item in views.job(job).outputs]
            if done
            else [],
        },
    }


def usage_of(job: JobView) -> dict[str, Any]:
    """Tokens in and out, of all steps of the job."""
    read, written = (int(job.usage.get(name, 0)) for name in ("input_tokens", "output_tokens"))
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": read + written,
    }


def _error(job: JobView, status: str) -> dict[str, Any] | None:
    if status not in ("failed", "cancelled"):
        return None
    found = job.error or {}
    code = str(found.get("code") or job.status.value)
    return {"code": code, "message": str(found.get("message") or f"The job is {job.status}.")}
