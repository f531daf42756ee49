"""A picture call as a stream: what the drawing looks like so far, then the whole pictures."""

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.sse import format_sse_event
from starlette.concurrency import run_in_threadpool

from api.openai import calls
from api.openai.following import notices
from api.openai.image_bodies import ImageAsked, ImageOut
from api.openai.pictures import as_format, pictures
from api.state import Service
from medley.status import JobStatus
from orchestrator.jobs import JobView


async def follow(
    request: Request,
    here: Service,
    tenant: str,
    job: str,
    asked: ImageAsked,
    shown: list[str],
    family: str,
) -> AsyncIterator[bytes]:
    """Events `{family}.partial_image` and `{family}.completed`, or one `error`.

    At most `partial_images` of each picture, spread over its drawing: a quick one has fewer. A
    caller who hangs up cancels the job.
    """
    sent: dict[str, int] = {}
    async for notice in notices(request, here, tenant, job):
        if isinstance(notice, bytes):
            yield notice
        elif isinstance(notice, JobView):
            if notice.status is not JobStatus.SUCCEEDED:
                yield _event("error", {"error": calls.fault(notice), "job": job})
                return
            whole = asked.model_copy(update={"response_format": "b64_json"})
            made = await run_in_threadpool(pictures, here, tenant, notice, shown, whole, "")
            for picture in made:
                yield _event(f"{family}.completed", _completed(asked, picture, job))
        elif notice.get("type") == "preview":
            event = await run_in_threadpool(
                _partial, here, tenant, job, notice, asked, sent, family
            )
            if event is not None:
                yield event


def _completed(asked: ImageAsked, picture: ImageOut, job: str) -> dict[str, Any]:
    more = {"size": picture.size, "drawn_size": picture.drawn_size, "asset": picture.asset}
    return {**_common(asked, picture.b64_json or ""), **more, "job": job}


def _partial(
    here: Service,
    tenant: str,
    job: str,
    notice: dict[str, Any],
    asked: ImageAsked,
    sent: dict[str, int],
    family: str,
) -> bytes | None:
    """The event of a preview, if one is due at this point of the drawing."""
    wanted, step = asked.partial_images or 0, str(notice.get("step"))
    done = sent.get(step, 0)
    if done >= wanted:
        return None
    view = calls.load(here, tenant, job)
    report = next((item.progress or {} for item in view.steps if item.id == step), {})
    share = float(report.get("done") or 0) / max(1.0, float(report.get("total") or 1))
    if done and share < done / wanted:
        return None
    sent[step] = done + 1
    picture = as_format(base64.b64decode(notice["data"]), asked.output_format or "png")
    data = {**_common(asked, base64.b64encode(picture).decode()), "partial_image_index": done}
    return _event(f"{family}.partial_image", data)


def _common(asked: ImageAsked, encoded: str) -> dict[str, Any]:
    return {
        "b64_json": encoded,
        "background": "opaque",
        "created_at": int(time.time()),
        "output_format": asked.output_format or "png",
        "quality": asked.quality or "auto",
        "size": asked.size or "auto",
    }


def _event(name: str, data: dict[str, Any]) -> bytes:
    text = json.dumps({"type": name, **data}, separators=(",", ":"))
    return format_sse_event(data_str=text, event=name)
