"""Looks: what media show, in words, for a hub that cannot look itself. Pure.

A hub says what it reads in a chat under `chat.seen`: words alone, where it says nothing.
"""

from collections.abc import Mapping
from typing import Any

from medley.backend import ModelSpec
from medley.modality import Modality
from medley.plan import Binding, PlanStep
from medley.tasks import ChatMessage

CHAT, SEEN = "chat", "seen"
CHAT_MEDIA = f"{CHAT}.{SEEN}"  #: what a model reads of the media of a chat
MAX_QUESTION = 2000


def reads(hub: ModelSpec) -> frozenset[Modality]:
    """What this hub reads in a chat besides its messages."""
    return hub.reads.get(CHAT_MEDIA, frozenset({Modality.TEXT}))


def questions(params: Mapping[str, Any]) -> list[str]:
    """For each medium of a chat the words that came with it."""
    messages = [ChatMessage.model_validate(item) for item in params["messages"]]
    return [
        message.text[:MAX_QUESTION]
        for message in messages
        for part in message.parts
        if part.type == "asset"
    ]


def look(name: str, media: Binding, question: str, *, transcribe: bool) -> PlanStep:
    """The step that puts a medium into words."""
    if transcribe:
        return PlanStep(id=name, tool="transcribe", inputs={"audio": media})
    return PlanStep(
        id=name, tool="describe", inputs={"media": media}, params={"question": question}
    )
