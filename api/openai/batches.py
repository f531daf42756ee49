"""`/v1/batches`: a file of requests, done when there is room, answered in a file."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.openai.batch_endpoints import ENDPOINTS
from api.openai.bodies import Asked, FileId
from api.openai.calls import Refused
from api.openai.files import ExpiresAfter, find, unix
from api.schemas.common import Metadata, Out, Page, documented, id_after, page
from api.state import Here, Tenant
from api.strict_json import StrictRoute
from medley.errors import NotFound
from medley.media.words import LINES
from orchestrator import batches

router = APIRouter(prefix="/v1/batches", tags=["openai"], route_class=StrictRoute)


class BatchIn(Asked):
    """Which file is for which endpoint."""

    input_file_id: FileId
    endpoint: str = Field(max_length=64, description=f"One of {', '.join(sorted(ENDPOINTS))}.")
    completion_window: Literal["24h"]
    metadata: Metadata | None = None
    output_expires_after: ExpiresAfter | None = None


class BatchCounts(Out):
    """What became of its requests."""

    total: int
    completed: int
    failed: int


class BatchError(Out):
    """What is wrong with the file."""

    code: str | None
    line: int | None
    message: str | None
    param: str | None


class BatchErrors(Out):
    """Why a batch failed as a whole."""

    object: Literal["list"] = "list"
    data: list[BatchError]


class BatchOut(Out):
    """A file of requests on its way."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchErrors | None
    input_file_id: str
    completion_window: Literal["24h"] = "24h"
    status: str
    output_file_id: str | None
    error_file_id: str | None
    created_at: int
    in_progress_at: int | None
    expires_at: int
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None
    request_counts: BatchCounts
    metadata: dict[str, str]

    @classmethod
    def of(cls, batch: batches.Batch) -> "BatchOut":
        """The view of a stored one."""
        ended = {
            f"{status}_at": _time(batch.ended_at if batch.status == status else None)
            for status in ("completed", "failed", "expired", "cancelled")
        }
        faults = [BatchError(**item) for item in batch.errors or ()]
        return cls(
            id=batch.id,
            endpoint=batch.endpoint,
            errors=BatchErrors(data=faults) if faults else None,
            input_file_id=batch.input_file,
            status=batch.status,
            output_file_id=batch.output_file,
            error_file_id=batch.error_file,
            created_at=unix(batch.created_at),
            in_progress_at=_time(batch.in_progress_at),
            expires_at=unix(batch.expires_at),
            finalizing_at=_time(batch.finalizing_at),
            cancelling_at=_time(batch.cancelling_at),
            request_counts=BatchCounts(
                total=batch.counts.total,
                completed=batch.counts.done,
                failed=batch.counts.failed,
            ),
            metadata=dict(batch.metadata),
            **ended,
        )


@router.post("", responses=documented(400, 404, 413, 415))
def create_batch(body: BatchIn, here: Here, tenant: Tenant) -> BatchOut:
    """Begins with the requests of a file; each becomes a job of low priority."""
    if body.endpoint not in ENDPOINTS:
        raise Refused("endpoint", f"Batches are for {', '.join(sorted(ENDPOINTS))}.")
    try:
        asset = find(here, tenant, body.input_file_id)
    except NotFound as error:
        raise Refused("input_file_id", error.message) from None
    if asset.media_type != LINES:
        raise Refused("input_file_id", f"This is {asset.media_type}, no file of JSON lines.")
    keep = body.output_expires_after
    with here.db.begin() as conn:
        made = batches.create(
            conn,
            tenant,
            endpoint=body.endpoint,
            input_file=asset.id,
            metadata=body.metadata or {},
            keep_s=keep.seconds if keep else None,
            key=here.caller.key,
        )
        return BatchOut.of(batches.get(conn, tenant, made))


@router.get("", responses=documented(400))
def list_batches(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("batch")] = None,
) -> Page[BatchOut]:
    """Batches by age, newest first."""
    with here.db.connect() as conn:
        found = batches.list_batches(conn, tenant, limit=limit + 1, after=after)
    return page([BatchOut.of(item) for item in found], limit)


@router.get("/{batch_id}", responses=documented(404))
def get_batch(batch_id: str, here: Here, tenant: Tenant) -> BatchOut:
    """One batch."""
    with here.db.connect() as conn:
        return BatchOut.of(batches.get(conn, tenant, batch_id))


@router.post("/{batch_id}/cancel", responses=documented(404, 409))
def cancel_batch(batch_id: str, here: Here, tenant: Tenant) -> BatchOut:
    """Stops a batch. What is done by then is in its files when it has ended."""
    with here.db.begin() as conn:
        return BatchOut.of(batches.cancel(conn, tenant, batch_id))


def _time(moment: datetime | None) -> Any:
    return None if moment is None else unix(moment)
