"""Keys, sessions, usage and the audit log, as they are sent and answered."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from api.schemas.common import Body, Out, Time
from medley.quota import NO_LIMITS, Quota
from orchestrator.audit import Entry
from orchestrator.keys import Caller, Key, Scope
from orchestrator.usage import Group, Line, Used


class KeyIn(Body):
    """A key to be made."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    scopes: list[Scope] = Field(
        default_factory=lambda: [Scope.READ, Scope.RUN], min_length=1, max_length=8
    )
    quota: Quota = Field(
        default=NO_LIMITS, description="Where it differs from that of the installation."
    )
    expires_at: AwareDatetime | None = None


class KeyOut(Out):
    """A key without its secret."""

    id: str
    object: Literal["key"] = "key"
    tenant: str
    name: str
    prefix: str = Field(description="The first signs of the secret.")
    scopes: list[Scope]
    quota: dict[str, float | None] = Field(description="What differs from the installation's.")
    state: Literal["active", "expired", "revoked"]
    made_by: str | None
    created_at: Time
    last_used_at: Time | None
    expires_at: Time | None
    revoked_at: Time | None

    @staticmethod
    def data(key: Key) -> dict[str, Any]:
        """The key's members."""
        return {
            "id": key.id,
            "tenant": key.tenant,
            "name": key.name,
            "prefix": key.prefix,
            "scopes": sorted(key.scopes),
            "quota": key.quota.model_dump(mode="json", exclude_unset=True),
            "state": key.state,
            "made_by": key.made_by,
            "created_at": key.created_at,
            "last_used_at": key.last_used_at,
            "expires_at": key.expires_at,
            "revoked_at": key.revoked_at,
        }


class NewKeyOut(KeyOut):
    """A key that was made just now."""

    secret: str = Field(description="Shown this once.")


class SignIn(Body):
    """A key, to be exchanged for a cookie."""

    key: Annotated[str, Field(min_length=1, max_length=200)]


class SessionOut(Out):
    """Who is signed in."""

    object: Literal["session"] = "session"
    tenant: str
    key: str | None = Field(description="None: on this machine, while there is no key.")
    scopes: list[Scope]
    expires_at: Time | None

    @staticmethod
    def of(caller: Caller) -> "SessionOut":
        """Of this caller."""
        return SessionOut(
            tenant=caller.tenant,
            key=caller.key,
            scopes=sorted(caller.scopes),
            expires_at=caller.expires_at,
        )


class TokenOut(Out):
    """Opens one job for a minute: `?token=` at its addresses and at those of its assets' bytes."""

    object: Literal["job.token"] = "job.token"
    job: str
    token: str
    expires_at: Time


class UsageOut(Out):
    """What was used under one name."""

    name: str = Field(description="The key (empty: without one), the day or the model.")
    jobs: int
    gpu_seconds: float
    tokens: float
    bytes: int = Field(description="Brought or made in that time, and still stored.")

    @staticmethod
    def of(line: Line) -> "UsageOut":
        """Of one line of the report."""
        return UsageOut(
            name=line.name,
            jobs=line.jobs,
            gpu_seconds=line.gpu_seconds,
            tokens=line.tokens,
            bytes=line.bytes,
        )


class UsedOut(Out):
    """What is used of a quota: of this day, or of now."""

    open_jobs: int
    jobs: int
    gpu_seconds: float
    tokens: float
    bytes_stored: int

    @staticmethod
    def of(used: Used) -> "UsedOut":
        """Of what was counted."""
        return UsedOut(
            open_jobs=used.open_jobs,
            jobs=used.jobs,
            gpu_seconds=round(used.gpu_seconds, 3),
            tokens=used.tokens,
            bytes_stored=used.bytes_stored,
        )


class ShareOut(Out):
    """A quota, and what is used of it today."""

    used: UsedOut
    quota: Quota


class UsageReport(Out):
    """What was used, and what may be."""

    object: Literal["usage"] = "usage"
    from_: date = Field(serialization_alias="from")
    to: date
    group_by: Group
    data: list[UsageOut]
    key: ShareOut | None = Field(description="Of the key that asks.")
    tenant: ShareOut | None = Field(description="Of all keys together; told to `admin` only.")


class EntryOut(Out):
    """One thing that was done."""

    id: str
    object: Literal["audit.entry"] = "audit.entry"
    at: Time
    key: str | None = Field(description="None: on the machine itself.")
    action: str
    target: str
    address: str
    request_id: str
    detail: dict[str, str]

    @staticmethod
    def of(entry: Entry) -> "EntryOut":
        """Of one row."""
        return EntryOut(
            id=entry.id,
            at=entry.at,
            key=entry.key,
            action=entry.action,
            target=entry.target,
            address=entry.address,
            request_id=entry.request,
            detail=dict(entry.detail),
        )
