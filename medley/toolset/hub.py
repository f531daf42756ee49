"""What the hub itself does: planning, answering, chatting, and saying what media show."""

from typing import Any, Literal

from pydantic import Field

from medley.modality import MEDIA, Modality
from medley.status import Lane
from medley.tasks import ChatMessage, Function, Sampling
from medley.tools import BUDGET, Params, Tool, port


class DescribeParams(Params):
    """How to describe."""

    question: str = Field(default="", max_length=2000, description="What to look or listen for.")
    language: Literal["auto", "en", "zh"] = "auto"
    max_tokens: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Most tokens to write.",
        json_schema_extra={BUDGET: True},
    )


class ChatParams(Params):
    """A chat so far, and the form that the next message is to have."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=1024)
    functions: list[Function] = Field(
        default_factory=list, max_length=128, description="What the hub may ask to be called."
    )
    choice: str = Field(
        default="auto",
        max_length=64,
        description="`auto`, `none`, `required`, or the name of the function to call.",
    )
    form: dict[str, Any] | None = Field(
        default=None, description="JSON schema of the message; without it, it is free text."
    )
    sampling: Sampling = Field(default_factory=Sampling)
    may_forget: bool = Field(
        default=False, description="Leaves out the oldest messages where all are too long."
    )
    max_tokens: int | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="Most tokens to write; 0 only counts those of the chat.",
        json_schema_extra={BUDGET: True},
    )


PLAN = Tool(
    name="plan",
    about="Turns a request into a plan.",
    inputs={
        "task": port(Modality.DATA, about="The request, the attached assets and the live tools.")
    },
    outputs={"plan": port(Modality.DATA, about="The plan as JSON.")},
    lane=Lane.HUB,
    planned=False,
    cacheable=False,
)
ANSWER = Tool(
    name="answer",
    about="Writes the reply from what really exists.",
    inputs={"facts": port(Modality.DATA, about="The request, and what became of each step.")},
    outputs={"reply": port(Modality.DATA, about="Text, and the assets to show.")},
    lane=Lane.HUB,
    planned=False,
    cacheable=False,
)
DESCRIBE = Tool(
    name="describe",
    about="Says in words what a picture, a sound or a video shows.",
    inputs={"media": port(*MEDIA, Modality.EMBEDDING, about="What to describe.")},
    outputs={"text": port(Modality.TEXT, about="The description.")},
    params=DescribeParams,
    lane=Lane.HUB,
)
CHAT = Tool(
    name="chat",
    about="Writes the next message of a chat: free words, JSON of a given form, or the call of a "
    "function of the caller's.",
    inputs={
        "seen": port(
            Modality.TEXT,
            *MEDIA,
            Modality.EMBEDDING,
            about="The media of the messages, in their order, or words about them.",
            many=True,
            required=False,
            max_items=64,
        )
    },
    outputs={
        "text": port(Modality.TEXT, about="The message; empty where it is a call."),
        "said": port(
            Modality.DATA,
            about='`{"calls": [{"name", "arguments"}], "end": "stop"|"length"|"calls"}`.',
        ),
    },
    params=ChatParams,
    lane=Lane.HUB,
    by_hub=False,
    cacheable=False,
    seeded=True,
)

HUB_TOOLS = (PLAN, ANSWER, DESCRIBE, CHAT)
