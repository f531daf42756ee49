"""Conversations: what was said, by whom. Messages form a tree, so that a turn can be asked again or
forked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, delete, exists, insert, select, update

from medley.errors import Conflict, NotFound
from medley.ids import new_id
from medley.parts import Part
from medley.status import TERMINAL_JOB
from orchestrator.tables import conversations, jobs, messages

_PARTS: TypeAdapter[list[Part]] = TypeAdapter(list[Part])
Role = Literal["user", "assistant", "system", "developer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A conversation without its messages."""

    id: str
    title: str
    metadata: Mapping[str, str]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `parent` is the one it follows; None at the root."""

    id: str
    conversation: str
    parent: str | None
    role: Role
    parts: list[Part]
    job: str | None
    created_at: datetime


def create(
    conn: Connection, tenant: str, title: str = "", metadata: Mapping[str, str] | None = None
) -> Conversation:
    """A new, empty conversation."""
    row = conn.execute(
        insert(conversations)
        .values(id=new_id("conv"), tenant=tenant, title=title, metadata=dict(metadata or {}))
        .returning(conversations)
    ).one()
    return _conversation(row)


def get(conn: Connection, tenant: str, conversation_id: str) -> Conversation:
    """Raises `NotFound`."""
    row = conn.execute(
        select(conversations).where(
            conversations.c.tenant == tenant, conversations.c.id == conversation_id
        )
    ).first()
    if row is None:
        raise NotFound("conversation", conversation_id)
    return _conversation(row)


def change(
    conn: Connection,
    tenant: str,
    conversation_id: str,
    *,
    title: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Conversation:
    """Sets what is given. Raises `NotFound`."""
    values: dict[str, Any] = {}
    if title is not None:
        values["title"] = title
    if metadata is not None:
        values["metadata"] = dict(metadata)
    if values:
        conn.execute(
            update(conversations)
            .where(conversations.c.tenant == tenant, conversations.c.id == conversation_id)
            .values(**values)
        )
    return get(conn, tenant, conversation_id)


def list_conversations(
    conn: Connection, tenant: str, *, limit: int, after: str | None = None, newest: bool = True
) -> list[Conversation]:
    """At most `limit` conversations beyond `after`, by age."""
    query = select(conversations).where(conversations.c.tenant == tenant)
    if after is not None:
        query = query.where(conversations.c.id < after if newest else conversations.c.id > after)
    order = conversations.c.id.desc() if newest else conversations.c.id.asc()
    return [_conversation(row) for row in conn.execute(query.order_by(order).limit(limit))]


def remove(conn: Connection, tenant: str, conversation_id: str) -> None:
    """Deletes a conversation and its messages; its jobs stay. Raises `NotFound`, `Conflict`."""
    get(conn, tenant, conversation_id)
    busy = exists().where(
        jobs.c.conversation == conversation_id, jobs.c.status.not_in(sorted(TERMINAL_JOB))
    )
    if conn.execute(select(busy)).scalar_one():
        raise Conflict("A job of this conversation has not ended yet.")
    conn.execute(
        delete(conversations).where(
            conversations.c.tenant == tenant, conversations.c.id == conversation_id
        )
    )


def add_message(
    conn: Connection,
    tenant: str,
    conversation_id: str,
    role: Role,
    parts: Sequence[Part],
    *,
    parent: str | None = None,
    job: str | None = None,
) -> Message:
    """Adds a message after `parent`.

    Raises `NotFound` when the parent is not of this conversation.
    """
    if parent is not None:
        message(conn, tenant, conversation_id, parent)
    row = conn.execute(
        insert(messages)
        .values(
            id=new_id("msg"),
            tenant=tenant,
            conversation=conversation_id,
            parent=parent,
            role=role,
            parts=_PARTS.dump_python(list(parts), mode="json"),
            job=job,
        )
        .returning(messages)
    ).one()
    return _message(row)


def message(conn: Connection, tenant: str, conversation_id: str, message_id: str) -> Message:
    """Raises `NotFound`."""
    row = conn.execute(
        select(messages).where(
            messages.c.tenant == tenant,
            messages.c.conversation == conversation_id,
            messages.c.id == message_id,
        )
    ).first()
    if row is None:
        raise NotFound("message", message_id)
    return _message(row)


def newest_message(conn: Connection, tenant: str, conversation_id: str) -> Message | None:
    """The last thing that was said; where a message goes that names no parent."""
    row = conn.execute(
        select(messages)
        .where(messages.c.tenant == tenant, messages.c.conversation == conversation_id)
        .order_by(messages.c.id.desc())
        .limit(1)
    ).first()
    return None if row is None else _message(row)


def last_of_job(conn: Connection, tenant: str, conversation_id: str, job: str) -> str | None:
    """The id of the last message that belongs to this job."""
    mine = (messages.c.tenant == tenant, messages.c.conversation == conversation_id)
    query = select(messages.c.id).where(*mine, messages.c.job == job)
    return conn.execute(query.order_by(messages.c.id.desc()).limit(1)).scalar()


def list_messages(
    conn: Connection,
    tenant: str,
    conversation_id: str,
    *,
    limit: int,
    after: str | None = None,
    newest: bool = False,
) -> list[Message]:
    """At most `limit` messages of every branch beyond `after`, by age."""
    query = select(messages).where(
        messages.c.tenant == tenant, messages.c.conversation == conversation_id
    )
    if after is not None:
        query = query.where(messages.c.id < after if newest else messages.c.id > after)
    order = messages.c.id.desc() if newest else messages.c.id.asc()
    return [_message(row) for row in conn.execute(query.order_by(order).limit(limit))]


def branch(conn: Connection, tenant: str, conversation_id: str, most: int = 400) -> list[Message]:
    """The newest message and those that it follows, oldest first."""
    known = list_messages(conn, tenant, conversation_id, limit=most, newest=True)
    of_id = {item.id: item for item in known}
    found: list[Message] = []
    here = known[0] if known else None
    while here is not None:
        found.append(here)
        here = of_id.get(here.parent or "")
    return found[::-1]


def remove_message(conn: Connection, tenant: str, conversation_id: str, message_id: str) -> None:
    """Deletes a message; what followed it follows its parent. Raises `NotFound`."""
    gone = message(conn, tenant, conversation_id, message_id)
    conn.execute(
        update(messages)
        .where(messages.c.tenant == tenant, messages.c.parent == message_id)
        .values(parent=gone.parent)
    )
    conn.execute(delete(messages).where(messages.c.tenant == tenant, messages.c.id == message_id))


def _conversation(row: Row[Any]) -> Conversation:
    return Conversation(
        id=row.id, title=row.title, metadata=row.metadata, created_at=row.created_at
    )


def _message(row: Row[Any]) -> Message:
    return Message(
        id=row.id,
        conversation=row.conversation,
        parent=row.parent,
        role=row.role,
        parts=_PARTS.validate_python(row.parts),
        job=row.job,
        created_at=row.created_at,
    )
