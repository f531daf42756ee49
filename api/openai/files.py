"""`/v1/files`: the tenant's assets as OpenAI's clients see files. A file's id is its asset's."""

import time
from contextlib import ExitStack
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api import downloads
from api.incoming import SentFile, display_name
from api.openai import bodies
from api.openai.bodies import Asked
from api.openai.calls import Refused
from api.schemas.common import Out, Page, documented, id_after, page
from api.state import Here, Service, Tenant
from medley.errors import CallerError, NotFound
from medley.media.facts import Facts
from medley.modality import Modality
from orchestrator import asset_rows, asset_use
from orchestrator.asset_rows import Asset
from orchestrator.assets import take_in
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/files", tags=["openai"])
Purpose = Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


class ExpiresAfter(Asked):
    """How long a file is kept."""

    anchor: Literal["created_at"]
    seconds: int = Field(ge=3600, le=2_592_000)


class FileFields(Asked):
    """The fields of the form beside its file."""

    purpose: Purpose
    expires_after: ExpiresAfter | None = None


class FileOut(Out):
    """An asset, as a file."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    expires_at: int | None = None
    modality: Modality
    media_type: str

    @classmethod
    def of(cls, asset: Asset) -> "FileOut":
        """The view of a stored asset."""
        origin = asset.origin
        made = asset_rows.MADE if origin.get("kind") == "step" else asset_rows.SENT
        name = downloads.file_name(origin.get("name") or "", asset.id, asset.media_type)
        return cls(
            id=asset.id,
            bytes=asset.size,
            created_at=unix(asset.created_at),
            filename=origin.get("name") or name,
            purpose=origin.get("purpose") or made,
            expires_at=origin.get("expires_at"),
            modality=asset.modality,
            media_type=asset.media_type,
        )


class FileDeleted(Out):
    """A file that is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


@router.post(
    "",
    responses=documented(400, 413, 415, 503, 507),
    openapi_extra=bodies.form_of(FileFields, file="Media, or a text file."),
)
async def create_file(request: Request, here: Here, tenant: Tenant) -> FileOut:
    """Takes a picture, a sound, a video or a text file. What it is, is decided by its bytes."""
    with ExitStack() as left:
        fields, files = await bodies.read_fields(request, here, FileFields, left)
        bodies.only_fields(files, "file")
        file = bodies.one_file(files, "file")
        assert file is not None
        keep_s = fields.expires_after.seconds if fields.expires_after else None
        left.pop_all()  # who leaves from now on has brought a file all the same
    asset = await run_in_threadpool(take, here, tenant, file, fields.purpose, keep_s)
    return FileOut.of(asset)


@router.get("", responses=documented(400))
def list_files(
    here: Here,
    tenant: Tenant,
    purpose: Annotated[str | None, Query(max_length=64)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    after: Annotated[str | None, id_after("asset")] = None,
    order: Order = Order.DESC,
) -> Page[FileOut]:
    """Files by age, newest first: what was sent, and what jobs have made."""
    with here.db.connect() as conn:
        found = asset_rows.list_files(
            conn,
            tenant,
            purpose=purpose,
            after=after,
            limit=limit + 1,
            newest_first=order is Order.DESC,
        )
    return page([FileOut.of(asset) for asset in found], limit)


@router.get("/{file_id}", responses=documented(404))
def get_file(file_id: str, here: Here, tenant: Tenant) -> FileOut:
    """One file."""
    return FileOut.of(find(here, tenant, file_id))


@router.get(
    "/{file_id}/content",
    response_class=Response,
    responses={
        200: {"description": "The bytes", "content": {"*/*": _BYTES}},
        206: {"description": "A part of the bytes", "content": {"*/*": _BYTES}},
        304: {"description": "Not modified"},
        **documented(400, 404, 416),
    },
)
def get_file_content(file_id: str, request: Request, here: Here, tenant: Tenant) -> Response:
    """The bytes."""
    asset = find(here, tenant, file_id)
    name = downloads.file_name(asset.origin.get("name") or "", asset.id, asset.media_type)
    path = here.store.path(asset.sha256)
    return downloads.content(
        request, path, sha256=asset.sha256, media_type=asset.media_type, name=name
    )


@router.delete("/{file_id}", responses=documented(404, 409))
def delete_file(file_id: str, here: Here, tenant: Tenant) -> FileDeleted:
    """Deletes a file that no job, message, workflow or open batch names."""
    with here.db.begin() as conn:
        asset_use.let_go(conn, tenant, file_id)
        asset_rows.remove(conn, tenant, file_id)
    return FileDeleted(id=file_id)


def take(here: Service, tenant: str, file: SentFile, purpose: str, keep_s: int | None) -> Asset:
    """Judges, keeps and registers a file. Raises `Refused` for one that cannot be used."""
    facts = judge(here, file)
    with here.entering([file.received]) as conn:
        return enter(conn, here, tenant, file, facts, purpose, keep_s)


def judge(here: Service, file: SentFile) -> Facts:
    """What the file is; its bytes are kept. Raises `Refused` for one that cannot be used."""
    try:
        return take_in(here.store, file.received, here.limits, words=True)
    except CallerError as error:
        raise Refused(file.field or "file", error.message) from None


def enter(
    conn: Connection,
    here: Service,
    tenant: str,
    file: SentFile,
    facts: Facts,
    purpose: str,
    keep_s: int | None,
) -> Asset:
    """Registers a file whose bytes are kept. Raises `QuotaExceeded`."""
    name = display_name(file.name)
    origin = {"kind": "upload", "name": name}
    asset = asset_rows.register(conn, tenant, file.received, facts, origin, here.caller.key)
    here.admission.check_bytes(conn)
    return asset_rows.mark_file(conn, tenant, asset.id, purpose=purpose, name=name, keep_s=keep_s)


def find(here: Service, tenant: str, file_id: str) -> Asset:
    """The file, unless its time is over. Raises `NotFound`."""
    with here.db.connect() as conn:
        asset = asset_rows.get(conn, tenant, file_id)
    end = asset.origin.get("expires_at")
    if asset.modality is Modality.EMBEDDING or (end is not None and end <= time.time()):
        raise NotFound("file", file_id)
    return asset


def unix(moment: datetime) -> int:
    """Seconds since 1970, as OpenAI tells times."""
    return int(moment.timestamp())
