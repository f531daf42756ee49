"""Conversations and what was said in them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from api import views
from api.openai import inline
from api.openai.inline import Kept
from api.openai.items import Said, read_items
from api.openai.said_items import add_items, item_of
from api.schemas.common import Page, documented, id_after, page
from api.schemas.rooms import (
    ConversationChange,
    ConversationDeleted,
    ConversationIn,
    ConversationOut,
    ItemsIn,
    MessageOut,
)
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from orchestrator import conversations
from orchestrator.conversations import Conversation, Message
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/conversations", tags=["conversations"], route_class=StrictRoute)


@router.post("", status_code=201, responses=documented(400, 413, 415, 422, 503, 507))
def create_conversation(
    here: Here, tenant: Tenant, body: ConversationIn | None = None
) -> ConversationOut:
    """A new conversation; a job that names it becomes a turn of it."""
    asked = body or ConversationIn()
    said, kept = _read(here, asked.items or [])
    with here.entering(inline.bytes_of(kept)) as conn:
        made = conversations.create(conn, tenant, asked.title, asked.metadata)
        add_items(conn, tenant, made.id, said, kept, here.caller.key)
        here.admission.check_bytes(conn)
    return _out(made)


@router.get("", responses=documented(422))
def list_conversations(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("conv")] = None,
    order: Order = Order.DESC,
) -> Page[ConversationOut]:
    """Conversations by age, newest first."""
    with here.db.connect() as conn:
        found = conversations.list_conversations(
            conn, tenant, limit=limit + 1, after=after, newest=order is Order.DESC
        )
    return page([_out(item) for item in found], limit)


@router.get("/{conversation_id}", responses=documented(404))
def get_conversation(conversation_id: str, here: Here, tenant: Tenant) -> ConversationOut:
    """One conversation."""
    with here.db.connect() as conn:
        return _out(conversations.get(conn, tenant, conversation_id))


@router.post("/{conversation_id}", responses=documented(400, 404, 413, 422))
def change_conversation(
    conversation_id: str, body: ConversationChange, here: Here, tenant: Tenant
) -> ConversationOut:
    """Sets a title or metadata."""
    with here.db.begin() as conn:
        changed = conversations.change(
            conn, tenant, conversation_id, title=body.title, metadata=body.metadata
        )
    return _out(changed)


@router.delete("/{conversation_id}", responses=documented(404, 409))
def delete_conversation(conversation_id: str, here: Here, tenant: Tenant) -> ConversationDeleted:
    """Deletes a conversation and its messages; its jobs stay."""
    with here.db.begin() as conn:
        conversations.remove(conn, tenant, conversation_id)
    return ConversationDeleted(id=conversation_id)


@router.get("/{conversation_id}/items", responses=documented(404, 422))
def list_items(
    conversation_id: str,
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("msg")] = None,
    order: Order = Order.ASC,
) -> Page[MessageOut]:
    """The messages of every branch by age, oldest first; `parent` makes the tree."""
    with here.db.connect() as conn:
        conversations.get(conn, tenant, conversation_id)
        found = conversations.list_messages(
            conn,
            tenant,
            conversation_id,
            limit=limit + 1,
            after=after,
            newest=order is Order.DESC,
        )
    return page([_message(item) for item in found], limit)


@router.post("/{conversation_id}/items", responses=documented(400, 404, 413, 415, 422, 503, 507))
def create_items(
    conversation_id: str, body: ItemsIn, here: Here, tenant: Tenant
) -> Page[MessageOut]:
    """Adds messages, and calls with what they gave, after the newest message."""
    said, kept = _read(here, body.items)
    with here.entering(inline.bytes_of(kept)) as conn:
        conversations.get(conn, tenant, conversation_id)
        found = add_items(conn, tenant, conversation_id, said, kept, here.caller.key)
        here.admission.check_bytes(conn)
    return page([_message(item) for item in found], len(found))


@router.delete("/{conversation_id}/items/{message_id}", responses=documented(404))
def delete_item(
    conversation_id: str, message_id: str, here: Here, tenant: Tenant
) -> ConversationOut:
    """Deletes one message; what followed it follows the one before."""
    with here.db.begin() as conn:
        conversations.remove_message(conn, tenant, conversation_id, message_id)
        return _out(conversations.get(conn, tenant, conversation_id))


@router.get("/{conversation_id}/items/{message_id}", responses=documented(404))
def get_item(conversation_id: str, message_id: str, here: Here, tenant: Tenant) -> MessageOut:
    """One message."""
    with here.db.connect() as conn:
        return _message(conversations.message(conn, tenant, conversation_id, message_id))


def _out(found: Conversation) -> ConversationOut:
    return ConversationOut(
        id=found.id,
        title=found.title,
        metadata=dict(found.metadata),
        created_at=int(found.created_at.timestamp()),
    )


def _read(here: Service, given: list[dict[str, Any]]) -> tuple[list[Said], list[Kept]]:
    said = [item for item, _ in read_items(given, "/items")]
    return said, inline.keep(here, [media for item in said for media in item.media()])


def _message(found: Message) -> MessageOut:
    return MessageOut(
        id=found.id,
        conversation=found.conversation,
        parent=found.parent,
        role=found.role,
        **item_of(found),
        parts=[views.part(part.model_dump(mode="json")) for part in found.parts],
        job=found.job,
        created_at=found.created_at,
    )
