"""Tools that are served by models: planning, answering, understanding, embedding, searching,
generating.
"""

from typing import Any, Literal

from pydantic import Field

from medley.modality import STORED, Modality
from medley.status import Lane
from medley.tools import BUDGET, Params, Tool, port

TEXT, IMAGE, AUDIO, VIDEO = Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO
EMBEDDING, DATA = Modality.EMBEDDING, Modality.DATA
MEDIA = (IMAGE, AUDIO, VIDEO)
MAX_ITEMS = 64  #: items of a list that a step can be run for
MAX_INDEXED = 16  #: media that an encoder is given at once for the index


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


class CombineParams(Params):
    """Weights of an embedding sum."""

    weights: list[float] = Field(
        default_factory=list,
        max_length=16,
        description="One per embedding; negative subtracts. Default: all 1.",
    )


class SearchParams(Params):
    """What to look for."""

    limit: int = Field(default=5, ge=1, le=50)
    modalities: list[Literal["image", "audio", "video", "text"]] = Field(
        default_factory=list, max_length=4
    )


class SpreadParams(Params):
    """The step that is run for each item, as it stands in the plan."""

    step: dict[str, Any]


class GatherParams(Params):
    """Whose steps are gathered, and which of their outputs."""

    of: str
    ports: list[str]


class JudgeParams(Params):
    """When the judge doubts its choice."""

    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="Cosine that the best candidate should reach."
    )


class ImageParams(Params):
    """How to draw."""

    steps: int = Field(default=30, ge=1, le=150, description="Denoising steps.")
    guidance: float = Field(
        default=2.0, ge=1.0, le=20.0, description="Classifier-free guidance scale."
    )
    width: int | None = Field(default=None, ge=16, le=2048, multiple_of=8)
    height: int | None = Field(default=None, ge=16, le=2048, multiple_of=8)


class SpeakParams(Params):
    """How to speak."""

    language: Literal["auto", "en", "zh"] = "auto"
    voice: str = Field(
        default="", max_length=64, description="A voice of the synthesizer; empty: its default."
    )
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    pitch: int = Field(default=50, ge=0, le=100)


PLAN = Tool(
    name="plan",
    about="Turns a request into a plan.",
    inputs={"task": port(DATA, about="The request, the attached assets and the live tools.")},
    outputs={"plan": port(DATA, about="The plan as JSON.")},
    lane=Lane.HUB,
    planned=False,
    cacheable=False,
)
ANSWER = Tool(
    name="answer",
    about="Writes the reply from what really exists.",
    inputs={"facts": port(DATA, about="The request, and what became of each step.")},
    outputs={"reply": port(DATA, about="Text, and the assets to show.")},
    lane=Lane.HUB,
    planned=False,
    cacheable=False,
)
DESCRIBE = Tool(
    name="describe",
    about="Says in words what a picture, a sound or a video shows.",
    inputs={"media": port(*MEDIA, EMBEDDING, about="What to describe.")},
    outputs={"text": port(TEXT, about="The description.")},
    params=DescribeParams,
    lane=Lane.HUB,
)
EMBED = Tool(
    name="embed",
    about="Puts words, a picture, a sound or a video into the shared embedding space.",
    inputs={"media": port(TEXT, *MEDIA, about="What to embed.")},
    outputs={"embedding": port(EMBEDDING, about="A unit vector.")},
    lane=Lane.ENCODE,
)
EMBED_COMBINE = Tool(
    name="embed_combine",
    about="Adds embeddings with weights, negative to subtract, and normalises the sum.",
    inputs={"embeddings": port(EMBEDDING, about="Vectors of one space.", many=True)},
    outputs={"embedding": port(EMBEDDING, about="The unit vector of the weighted sum.")},
    params=CombineParams,
    lane=Lane.CPU,
)
INDEX = Tool(
    name="index",
    about="Embeds earlier media that no step has embedded yet, so that a search finds them.",
    inputs={"media": port(*MEDIA, about="What to embed.", many=True, max_items=MAX_INDEXED)},
    outputs={"vectors": port(DATA, about="How many were embedded.")},
    lane=Lane.ENCODE,
    planned=False,
    cacheable=False,
)
SEARCH = Tool(
    name="search",
    about="Finds earlier assets that are nearest in the shared space.",
    inputs={"query": port(EMBEDDING, about="What to look for.")},
    outputs={
        "assets": port(*MEDIA, about="The nearest assets, best first.", many=True, max_items=50),
        "scores": port(DATA, about="Their cosine similarities in [-1, 1]."),
    },
    params=SearchParams,
    lane=Lane.CPU,
    cacheable=False,
)
SPREAD = Tool(
    name="spread",
    about="Adds a step for each item of a list.",
    inputs={"items": port(*STORED, TEXT, about="The items.", many=True, max_items=MAX_ITEMS)},
    outputs={"steps": port(DATA, about="Ids of the steps that were added.")},
    params=SpreadParams,
    lane=Lane.CPU,
    planned=False,
    cacheable=False,
)
GATHER = Tool(
    name="gather",
    about="Puts what those steps gave into lists, in the order of the items.",
    inputs={},
    outputs={},
    params=GatherParams,
    lane=Lane.CPU,
    planned=False,
    cacheable=False,
)
JUDGE = Tool(
    name="judge",
    about="Takes of several candidates the one that is nearest to what was asked for.",
    inputs={
        "candidates": port(*MEDIA, about="What to choose from.", many=True, max_items=MAX_INDEXED),
        "request": port(EMBEDDING, about="What was asked for."),
        "vectors": port(
            EMBEDDING,
            about="The candidates' embeddings; put in where they are missing.",
            many=True,
            required=False,
            max_items=MAX_INDEXED,
        ),
    },
    outputs={
        "best": port(*MEDIA, about="The chosen candidate."),
        "verdict": port(DATA, about="Cosine of each candidate in [-1, 1], and which was chosen."),
    },
    params=JudgeParams,
    lane=Lane.CPU,
    cacheable=False,
)
TEXT_TO_IMAGE = Tool(
    name="text_to_image",
    about="Draws a picture from words.",
    inputs={"prompt": port(TEXT, about="What to draw.")},
    outputs={"image": port(IMAGE, about="The picture.")},
    params=ImageParams,
    lane=Lane.GENERATE,
    seeded=True,
)
EMBEDDING_TO_IMAGE = Tool(
    name="embedding_to_image",
    about="Draws what an embedding means: from a sound, a picture, words or a mix of them.",
    inputs={"embedding": port(EMBEDDING, about="What to draw.")},
    outputs={"image": port(IMAGE, about="The picture.")},
    params=ImageParams,
    lane=Lane.GENERATE,
    seeded=True,
)
SPEAK = Tool(
    name="speak",
    about="Says words aloud, in English or Chinese.",
    inputs={"text": port(TEXT, about="What to say.")},
    outputs={"audio": port(AUDIO, about="The spoken words.")},
    params=SpeakParams,
    lane=Lane.CPU,
)

MODEL_TOOLS = (
    PLAN,
    ANSWER,
    DESCRIBE,
    EMBED,
    EMBED_COMBINE,
    INDEX,
    SEARCH,
    JUDGE,
    SPREAD,
    GATHER,
    TEXT_TO_IMAGE,
    EMBEDDING_TO_IMAGE,
    SPEAK,
)
