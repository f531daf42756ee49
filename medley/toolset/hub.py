"""What the hub itself does: planning, answering, and saying what media show."""

from typing import Literal

from pydantic import Field

from medley.modality import MEDIA, Modality
from medley.status import Lane
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

HUB_TOOLS = (PLAN, ANSWER, DESCRIBE)
