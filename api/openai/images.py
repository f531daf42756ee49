"""`/v1/images`: pictures from words, and pictures changed."""

import time
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from api import stream
from api.openai import aliases, bodies, calls
from api.openai.given import as_part
from api.openai.image_bodies import ImageAsked, ImageEditIn, ImageGenerationIn, ImagesOut
from api.openai.image_plans import Drawing, drawing, masked
from api.openai.image_stream import follow
from api.openai.pictures import base_of, pictures
from api.schemas.common import documented
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.parts import Part, TextPart
from medley.plan import AssetBinding, TextBinding
from orchestrator.asset_rows import Asset
from orchestrator.checking import Rules
from orchestrator.jobs import JobView

router = APIRouter(prefix="/v1/images", tags=["openai"], route_class=StrictRoute)
MOST_PICTURES = 16  #: of one edit; what a model takes besides the first is its own affair
DRAWN: dict[int | str, dict[str, Any]] = {
    200: {"model": ImagesOut, "description": "The pictures", "content": {**stream.DOCUMENTED}},
    **documented(400, 404, 413, 415, 429, 503, 504, 507),
}


@router.post("/generations", response_model=ImagesOut, responses=DRAWN)
async def create_image(
    body: ImageGenerationIn, request: Request, here: Here, tenant: Tenant
) -> Response:
    """Draws pictures from words."""
    call, drawn = generation(here.rules, body)
    sender = calls.Sender.of(request, tenant, body.model_dump(exclude_unset=True))
    return await _answer(request, here, sender, call, drawn, body, "image_generation")


@router.post(
    "/edits",
    response_model=ImagesOut,
    responses=DRAWN,
    openapi_extra=bodies.form_of(
        ImageEditIn,
        image="The picture; further ones, as `image[]`, where the model takes them.",
        mask="A PNG, transparent where it may change.",
    ),
)
async def edit_image(request: Request, here: Here, tenant: Tenant) -> Response:
    """Changes a picture as the words say: all of it, or where the mask is transparent."""
    with ExitStack() as left:
        body, files = await bodies.read_fields(request, here, ImageEditIn, left)
        bodies.only_fields(files, "image", "mask")
        sources = bodies.some_files(files, "image", MOST_PICTURES)
        mask = bodies.one_file(files, "mask", required=False)
        if mask is not None and len(sources) > 1:
            raise calls.Refused("image", "With a mask one picture is taken.")
        judged = await bodies.judged(here, [*sources, *([mask] if mask else [])], left)
    hashes = [file.sent.received.sha256 for file in judged]
    found = await run_in_threadpool(bodies.kept, here, tenant, judged)
    for place, asset in enumerate(found):
        if asset.modality != "image":
            name = "image" if place < len(sources) else "mask"
            raise calls.Refused(name, f"This is {asset.modality}, no picture.")
    call, drawn = edit(here.rules, body, found[: len(sources)], *found[len(sources) :])
    sender = calls.Sender.of(request, tenant, body.model_dump(exclude_unset=True), hashes)
    return await _answer(request, here, sender, call, drawn, body, "image_edit")


def generation(rules: Rules, body: ImageGenerationIn) -> tuple[calls.Call, Drawing]:
    """The call that draws from words. Raises `ModelNotFound`."""
    pin = aliases.pinned(rules, "text_to_image", body.model)
    spec = aliases.chosen(rules, "text_to_image", pin)
    prompt = TextBinding(text=body.prompt)
    drawn = drawing(body.wish(pin), rules.tools["text_to_image"], {"prompt": prompt}, spec)
    words: list[Part] = [TextPart(text=body.prompt)]
    return _call("images.generations", drawn, words), drawn


def edit(
    rules: Rules, body: ImageEditIn, pictures: list[Asset], mask: Asset | None = None
) -> tuple[calls.Call, Drawing]:
    """The call that changes the first picture, and where a mask is given only where that is
    transparent; the others are those of which the words may speak.

    Raises `ModelNotFound`.
    """
    tool = "inpaint" if mask else "edit_image"
    pin = aliases.pinned(rules, tool, body.model)
    spec = aliases.chosen(rules, tool, pin)
    inputs: dict[str, Any] = {
        "image": AssetBinding(asset=pictures[0].id),
        "prompt": TextBinding(text=body.prompt),
    }
    if others := pictures[1:]:
        inputs["references"] = [AssetBinding(asset=other.id) for other in others]
    if mask:
        inputs["mask"] = {"from": "mask.image"}
    drawn = drawing(body.wish(pin), rules.tools[tool], inputs, spec)
    if mask:
        drawn = masked(drawn, mask.id)
    shown: list[Part] = [as_part(picture) for picture in pictures]
    return _call("images.edits", drawn, [*shown, TextPart(text=body.prompt)]), drawn


def answer_of(
    here: Service, tenant: str, view: JobView, shown: list[str], body: ImageAsked, base: str
) -> ImagesOut:
    """The answer of a job that has succeeded; `shown`: the outputs that hold its pictures."""
    made = pictures(here, tenant, view, shown, body, base)
    return ImagesOut(
        created=int(time.time()),
        output_format=body.output_format or "png",
        quality=body.quality,
        size=made[0].size,
        data=made,
        job=view.id,
    )


def _call(name: str, drawn: Drawing, parts: list[Part]) -> calls.Call:
    return calls.Call(name=name, plan=drawn.plan, parts=parts, places=drawn.places)


async def _answer(
    request: Request,
    here: Service,
    sender: calls.Sender,
    call: calls.Call,
    drawn: Drawing,
    body: ImageAsked,
    family: str,
) -> Response:
    if body.stream:
        job = await run_in_threadpool(calls.submit, here, sender, call)
        events = follow(request, here, sender.tenant, job, body, drawn.shown, family)
        return stream.respond(events, {"Medley-Job-Id": job})
    view = await calls.run(request, here, sender, call)
    made = await run_in_threadpool(
        answer_of, here, sender.tenant, view, drawn.shown, body, base_of(request)
    )
    headers = {**calls.headers_of(view), "Medley-Drawn-Size": made.data[0].drawn_size}
    content = made.model_dump_json(exclude_none=True)
    return Response(content, headers=headers, media_type="application/json")
