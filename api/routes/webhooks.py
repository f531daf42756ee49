"""Webhook endpoints: where to tell of events, how that went, and once more.

At OpenAI's paths and in its shapes; the log of messages and the states are ours.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool

from api import hooks
from api.schemas.common import Page, documented, id_after, page
from api.schemas.webhooks import (
    DeletedEndpoint,
    DeliveryOut,
    EndpointChange,
    EndpointIn,
    EndpointOut,
    EndpointWithSecret,
    EventTypeList,
    RotateIn,
    TestIn,
    TestOut,
)
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.ids import new_id
from medley.net.post import Answer, post
from orchestrator.webhooks import deliveries, endpoints, message
from orchestrator.webhooks.endpoints import Endpoint

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=StrictRoute)
_ROOM = "/webhook_endpoints"
_ONE = f"{_ROOM}/{{webhook_endpoint_id}}"
_LOG = f"{_ONE}/deliveries"


@router.get("/webhook_event_types")
def list_event_types() -> EventTypeList:
    """What endpoints can be told of."""
    return EventTypeList(data=[*message.EVENTS, *message.PATTERNS])


@router.post(_ROOM, responses=documented(400, 409, 413))
def create_endpoint(body: EndpointIn, here: Here, tenant: Tenant) -> EndpointWithSecret:
    """Adds an endpoint. The answer shows its signing secret, this once."""
    url = hooks.check_url(here, body.url, "/url")
    events = hooks.check_events(body.event_types, "/event_types")
    with here.db.begin() as conn:
        made = endpoints.create(conn, tenant, name=body.name, url=url, events=events)
    return EndpointWithSecret.of(made)


@router.get(_ROOM, responses=documented(400))
def list_endpoints(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("we")] = None,
    job: Annotated[
        str | None, Query(max_length=64, description="The webhook named in this job's request.")
    ] = None,
) -> Page[EndpointOut]:
    """Endpoints, newest first."""
    with here.db.connect() as conn:
        found = endpoints.list_endpoints(conn, tenant, limit=limit + 1, after=after, job=job)
    return page([EndpointOut.of(item) for item in found], limit)


@router.get(_ONE, responses=documented(404))
def get_endpoint(webhook_endpoint_id: str, here: Here, tenant: Tenant) -> EndpointOut:
    """One endpoint."""
    return EndpointOut.of(_get(here, tenant, webhook_endpoint_id))


@router.post(_ONE, responses=documented(400, 404, 413))
def change_endpoint(
    webhook_endpoint_id: str, body: EndpointChange, here: Here, tenant: Tenant
) -> EndpointOut:
    """Changes what is given; `enabled` ends a pause, or what failures have brought about."""
    changes: dict[str, object] = {}
    if body.name is not None:
        changes["name"] = body.name
    if body.url is not None:
        changes["url"] = hooks.check_url(here, body.url, "/url")
    if body.event_types is not None:
        changes["events"] = hooks.check_events(body.event_types, "/event_types")
    with here.db.begin() as conn:
        changed = endpoints.change(
            conn, tenant, webhook_endpoint_id, enabled=body.enabled, **changes
        )
    here.sender.nudge()
    return EndpointOut.of(changed)


@router.delete(_ONE, responses=documented(404))
def delete_endpoint(webhook_endpoint_id: str, here: Here, tenant: Tenant) -> DeletedEndpoint:
    """Deletes an endpoint with its log; what is not sent by then is not sent."""
    with here.db.begin() as conn:
        endpoints.remove(conn, tenant, webhook_endpoint_id)
    return DeletedEndpoint(id=webhook_endpoint_id)


@router.post(f"{_ONE}/rotate_secret", responses=documented(400, 404, 413))
def rotate_secret(
    webhook_endpoint_id: str, here: Here, tenant: Tenant, body: RotateIn | None = None
) -> EndpointWithSecret:
    """Gives the endpoint a new secret, which the answer shows, this once."""
    overlap = body is not None and body.keep_old_secret_active_for_24_hours
    with here.db.begin() as conn:
        rotated = endpoints.rotate(conn, tenant, webhook_endpoint_id, overlap=overlap)
    return EndpointWithSecret.of(rotated)


@router.post(f"{_ONE}/test", responses=documented(400, 404, 413))
async def test_endpoint(
    webhook_endpoint_id: str, body: TestIn, here: Here, tenant: Tenant
) -> TestOut:
    """Sends a sample now and tells the endpoint's status; 400 if none came."""
    (kind,) = hooks.check_events([body.event_type], "/event_type")
    endpoint = await run_in_threadpool(_get, here, tenant, webhook_endpoint_id)
    answer = await here.strangers.ask(tenant, _try, here, endpoint, kind)
    return TestOut(webhook_endpoint_id=endpoint.id, event_type=kind, status_code=answer.status)


@router.get(_LOG, responses=documented(400, 404))
def list_deliveries(
    webhook_endpoint_id: str,
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("wd")] = None,
    status: Literal["pending", "delivered", "failed"] | None = None,
) -> Page[DeliveryOut]:
    """The messages to an endpoint with all their attempts, newest first; kept for 14 days."""
    with here.db.connect() as conn:
        endpoints.get(conn, tenant, webhook_endpoint_id)
        found = deliveries.list_deliveries(
            conn, tenant, webhook_endpoint_id, limit=limit + 1, after=after, status=status
        )
    return page([DeliveryOut.of(item) for item in found], limit)


@router.post(f"{_LOG}/{{delivery_id}}/redeliver", status_code=202, responses=documented(404, 409))
def redeliver(
    webhook_endpoint_id: str, delivery_id: str, here: Here, tenant: Tenant
) -> DeliveryOut:
    """Sends a message once more, under the same `webhook-id`."""
    with here.db.begin() as conn:
        again = deliveries.redeliver(conn, tenant, webhook_endpoint_id, delivery_id)
    here.sender.nudge()
    return DeliveryOut.of(again)


def _get(here: Service, tenant: str, endpoint_id: str) -> Endpoint:
    with here.db.connect() as conn:
        return endpoints.get(conn, tenant, endpoint_id)


def _try(here: Service, endpoint: Endpoint, kind: str) -> Answer:
    now, message_id = datetime.now(UTC), new_id("wd")
    content = message.body(message.sample(kind, message_id, now))
    headers = message.headers(message_id, content, endpoint.secrets, now)
    return post(endpoint.url, content, headers, hooks.policy(here))
