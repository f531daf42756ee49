"""`/v1/uploads`: a large file in parts, put together at the end. Memory does not grow with it."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.incoming import SentFile, display_name, media_type_of, read_form
from api.openai import bodies
from api.openai.bodies import Asked
from api.openai.calls import Refused
from api.openai.files import ExpiresAfter, FileOut, Purpose, enter, find, judge, unix
from api.problems import ApiError
from api.schemas.common import Out, documented
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from orchestrator import uploads
from orchestrator.assets import Received

router = APIRouter(prefix="/v1/uploads", tags=["openai"], route_class=StrictRoute)
MAX_PART = 64 << 20  #: bytes, as with OpenAI
_BLOCK = 1 << 20


class UploadIn(Asked):
    """What will come."""

    bytes: int = Field(ge=1)
    filename: str = Field(min_length=1, max_length=255)
    mime_type: str = Field(max_length=255, description="For display: the bytes decide.")
    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class CompleteIn(Asked):
    """The parts in their order."""

    part_ids: list[Annotated[str, Field(max_length=64)]] = Field(
        min_length=1, max_length=uploads.MAX_PARTS
    )
    md5: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{32}$", description="Of the whole.")


class UploadOut(Out):
    """A file on its way."""

    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    file: FileOut | None = None


class UploadPartOut(Out):
    """A part that is kept."""

    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: int
    upload_id: str


@router.post("", responses=documented(400, 413, 415))
def create_upload(body: UploadIn, here: Here, tenant: Tenant) -> UploadOut:
    """Begins an upload; parts may be added for an hour."""
    if body.bytes > here.limits.max_bytes:
        raise Refused("bytes", f"At most {here.limits.max_bytes} are accepted.")
    with here.db.begin() as conn:
        made = uploads.create(
            conn,
            tenant,
            size=body.bytes,
            filename=display_name(body.filename) or "file",
            mime_type=body.mime_type,
            purpose=body.purpose,
            keep_s=body.expires_after.seconds if body.expires_after else None,
            key=here.caller.key,
        )
    return _out(made, None)


_PART: dict[str, Any] = {"type": "string", "format": "binary", "description": "At most 64 MiB."}


@router.post(
    "/{upload_id}/parts",
    responses=documented(400, 404, 409, 413, 415, 507),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "properties": {"data": _PART},
                        "required": ["data"],
                    }
                }
            },
        }
    },
)
async def add_upload_part(
    upload_id: str, request: Request, here: Here, tenant: Tenant
) -> UploadPartOut:
    """Adds bytes. Parts may come in any order, and at the same time."""
    await run_in_threadpool(_pending, here, tenant, upload_id)
    if media_type_of(request) != "multipart/form-data":
        raise ApiError(415, "unsupported_media", "Send multipart/form-data.")
    with ExitStack() as left:
        sent = await read_form(request, here.store, MAX_PART, left)
        bodies.only_fields(sent.files, "data")
        file = bodies.one_file(sent.files, "data")
        assert file is not None
        left.pop_all()  # who leaves from now on has brought a part all the same
    part = await run_in_threadpool(_add, here, tenant, upload_id, file.received)
    return UploadPartOut(id=part.id, created_at=unix(part.created_at), upload_id=upload_id)


@router.post("/{upload_id}/complete", responses=documented(400, 404, 409, 413, 415, 503, 507))
def complete_upload(upload_id: str, body: CompleteIn, here: Here, tenant: Tenant) -> UploadOut:
    """Puts the parts together to a file, and judges it like any other."""
    with here.db.connect() as conn:
        upload = uploads.pending(uploads.get(conn, tenant, upload_id))
        parts = uploads.parts(conn, upload, body.part_ids)
    check = hashlib.md5(usedforsecurity=False) if body.md5 else None

    def blocks() -> Iterator[bytes]:
        for part in parts:
            with here.store.open(part.sha256) as file:
                while block := file.read(_BLOCK):
                    if check is not None:
                        check.update(block)
                    yield block

    received = here.store.receive(blocks(), here.limits.max_bytes)
    if check is not None and body.md5 and check.hexdigest() != body.md5.lower():
        here.store.discard(received)
        raise Refused("md5", f"The parts have the MD5 sum {check.hexdigest()}.")
    file = SentFile(field="part_ids", name=upload.filename, received=received)
    facts = judge(here, file)
    with here.entering([received]) as conn:
        uploads.use_up(conn, body.part_ids)
        asset = enter(conn, here, tenant, file, facts, upload.purpose, upload.keep_s)
        done = uploads.end(conn, tenant, upload_id, "completed", asset.id)
    return _out(done, FileOut.of(asset))


@router.post("/{upload_id}/cancel", responses=documented(404, 409))
def cancel_upload(upload_id: str, here: Here, tenant: Tenant) -> UploadOut:
    """Ends an upload without a file."""
    with here.db.begin() as conn:
        return _out(uploads.end(conn, tenant, upload_id, "cancelled", None), None)


@router.get("/{upload_id}", responses=documented(404))
def get_upload(upload_id: str, here: Here, tenant: Tenant) -> UploadOut:
    """One upload."""
    with here.db.connect() as conn:
        upload = uploads.get(conn, tenant, upload_id)
    file = FileOut.of(find(here, tenant, upload.asset)) if upload.asset else None
    return _out(upload, file)


def _pending(here: Service, tenant: str, upload: str) -> None:
    with here.db.connect() as conn:
        uploads.pending(uploads.get(conn, tenant, upload))


def _add(here: Service, tenant: str, upload: str, received: Received) -> uploads.Part:
    with here.entering([received]) as conn:
        here.store.keep(received)
        part = uploads.add_part(conn, tenant, upload, received)
        here.admission.check_bytes(conn)
        return part


def _out(upload: uploads.Upload, file: FileOut | None) -> UploadOut:
    return UploadOut(
        id=upload.id,
        bytes=upload.bytes,
        created_at=unix(upload.created_at),
        expires_at=unix(upload.expires_at),
        filename=upload.filename,
        purpose=upload.purpose,
        status=upload.status,  # type: ignore[arg-type]
        file=file,
    )
