"""Keys of the caller's tenant: made, listed, given another secret, ended. For admins."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.schemas.common import Page, documented, id_after, page
from api.schemas.keys import KeyIn, KeyOut, NewKeyOut
from api.state import Here, Service, Tenant, Who
from api.strict_json import StrictRoute
from orchestrator import audit, keys
from orchestrator.keys import NewKey
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)
#: Whoever sees a secret is the only one to keep it.
UNKEPT = {"Cache-Control": "no-store"}


@router.post("", status_code=201, responses=documented(400, 413, 422))
def create_key(body: KeyIn, here: Here, caller: Who, reply: Response) -> NewKeyOut:
    """A new key of the same tenant; it may do no more than the key that makes it."""
    wanted = NewKey(
        tenant=caller.tenant,
        name=body.name,
        scopes=frozenset(body.scopes),
        quota=body.quota,
        expires_at=body.expires_at,
    )
    keys.check_grant(caller, wanted, here.settings.key_quota)
    with here.db.begin() as conn:
        made, secret = keys.create(conn, wanted, caller.key)
        audit.write(conn, caller, "key.create", made.id, name=made.name)
    here.keyring.forget()
    reply.headers.update({"Location": f"/v1/keys/{made.id}", **UNKEPT})
    return NewKeyOut(**KeyOut.data(made), secret=secret)


@router.get("", responses=documented(422))
def list_keys(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("key")] = None,
    order: Order = Order.DESC,
) -> Page[KeyOut]:
    """The keys by age, revoked and expired ones too."""
    newest = order is Order.DESC
    with here.db.connect() as conn:
        found = keys.list_keys(conn, tenant, limit=limit + 1, after=after, newest=newest)
    return page([_out(item) for item in found], limit)


@router.get("/{key_id}", responses=documented(404))
def get_key(key_id: str, here: Here, tenant: Tenant) -> KeyOut:
    """One key."""
    with here.db.connect() as conn:
        return _out(keys.get(conn, tenant, key_id))


@router.post("/{key_id}/rotate", responses=documented(404, 409))
def rotate_key(key_id: str, here: Here, caller: Who, reply: Response) -> NewKeyOut:
    """Another secret for the same key. The old one, and what was signed in with it, ends."""
    with here.db.begin() as conn:
        _check(here, caller, keys.get(conn, caller.tenant, key_id))
        found, secret = keys.rotate(conn, caller.tenant, key_id)
        audit.write(conn, caller, "key.rotate", key_id)
    here.keyring.forget()
    reply.headers.update(UNKEPT)
    return NewKeyOut(**KeyOut.data(found), secret=secret)


@router.delete("/{key_id}", status_code=204, responses=documented(404))
def revoke_key(key_id: str, here: Here, caller: Who) -> None:
    """Ends a key and everything that was signed in with it. Its jobs go on."""
    with here.db.begin() as conn:
        keys.revoke(conn, caller.tenant, key_id)
        audit.write(conn, caller, "key.revoke", key_id)
    here.keyring.forget()


def _check(here: Service, caller: keys.Caller, key: keys.Key) -> None:
    """Whoever is given a secret must be allowed to make such a key."""
    if key.id == caller.key:
        return
    wanted = NewKey(
        tenant=key.tenant,
        name=key.name,
        scopes=key.scopes,
        quota=key.quota,
        expires_at=key.expires_at,
    )
    keys.check_grant(caller, wanted, here.settings.key_quota)


def _out(key: keys.Key) -> KeyOut:
    return KeyOut(**KeyOut.data(key))
