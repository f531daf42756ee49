"""What an agent is given of a job: words, small media in the message, and links to all of them."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from mcp_types import AudioContent, CallToolResult, ContentBlock, ImageContent, TextContent
from mcp_types import ResourceLink as Link
from pydantic import BaseModel, Field

from api import views
from api.agents.caller import Caller
from api.agents.media import uri_of
from api.schemas.jobs import JobOut, Output, WaitingFor
from medley.media.thumbnail import thumbnail
from medley.modality import Modality
from medley.status import JobStatus
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset
from orchestrator.jobs import JobView

#: Bytes of one medium inside a message, and of all of them; a larger picture is shown smaller.
MAX_ITEM, MAX_ALL = 1 << 20, 4 << 20
SMALL = 1024  #: pixels of a picture that is shown smaller
_SEEN = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
_BAD = (JobStatus.FAILED, JobStatus.EXPIRED, JobStatus.CANCELED)


class Made(BaseModel):
    """Something that the job made and shows."""

    type: str = Field(description="Its modality.")
    name: str | None = Field(default=None, description="Output of the plan, such as `s2.image`.")
    asset: str | None = None
    uri: str | None = Field(default=None, description="The resource to read.")
    url: str | None = Field(default=None, description="Where its bytes are, over HTTP.")
    media_type: str | None = None
    text: str | None = None
    data: Any = None


class JobResult(BaseModel):
    """A job as an agent sees it."""

    job: str = Field(description="Its id, for job_status, answer_job and cancel_job.")
    status: str
    progress: float = Field(description="In [0, 1].")
    answer: str | None = Field(default=None, description="The reply in words.")
    outputs: list[Made] = []
    waiting_for: WaitingFor | None = Field(
        default=None, description="What a waiting job needs; give it with answer_job."
    )
    plan: list[dict[str, Any]] | None = Field(
        default=None, description="The steps of a plan that waits for approval."
    )
    error: dict[str, Any] | None = None
    url: str = Field(description="The job over HTTP.")


def result_of(caller: Caller, view: JobView) -> CallToolResult:
    """The job as the result of a call. Blocks: it reads files."""
    job = views.job(view)
    shown = told(caller, job)
    return CallToolResult(
        content=[TextContent(text=_words(shown)), *_media(caller, shown.outputs)],
        structured_content=shown.model_dump(mode="json", exclude_none=True),
        is_error=view.status in _BAD,
    )


def told(caller: Caller, job: JobOut) -> JobResult:
    """The job without its media."""
    waits = job.waiting_for
    approving = waits is not None and waits.what == "approval" and job.plan is not None
    steps = job.plan.steps if job.plan and approving else []
    return JobResult(
        job=job.id,
        status=job.status,
        progress=job.progress.value,
        answer=job.answer.text if job.answer else None,
        outputs=[_made(caller, item) for item in job.outputs],
        waiting_for=waits,
        plan=[{"id": s.id, "tool": s.tool, "inputs": s.inputs, "params": s.params} for s in steps]
        or None,
        error=job.error,
        url=caller.link(job.urls.self),
    )


def _made(caller: Caller, item: Output) -> Made:
    return Made(
        type=item.type,
        name=item.name,
        asset=item.asset,
        uri=uri_of(item.asset) if item.asset else None,
        url=caller.link(item.url) if item.url else None,
        media_type=item.content_type,
        text=item.text,
        data=item.data,
    )


def _words(shown: JobResult) -> str:
    error = shown.error or {}
    if error:
        faults = [f"\n  {f.get('pointer')}: {f.get('reason')}" for f in error.get("errors") or ()]
        return f"{shown.job} {shown.status}: {error.get('message', '')}{''.join(faults)}"
    if shown.waiting_for is not None:
        question = shown.waiting_for.question or "Its plan waits for approval."
        return f"{shown.job} waits: {question} Go on with answer_job."
    texts = [item.text for item in shown.outputs if item.text]
    return shown.answer or "\n".join(texts) or f"{shown.job} {shown.status}"


def _media(caller: Caller, outputs: list[Made]) -> Iterator[ContentBlock]:
    ids = list(dict.fromkeys(item.asset for item in outputs if item.asset))
    with caller.here.db.connect() as conn:
        assets = asset_rows.get_many(conn, caller.tenant, ids)
    left = MAX_ALL
    for asset in assets.values():
        found = _inside(caller, asset, min(left, MAX_ITEM))
        if found is not None:
            left -= len(found.data)
            yield found
    by_asset = {item.asset: item for item in reversed(outputs)}
    for asset in assets.values():
        yield link_to(asset, by_asset[asset.id].name)


def _inside(caller: Caller, asset: Asset, room: int) -> ImageContent | AudioContent | None:
    """The medium itself where it fits; a picture that does not is shown smaller."""
    path = caller.here.store.path(asset.sha256)
    kind = asset.media_type
    is_sound, is_picture = asset.modality is Modality.AUDIO, asset.modality is Modality.IMAGE
    if (is_sound or kind in _SEEN) and asset.size * 4 // 3 < room:
        data = _base64(caller.here.carrier.bytes_of(caller.tenant, asset))
        if len(data) >= room:  # the recipe made it too large
            data = _base64(path.read_bytes())
        content = AudioContent if is_sound else ImageContent
        return content(data=data, mime_type=kind)
    if not is_picture:
        return None
    small = _base64(thumbnail(path, asset.modality, asset.media_type, SMALL, caller.here.limits))
    return ImageContent(data=small, mime_type="image/webp") if len(small) < room else None


def link_to(asset: Asset, name: str | None = None) -> Link:
    """An asset as a link."""
    return Link(
        name=name or asset.origin.get("name") or asset.id,
        uri=uri_of(asset.id),
        mime_type=asset.media_type,
        size=asset.size if asset.origin.get("kind") != "step" else None,  # its recipe is added
        description=describe(asset),
    )


def describe(asset: Asset) -> str:
    """What was measured of an asset, in a few words."""
    facts: Mapping[str, Any] = asset.facts.to_data()
    wide, high = facts.get("width"), facts.get("height")
    size = f"{wide} x {high} px" if wide and high else f"{wide} numbers" if wide else ""
    long = f"{facts['seconds']:.1f} s" if facts.get("seconds") else ""
    return ", ".join(item for item in (str(asset.modality), size, long) if item)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
