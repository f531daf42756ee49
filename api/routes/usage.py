"""What was used, and what was done: usage beside its quotas, and the audit log."""

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from api.problems import ApiError
from api.schemas.common import Page, documented, page
from api.schemas.keys import EntryOut, ShareOut, UsageOut, UsageReport, UsedOut
from api.state import Here, Tenant, Who
from orchestrator import audit, usage
from orchestrator.keys import Scope
from orchestrator.paging import Order
from orchestrator.usage import Group

router = APIRouter(prefix="/v1", tags=["keys"])
MAX_DAYS = 366


@router.get("/usage", responses=documented(400, 422))
def get_usage(
    here: Here,
    caller: Who,
    from_: Annotated[date | None, Query(alias="from", description="The first day (UTC).")] = None,
    to: Annotated[date | None, Query(description="The last day; by default today.")] = None,
    group_by: Group = Group.KEY,
) -> UsageReport:
    """What the key has used, or with `admin` all keys of its tenant, and what it may today."""
    last = to or datetime.now(UTC).date()
    first = from_ or last.replace(day=1)
    if not 0 <= (last - first).days < MAX_DAYS:
        raise ApiError(400, "bad_request", f"Ask for 1 to {MAX_DAYS} days, the first one first.")
    everybody = caller.may(Scope.ADMIN)
    only = None if everybody else caller.key
    with here.db.connect() as conn:
        lines = usage.report(conn, caller.tenant, group_by, first, last, only)
        mine = usage.used(conn, caller.tenant, caller.key) if caller.key else None
        all_of_it = usage.used(conn, caller.tenant) if everybody else None
    return UsageReport(
        from_=first,
        to=last,
        group_by=group_by,
        data=[UsageOut.of(line) for line in lines],
        key=ShareOut(used=UsedOut.of(mine), quota=caller.quota) if mine else None,
        tenant=ShareOut(used=UsedOut.of(all_of_it), quota=here.settings.tenant_quota)
        if all_of_it
        else None,
    )


@router.get("/audit", responses=documented(422))
def list_audit(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=64)] = None,
    order: Order = Order.DESC,
    action: Annotated[str | None, Query(max_length=64, description="Such as `key.create`.")] = None,
    key: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[EntryOut]:
    """Who did what, newest first."""
    with here.db.connect() as conn:
        found = audit.list_entries(
            conn,
            tenant,
            limit=limit + 1,
            after=after,
            newest=order is Order.DESC,
            action=action,
            key=key,
        )
    return page([EntryOut.of(item) for item in found], limit)
