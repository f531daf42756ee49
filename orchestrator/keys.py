"""Keys: who may call, what they may do, and how much of it.

A secret is shown once and never kept; the row has its SHA-256, which is enough for 256 random bits.
A key belongs to one tenant and is never deleted: revoked keys stay, so that what was done with them
can still be told, and so that a service which once had a key never falls open again.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from medley.errors import CallerError, Conflict, Forbidden, NotFound, Unauthorized
from medley.ids import new_id
from medley.quota import NO_LIMITS, Quota
from orchestrator.tables import keys, sessions

MARK = "mk_"
DEFAULT_TENANT = "default"
SHOWN = len(MARK) + 6  #: signs of a secret that may be shown again
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MINUTE: ColumnElement[timedelta] = literal_column("interval '1 minute'")


class Scope(StrEnum):
    """What a key is for."""

    READ = "read"  # look at what is there
    RUN = "run"  # upload, plan, run, search, talk
    MANAGE = "manage"  # workflows, webhooks, deleting
    ADMIN = "admin"  # keys, the audit log; and everything above
    OPERATE = "operate"  # what all tenants share: models in memory, metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. `job`: somebody who may look at this one job and at nothing else."""

    tenant: str
    scopes: frozenset[Scope]
    key: str | None = None
    quota: Quota = NO_LIMITS
    expires_at: datetime | None = None
    by_cookie: bool = False
    job: str | None = None
    address: str = ""
    request: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether one of its scopes says so. Admins rule their tenant, not the installation."""
        return scope in self.scopes or (scope is not Scope.OPERATE and Scope.ADMIN in self.scopes)


#: Nobody has signed in, and nobody has to: a caller on this machine, while there is no key.
LOCAL = Caller(tenant=DEFAULT_TENANT, scopes=frozenset(Scope))
#: Whoever is not known sees no tenant's things.
NOBODY = Caller(tenant="", scopes=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key without its secret. `quota` names only what differs from the installation's."""

    id: str
    tenant: str
    name: str
    prefix: str
    scopes: frozenset[Scope]
    quota: Quota
    made_by: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    @property
    def state(self) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at and self.expires_at <= datetime.now(UTC) else "active"

    def require_active(self) -> None:
        """Raises `Unauthorized`."""
        if self.state != "active":
            raise Unauthorized(f"This key is {self.state}.")

    def caller(self, default: Quota) -> Caller:
        """Who calls with this key, where `default` is the quota of keys that name none."""
        return Caller(
            tenant=self.tenant,
            scopes=self.scopes,
            key=self.id,
            quota=self.quota.over(default),
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """What a key shall be."""

    tenant: str
    name: str
    scopes: frozenset[Scope]
    quota: Quota = NO_LIMITS
    expires_at: datetime | None = None


def hash_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def any_key(conn: Connection) -> bool:
    """Whether there is a key, or ever was one, of whatever tenant."""
    return bool(conn.execute(select(exists().where(keys.c.id.is_not(None)))).scalar_one())


def check_grant(maker: Caller, wanted: NewKey, default: Quota) -> None:
    """A key cannot grant what it does not have. Raises `Forbidden`, naming it."""
    if maker.tenant != wanted.tenant:
        raise Forbidden("A key can make keys of its own tenant only.")
    missing = sorted(scope for scope in wanted.scopes if not maker.may(scope))
    if missing:
        raise Forbidden(f"This key does not have the scope {missing[0]!r} itself.")
    if maker.key is None:
        return
    wider = wanted.quota.over(default).beyond(maker.quota)
    if wider:
        raise Forbidden(f"The quota {wider[0]!r} is wider than that of the key that grants it.")
    if maker.expires_at and (wanted.expires_at is None or wanted.expires_at > maker.expires_at):
        raise Forbidden("A key cannot live longer than the one that makes it.")


def create(conn: Connection, wanted: NewKey, made_by: str | None = None) -> tuple[Key, str]:
    """A new key and its secret, which cannot be had again. Raises `CallerError`."""
    if _TENANT.fullmatch(wanted.tenant) is None:
        raise CallerError(
            "The name of a tenant has 1 to 63 of a-z, 0-9, _ and -, and begins with a letter or"
            " a digit."
        )
    secret = MARK + secrets.token_urlsafe(32)
    row = conn.execute(
        insert(keys)
        .values(
            id=new_id("key"),
            tenant=wanted.tenant,
            name=wanted.name,
            prefix=secret[:SHOWN],
            hash=hash_of(secret),
            scopes=sorted(wanted.scopes),
            quota=wanted.quota.model_dump(mode="json", exclude_unset=True),
            made_by=made_by,
            expires_at=wanted.expires_at,
        )
        .returning(keys)
    ).mappings()
    return _key(row.one()), secret


def sign_in(conn: Connection, secret: str) -> Key:
    """The key with this secret, which counts as used. Raises `Unauthorized`."""
    digest = hash_of(secret)
    row = conn.execute(select(keys).where(keys.c.hash == digest)).mappings().first()
    if row is None or not hmac.compare_digest(row["hash"], digest):
        raise Unauthorized("There is no such key.")
    found = _key(row)
    found.require_active()
    touch(conn, found.id)
    return found


def touch(conn: Connection, key_id: str) -> None:
    """The key is in use now; written once a minute."""
    before = func.clock_timestamp() - _MINUTE
    stale = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < before)
    conn.execute(
        update(keys).where(keys.c.id == key_id, stale).values(last_used_at=func.clock_timestamp())
    )


def get(conn: Connection, tenant: str | None, key_id: str) -> Key:
    """One key; a tenant of None means of whichever. Raises `NotFound`."""
    query = select(keys).where(keys.c.id == key_id)
    if tenant is not None:
        query = query.where(keys.c.tenant == tenant)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound("key", key_id)
    return _key(row)


def list_keys(
    conn: Connection,
    tenant: str | None,
    *,
    limit: int = 1000,
    after: str | None = None,
    newest: bool = True,
) -> list[Key]:
    """At most `limit` keys of the tenant beyond `after`, revoked ones too, by age."""
    query = select(keys)
    if tenant is not None:
        query = query.where(keys.c.tenant == tenant)
    if after is not None:
        query = query.where(keys.c.id < after if newest else keys.c.id > after)
    order = keys.c.id.desc() if newest else keys.c.id.asc()
    return [_key(row) for row in conn.execute(query.order_by(order).limit(limit)).mappings()]


def revoke(conn: Connection, tenant: str | None, key_id: str) -> Key:
    """Ends a key and everything that was signed in with it; again changes nothing.

    Raises `NotFound`.
    """
    get(conn, tenant, key_id)
    _sign_out(conn, key_id)
    conn.execute(
        update(keys)
        .where(keys.c.id == key_id, keys.c.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
    )
    return get(conn, tenant, key_id)


def rotate(conn: Connection, tenant: str | None, key_id: str) -> tuple[Key, str]:
    """Another secret for the same key; the old one ends. Raises `NotFound`, `Conflict`."""
    found = get(conn, tenant, key_id)
    if found.state != "active":
        raise Conflict(f"The key is {found.state}; make a new one.")
    secret = MARK + secrets.token_urlsafe(32)
    _sign_out(conn, key_id)
    conn.execute(
        update(keys).where(keys.c.id == key_id).values(hash=hash_of(secret), prefix=secret[:SHOWN])
    )
    return get(conn, tenant, key_id), secret


def scopes_of(names: Collection[str]) -> frozenset[Scope]:
    """Scopes by name. Raises `CallerError`."""
    known = [scope.value for scope in Scope]
    for name in names:
        if name not in known:
            raise CallerError(f"There is no scope {name!r}; there are {', '.join(known)}.")
    return frozenset(Scope(name) for name in names)


def _sign_out(conn: Connection, key_id: str) -> None:
    conn.execute(sessions.delete().where(sessions.c.key == key_id))


def _key(row: Mapping[Any, Any]) -> Key:
    return Key(
        id=row["id"],
        tenant=row["tenant"],
        name=row["name"],
        prefix=row["prefix"],
        scopes=frozenset(Scope(name) for name in row["scopes"]),
        quota=Quota.model_validate(row["quota"]),
        made_by=row["made_by"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
    )
