"""Pictures that a job has made, on their way to the caller, as base64 or as an address; either way
with their recipe.
"""

import base64
import io

from fastapi import Request

from api import views
from api.openai.calls import output
from api.openai.image_bodies import ImageAsked, ImageOut
from api.openai.image_plans import Format
from api.state import Service
from medley.errors import NotFound
from orchestrator import asset_rows
from orchestrator.jobs import JobView


def pictures(
    here: Service, tenant: str, view: JobView, shown: list[str], asked: ImageAsked, base: str
) -> list[ImageOut]:
    """The pictures of a job, in order. `base`: the address of this service as its caller knows it.

    Raises `NotFound` when one was deleted meanwhile.
    """
    parts = [output(view, name) for name in shown]
    if not all(parts):
        raise NotFound("picture of", view.id)
    with here.db.connect() as conn:
        found = asset_rows.get_many(conn, tenant, [part["asset"] for part in parts])
    made = []
    for name, part in zip(shown, parts, strict=True):
        asset = found[part["asset"]]
        size = f"{asset.facts.width}x{asset.facts.height}"
        one = ImageOut(asset=asset.id, size=size, drawn_size=drawn_size(view, name, default=size))
        if asked.response_format == "url":
            one.url = f"{base}{views.content_url(asset.id)}?recipe=true"
        else:
            one.b64_json = base64.b64encode(here.carrier.bytes_of(tenant, asset)).decode()
        made.append(one)
    return made


def drawn_size(view: JobView, shown: str, default: str) -> str:
    """The size that a picture was drawn in, before it was scaled to what was asked."""
    number = "".join(sign for sign in shown.partition(".")[0] if sign.isdigit())
    for step in view.steps:
        if step.id == f"image{number}":
            width, height = step.usage.get("drawn_width"), step.usage.get("drawn_height")
            if width and height:
                return f"{width:.0f}x{height:.0f}"
            asked = step.params.get("width"), step.params.get("height")
            return f"{asked[0]}x{asked[1]}" if all(asked) else default
    return default


def base_of(request: Request) -> str:
    """The address of this service, as this caller reached it."""
    return str(request.base_url).rstrip("/")


def as_format(jpeg: bytes, wanted: Format) -> bytes:
    """A preview of ours, which is a JPEG, as the file format that was asked for."""
    if wanted == "jpeg":
        return jpeg
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        picture.save(buffer, wanted.upper())
    return buffer.getvalue()
