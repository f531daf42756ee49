"""Items of a conversation: messages as they are stored, and as OpenAI writes them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from api.openai import inline, items
from api.openai.inline import Kept
from api.openai.items import Said
from medley.parts import DataPart, Part
from orchestrator import conversations
from orchestrator.conversations import Message, Role


def add_items(
    conn: Connection,
    tenant: str,
    conversation: str,
    said: Sequence[Said],
    kept: Sequence[Kept],
    key: str | None = None,
) -> list[Message]:
    """Writes what was said after the newest message, each item a message of its own. Raises
    `BadParameter`.
    """
    assets = iter([inline.register(conn, tenant, one, key) for one in kept])
    newest = conversations.newest_message(conn, tenant, conversation)
    parent = newest.id if newest is not None else None
    found: list[Message] = []
    for item in said:
        message = item.kept(assets)
        role: Role = "user" if message.role == "tool" else message.role
        parts: list[Part] = list(message.parts)
        if message.role == "tool":
            output = {"call_id": message.call, "output": message.text}
            parts = [DataPart(data={"type": "function_call_output", **output})]
        parts += [
            DataPart(
                data={
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": call.arguments,
                }
            )
            for call in message.calls
        ]
        found.append(
            conversations.add_message(conn, tenant, conversation, role, parts, parent=parent)
        )
        parent = found[-1].id
    return found


def item_of(message: Message) -> dict[str, Any]:
    """The members that OpenAI's form has for it: those of a call, or of what a call gave, or the
    content of a message.
    """
    for part in message.parts:
        kind = part.data.get("type") if isinstance(part, DataPart) else None
        if kind in ("function_call", "function_call_output"):
            assert isinstance(part, DataPart)
            return dict(part.data)
    ours = message.role == "assistant"
    content = [
        items.content_part(part, ours=ours)
        for part in message.parts
        if not isinstance(part, DataPart)
    ]
    return {"content": content}
