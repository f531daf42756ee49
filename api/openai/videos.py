"""`/v1/videos`: films as views of jobs. `video_…` and `job_…` are one id with two beginnings."""

from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AfterValidator, Field
from starlette.concurrency import run_in_threadpool

from api import downloads
from api.incoming import SentFile, media_type_of
from api.openai import aliases, bodies, calls
from api.openai.bodies import Asked, FileId
from api.openai.files import unix
from api.openai.given import as_part, media
from api.openai.image_plans import drawable, size_of
from api.orders import parse, read_big_json
from api.problems import ApiError
from api.schemas.common import Out, Page, documented, id_after, page
from api.state import Here, Service, Tenant
from medley.errors import NotFound
from medley.media.thumbnail import thumbnail
from medley.modality import Modality
from medley.parts import Part, TextPart
from medley.plan import Plan
from medley.status import JobStatus
from orchestrator import asset_rows, jobs
from orchestrator.asset_rows import Asset
from orchestrator.checking import Rules
from orchestrator.jobs import JobView
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/videos", tags=["openai"])
NAME = "videos"
_STATES = {
    JobStatus.QUEUED: "queued",
    JobStatus.SUCCEEDED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELED: "failed",
    JobStatus.EXPIRED: "failed",
}
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


def _sides(text: str) -> str:
    size_of(text)
    return text


class Reference(Asked):
    """The first picture: the id of a file, or a `data:` address."""

    file_id: FileId | None = None
    image_url: Annotated[str, Field(max_length=64 << 20)] | None = None


class VideoIn(Asked):
    """What to film. In a form the first picture is a file; in JSON a reference."""

    prompt: str = Field(min_length=1, max_length=32_000)
    model: str | None = Field(default=None, max_length=256)
    seconds: float | None = Field(default=None, gt=0, le=60)
    size: Annotated[str, Field(max_length=16), AfterValidator(_sides)] | None = None
    input_reference: Reference | None = None
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    num_inference_steps: int | None = Field(default=None, ge=1, le=150)
    guidance_scale: float | None = Field(default=None, ge=1, le=20)


class VideoError(Out):
    """Why there is no film."""

    code: str
    message: str


class VideoOut(Out):
    """A film on its way."""

    id: str
    object: Literal["video"] = "video"
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(description="Per cent.")
    created_at: int
    completed_at: int | None
    expires_at: int | None = None
    model: str
    prompt: str | None
    seconds: str
    size: str
    error: VideoError | None
    remixed_from_video_id: str | None = None
    job: str


class VideoDeleted(Out):
    """A film that is forgotten."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


_FORM = bodies.form_of(VideoIn, input_reference="The first picture.")
_FORM["requestBody"]["content"]["application/json"] = {
    "schema": {"type": "object", "description": "The same; `input_reference` as an object."}
}


@router.post("", responses=documented(400, 404, 413, 415, 429, 503, 507), openapi_extra=_FORM)
async def create_video(
    request: Request, response: Response, here: Here, tenant: Tenant
) -> VideoOut:
    """Begins a film, from words alone or from a first picture."""
    files: list[Asset] = []
    if media_type_of(request) == "multipart/form-data":
        with ExitStack() as left:
            body, sent = await bodies.read_fields(request, here, VideoIn, left)
            bodies.only_fields(sent, "input_reference")
            file = bodies.one_file(sent, "input_reference", required=False)
            files = await _kept(here, tenant, [file] if file else [], left)
    else:
        body = parse(VideoIn, await read_big_json(request, bodies.MAX_JSON))
    if body.input_reference is not None:
        given = body.input_reference.file_id or body.input_reference.image_url or ""
        files.append(await run_in_threadpool(media, here, tenant, given, "input_reference"))
    if len(files) > 1:
        raise calls.Refused("input_reference", "One picture is taken.")
    call = film(here.rules, body, files)
    hashes = [asset.sha256 for asset in files]
    sender = calls.Sender.of(request, tenant, body.model_dump(exclude_unset=True), hashes)
    job = await run_in_threadpool(calls.submit, here, sender, call)
    view = await run_in_threadpool(calls.load, here, tenant, job)
    calls.add_headers(response, view)
    return video_out(view)


@router.get("", responses=documented(400))
def list_videos(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("video", "job")] = None,
    order: Order = Order.DESC,
) -> Page[VideoOut]:
    """Films by age, newest first."""
    with here.db.connect() as conn:
        found = jobs.list_jobs(
            conn,
            tenant,
            limit=limit + 1,
            after=_job_id(after) if after else None,
            newest=order is Order.DESC,
            metadata={calls.CALL: NAME},
        )
    return page([video_out(view) for view in found], limit)


@router.get("/{video_id}", responses=documented(404))
def get_video(video_id: str, here: Here, tenant: Tenant) -> VideoOut:
    """One film."""
    return video_out(_find(here, tenant, video_id))


@router.delete("/{video_id}", responses=documented(404, 409))
def delete_video(video_id: str, here: Here, tenant: Tenant) -> VideoDeleted:
    """Forgets a film that has ended, or cancels one that has not."""
    view = _find(here, tenant, video_id)
    if not view.ended:
        calls.cancel(here, tenant, view.id)
    else:
        with here.db.begin() as conn:
            jobs.remove(conn, tenant, view.id)
    return VideoDeleted(id=video_id)


@router.get(
    "/{video_id}/content",
    response_class=Response,
    responses={
        200: {"description": "The film", "content": {"*/*": _BYTES}},
        206: {"description": "A part of the film", "content": {"*/*": _BYTES}},
        304: {"description": "Not modified"},
        **documented(400, 404, 409, 416),
    },
)
def get_video_content(
    video_id: str,
    request: Request,
    here: Here,
    tenant: Tenant,
    variant: Literal["video", "thumbnail"] = "video",
) -> Response:
    """The film's file with its recipe, or a small picture of it."""
    view = _find(here, tenant, video_id)
    if not view.ended:
        raise ApiError(409, "not_ready", f"The video is {_status(view)}.")
    calls.check(view)
    part = calls.output(view, "video.video")
    with here.db.connect() as conn:
        asset = asset_rows.get(conn, tenant, part["asset"])
    path = here.store.path(asset.sha256)
    if variant == "thumbnail":
        picture = thumbnail(path, asset.modality, asset.media_type, width=512)
        return Response(picture, media_type="image/webp", headers=downloads.GUARD)
    carried = here.carrier.of(tenant, asset)
    return downloads.content(
        request,
        carried.path if carried else path,
        sha256=carried.sha256 if carried else asset.sha256,
        media_type=asset.media_type,
        name=downloads.file_name("", asset.id, asset.media_type),
        forever=False,
    )


def film(rules: Rules, body: VideoIn, files: list[Asset]) -> calls.Call:
    """The call that films. Raises `ModelNotFound`, `Refused`."""
    name = "image_to_video" if files else "text_to_video"
    tool, pin = rules.tools[name], aliases.pinned(rules, name, body.model)
    spec = aliases.chosen(rules, name, pin)
    inputs: dict[str, Any] = {"prompt": {"text": body.prompt}}
    parts: list[Part] = [TextPart(text=body.prompt)]
    if files:
        if files[0].modality is not Modality.IMAGE:
            raise calls.Refused("input_reference", f"This is {files[0].modality}, no picture.")
        inputs["image"] = {"asset": files[0].id}
        parts.insert(0, as_part(files[0]))
    params: dict[str, Any] = {}
    fps = (spec.defaults.get(f"{name}.fps") if spec else None) or 16.0
    if body.seconds is not None:
        params |= {"fps": fps, "frames": round(body.seconds * fps) + 1}
    sides = size_of(body.size)
    if sides is not None:
        width, height = drawable(sides, tool, spec)
        params |= {"width": width, "height": height}
    given = {
        "seed": body.seed,
        "steps": body.num_inference_steps,
        "guidance": body.guidance_scale,
    }
    params |= {param: value for param, value in given.items() if value is not None}
    step = {"id": "video", "tool": name, "inputs": inputs, "params": params, "model": pin}
    places = {"frames": "seconds", "fps": "seconds", "width": "size", "height": "size"}
    places |= {"steps": "num_inference_steps", "guidance": "guidance_scale", "seed": "seed"}
    return calls.Call(
        name=NAME,
        plan=Plan.model_validate({"steps": [step], "reply": {"show": ["video.video"]}}),
        parts=parts,
        places={f"/steps/0/params/{param}": where for param, where in places.items()}
        | {"/steps/0/inputs/image": "input_reference", "/steps/0/inputs/prompt": "prompt"},
        metadata={"model": (body.model or "")[:512]},
    )


def video_out(view: JobView) -> VideoOut:
    """The job as a film. The size and length are those that are made, not those that were asked."""
    step = next((item for item in view.steps if item.id == "video"), None)
    params = dict(step.params) if step else {}
    words = [item["text"] for item in view.request.get("input", []) if item["type"] == "text"]
    frames, fps = params.get("frames"), params.get("fps")
    error = None
    if view.ended and view.status is not JobStatus.SUCCEEDED:
        _, code, message = calls.failure(view)
        error = VideoError(code=code, message=message)
    sides = (params.get("width"), params.get("height"))
    return VideoOut(
        id=_video_id(view.id),
        status=_status(view),  # type: ignore[arg-type]
        progress=100 if view.ended else int(view.progress * 100),
        created_at=unix(view.created_at),
        completed_at=unix(view.finished_at) if view.finished_at and error is None else None,
        model=view.metadata.get("model") or (step.model if step and step.model else ""),
        prompt=words[0] if words else None,
        seconds=f"{(frames - 1) / fps:g}" if frames and fps else "auto",
        size=f"{sides[0]}x{sides[1]}" if all(sides) else "auto",
        error=error,
        job=view.id,
    )


def _find(here: Service, tenant: str, video: str) -> JobView:
    view = calls.load(here, tenant, _job_id(video))
    if view.metadata.get(calls.CALL) != NAME:
        raise NotFound("video", video)
    return view


def _status(view: JobView) -> str:
    return _STATES.get(view.status, "in_progress")


def _job_id(video: str) -> str:
    return "job_" + video.removeprefix("video_").removeprefix("job_")


def _video_id(job: str) -> str:
    return "video_" + job.removeprefix("job_")


async def _kept(here: Service, tenant: str, files: list[SentFile], left: ExitStack) -> list[Asset]:
    judged = await bodies.judged(here, files, left)
    return await run_in_threadpool(bodies.kept, here, tenant, judged)
