"""Webhook endpoints and their messages as callers see them; OpenAI's shapes, with more in them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.common import Body, Out, Time
from orchestrator.webhooks.deliveries import Delivery
from orchestrator.webhooks.endpoints import Endpoint
from orchestrator.webhooks.message import EVENTS, PATTERNS

_KNOWN = ", ".join(f"`{name}`" for name in (*EVENTS, *PATTERNS))
EventTypes = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(min_length=1, max_length=64, description=f"Of these: {_KNOWN}."),
]
Url = Annotated[
    str, Field(min_length=1, max_length=2048, description="https://…; redirects are not followed.")
]
Name = Annotated[str, Field(max_length=200)]


class EndpointIn(Body):
    """A new endpoint."""

    event_types: EventTypes
    url: Url
    name: Name = ""


class EndpointChange(Body):
    """What should change."""

    event_types: EventTypes | None = None
    url: Url | None = None
    name: Name | None = None
    enabled: bool | None = Field(
        default=None, description="`true` also after failures; what waited is sent then."
    )


class RotateIn(Body):
    """How a secret is replaced."""

    keep_old_secret_active_for_24_hours: bool = Field(
        default=False, description="Messages carry two signatures until then."
    )


class TestIn(Body):
    """A sample to send."""

    __test__ = False  # not one of pytest's

    event_type: str = Field(max_length=64)


class EndpointOut(Out):
    """Where events are told."""

    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    created_at: int = Field(description="Unix seconds.")
    updated_at: int
    event_types: list[str]
    name: str
    url: str
    signing_secret_hint: str | None
    enabled: bool
    disabled_reason: Literal["gone", "failing", "paused"] | None = Field(
        description="`gone`: it answered 410; `failing`: for a day; `paused`: by its owner."
    )
    failures: int = Field(description="Failed attempts since the last success.")
    failing_since: Time | None
    job: str | None = Field(description="The job in whose request it was named.")

    @classmethod
    def of(cls, found: Endpoint) -> "EndpointOut":
        """The view of a stored endpoint."""
        return cls(**_shown(found))


class EndpointWithSecret(EndpointOut):
    """The same, when its secret is new; it is never shown again."""

    signing_secret: str = Field(repr=False)

    @classmethod
    def of(cls, found: Endpoint) -> "EndpointWithSecret":
        """The view of an endpoint whose secret was made just now."""
        return cls(**_shown(found), signing_secret=found.secret or "")


class DeletedEndpoint(Out):
    """It is gone."""

    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: Literal[True] = True


class TestOut(Out):
    """What the endpoint answered to a sample."""

    __test__ = False

    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True] = True


class EventTypeList(Out):
    """All event types that an endpoint can ask for."""

    object: Literal["list"] = "list"
    data: list[str]


class AttemptOut(Out):
    """One try to deliver a message."""

    at: datetime
    ms: int = Field(description="From connecting to the beginning of the answer.")
    status: int | None = Field(default=None, description="HTTP status; null without an answer.")
    answer: str | None = Field(default=None, description="The first 512 characters of its body.")
    error: str | None = None


class DeliveryOut(Out):
    """One message to one endpoint. Its id is the `webhook-id`, the same in all attempts."""

    id: str
    object: Literal["webhook_delivery"] = "webhook_delivery"
    endpoint: str
    event_type: str
    job: str | None
    status: Literal["pending", "delivered", "failed"]
    attempts: list[AttemptOut] = Field(description="The last 30.")
    next_attempt_at: Time | None
    payload: dict[str, Any]
    created_at: Time
    completed_at: Time | None

    @classmethod
    def of(cls, found: Delivery) -> "DeliveryOut":
        """The view of a stored message."""
        return cls(
            id=found.id,
            endpoint=found.endpoint,
            event_type=found.type,
            job=found.job,
            status=found.status,  # type: ignore[arg-type]
            attempts=[AttemptOut.model_validate(item) for item in found.attempts],
            next_attempt_at=found.due_at if found.status == "pending" else None,
            payload=dict(found.payload),
            created_at=found.created_at,
            completed_at=found.finished_at,
        )


def _shown(found: Endpoint) -> dict[str, Any]:
    return {
        "id": found.id,
        "created_at": int(found.created_at.timestamp()),
        "updated_at": int(found.updated_at.timestamp()),
        "event_types": list(found.events),
        "name": found.name,
        "url": found.url,
        "signing_secret_hint": f"whsec_…{found.secret[-4:]}" if found.secret else None,
        "enabled": found.enabled,
        "disabled_reason": found.reason,
        "failures": found.failures,
        "failing_since": found.failing_since,
        "job": found.job,
    }
