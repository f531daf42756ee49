"""Chat completions and their chunks, made of what a response tells. Pure."""

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from api import views
from api.ids import COMPLETION, uuid_of
from api.openai.asked import Asked
from api.openai.narration import Narration
from api.openai.output import Told
from api.openai.response_body import usage_of
from orchestrator.jobs import JobView

AUDIO_S = 24 * 3600  #: a promise of OpenAI's form; assets here stay until they are deleted


def completion_of(narration: Narration, sound: str | None) -> dict[str, Any]:
    """The whole completion; `sound`: what it says in base64."""
    job, asked = narration.job, narration.asked
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    text = _text(narration)
    pictures = [item for item in narration.output.items if item["type"] == "image_generation_call"]
    calls = [item for item in narration.output.items if item["type"] == "function_call"]
    if text or not calls:
        message["content"] = text
    if calls:
        message["tool_calls"] = [_call(item) for item in calls]
    if shown := [_image(item) for item in pictures if item["result"]]:
        message["images"] = [{**item, "index": place} for place, item in enumerate(shown)]
    if sound is not None:
        message["audio"] = {
            "id": f"audio_{uuid_of(job.id)}",
            "data": sound,
            "expires_at": int(time.time()) + AUDIO_S,
            "transcript": text,
        }
        message["content"] = None
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason(narration)}
    return {
        **_head(job, asked, "chat.completion"),
        "choices": [choice],
        "usage": completion_usage(job),
        "medley": _medley(job),
    }


def reason(narration: Narration) -> str:
    """Why the answer ended."""
    if narration.shown()["status"] == "incomplete":
        return "length"
    called = any(item["type"] == "function_call" for item in narration.output.items)
    return "tool_calls" if called else "stop"


def completion_usage(job: JobView) -> dict[str, Any]:
    """Tokens as chat completions name them."""
    found = usage_of(job)
    return {
        "prompt_tokens": found["input_tokens"],
        "completion_tokens": found["output_tokens"],
        "total_tokens": found["total_tokens"],
    }


async def chunks(
    told: AsyncIterator[Told | None], job: JobView, asked: Asked, *, usage: bool
) -> AsyncIterator[dict[str, Any] | None]:
    """The events of a response as chunks of a completion."""
    head = _head(job, asked, "chat.completion.chunk")

    def chunk(delta: Mapping[str, Any], end: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": dict(delta), "logprobs": None, "finish_reason": end}
        return {**head, "choices": [choice]}

    pictures = 0
    called = False
    async for event in told:
        if event is None:
            yield None
            continue
        match event["type"]:
            case "response.created":
                yield chunk({"role": "assistant", "content": ""})
            case "response.output_text.delta":
                yield chunk({"content": event["delta"]})
            case "response.output_item.added" if event["item"]["type"] == "function_call":
                called = True
                item = event["item"]
                function = {"name": item["name"], "arguments": ""}
                call = {"index": 0, "id": item["call_id"], "type": "function"}
                yield chunk({"tool_calls": [{**call, "function": function}]})
            case "response.function_call_arguments.delta":
                function = {"arguments": event["delta"]}
                yield chunk({"tool_calls": [{"index": 0, "function": function}]})
            case "response.output_item.done" if event["item"].get("result"):
                image = {**_image(event["item"]), "index": pictures}
                pictures += 1
                yield chunk({"images": [image]})
            case "response.audio.delta":
                yield chunk({"audio": {"id": f"audio_{uuid_of(job.id)}", "data": event["delta"]}})
            case "response.audio.transcript.delta":
                yield chunk({"audio": {"transcript": event["delta"]}})
            case "response.audio.done":
                yield chunk({"audio": {"expires_at": int(time.time()) + AUDIO_S}})
            case "response.completed" | "response.incomplete":
                cut = event["response"]["status"] == "incomplete"
                end = "length" if cut else "tool_calls" if called else "stop"
                yield {**chunk({}, end), "medley": event["response"]["medley"]}
                if usage:
                    used = _renamed(event["response"]["usage"])
                    yield {**head, "choices": [], "usage": used}
            case "response.failed":
                error = event["response"]["error"]
                yield {"error": {**error, "type": "server_error", "param": None}}


def _renamed(usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }


def _head(job: JobView, asked: Asked, kind: str) -> dict[str, Any]:
    return {
        "id": COMPLETION + uuid_of(job.id),
        "object": kind,
        "created": int(job.created_at.timestamp()),
        "model": asked.model,
        "service_tier": "default",
        "system_fingerprint": None,
    }


def _medley(job: JobView) -> dict[str, Any]:
    outputs = [item.model_dump(mode="json") for item in views.job(job).outputs]
    return {"job": job.id, "outputs": outputs}


def _text(narration: Narration) -> str:
    return "".join(
        part["text"]
        for item in narration.output.items
        if item["type"] == "message"
        for part in item["content"]
    )


def _call(item: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": item["name"], "arguments": item["arguments"]}
    return {"id": item["call_id"], "type": "function", "function": function}


def _image(item: Mapping[str, Any]) -> dict[str, Any]:
    url = f"data:image/{item['output_format']};base64,{item['result']}"
    return {"type": "image_url", "image_url": {"url": url}}
