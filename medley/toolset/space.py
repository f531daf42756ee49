"""The shared space: embedding, adding, searching, judging."""

from typing import Annotated, Any, Literal

from pydantic import Field

from medley.modality import MEDIA, Modality
from medley.status import Lane
from medley.tools import BUDGET, Params, Tool, port

TEXT, EMBEDDING, DATA = Modality.TEXT, Modality.EMBEDDING, Modality.DATA
MAX_INDEXED = 16  #: media that an encoder is given at once for the index
MAX_LISTED = 256  #: words and media that one step of `embed_list` takes


class CombineParams(Params):
    """Weights of an embedding sum."""

    weights: list[float] = Field(
        default_factory=list,
        max_length=16,
        description="One per embedding; negative subtracts. Default: all 1.",
    )


class SearchFilter(Params):
    """Which assets are looked at. Callers set it; plans of the hub look at all."""

    store: str | None = Field(default=None, max_length=64, description="Files of a vector store.")
    attributes: dict[str, Any] | None = Field(
        default=None, description="What their attributes in that store say, as OpenAI's filters."
    )
    assets: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=1024, description="These, and no others."
    )
    without: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=64, description="Not these."
    )
    media_types: list[Annotated[str, Field(max_length=128)]] | None = Field(
        default=None, min_length=1, max_length=32
    )
    origin: Literal["upload", "step"] | None = Field(
        default=None, description="What somebody sent, or what a step made."
    )
    created_after: float | None = Field(default=None, description="Seconds since 1970.")
    created_before: float | None = Field(default=None, description="Seconds since 1970.")
    min_score: float | None = Field(default=None, ge=-1, le=1, description="Least cosine.")


class SearchParams(Params):
    """What to look for."""

    limit: int = Field(default=5, ge=1, le=50)
    modalities: list[Literal["image", "audio", "video", "text"]] = Field(
        default_factory=list, max_length=4
    )
    among: SearchFilter | None = Field(
        default=None, description="Only these.", json_schema_extra={BUDGET: True}
    )


class JudgeParams(Params):
    """When the judge doubts its choice, and what happens then."""

    threshold: float | None = Field(
        default=None, ge=-1, le=1, description="Score that the best candidate should reach."
    )
    redraws: int = Field(
        default=0, ge=0, le=8, description="How often to draw once more below the threshold."
    )


class RedrawParams(Params):
    """What is drawn once more, and how often."""

    threshold: float
    left: int
    number: int
    step: dict[str, Any]
    port: str
    see: dict[str, Any]
    judge: dict[str, Any]
    earlier: dict[str, Any] | None = None


EMBED = Tool(
    name="embed",
    about="Puts words, a picture, a sound or a video into the shared embedding space.",
    inputs={"media": port(TEXT, *MEDIA, about="What to embed.")},
    outputs={"embedding": port(EMBEDDING, about="A unit vector.")},
    lane=Lane.ENCODE,
)
EMBED_LIST = Tool(
    name="embed_list",
    about="Embeds many words and media at once, and gives plain numbers.",
    inputs={"media": port(TEXT, *MEDIA, about="What to embed.", many=True, max_items=MAX_LISTED)},
    outputs={"vectors": port(DATA, about="A unit vector for each, in order.")},
    lane=Lane.ENCODE,
    by_hub=False,
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
    inputs={"media": port(*MEDIA, TEXT, about="What to embed.", many=True, max_items=MAX_INDEXED)},
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
JUDGE = Tool(
    name="judge",
    about="Takes of several candidates the one that fits best what was asked for.",
    inputs={
        "candidates": port(*MEDIA, about="What to choose from.", many=True, max_items=MAX_INDEXED),
        "request": port(EMBEDDING, TEXT, about="What was asked for."),
        "vectors": port(
            EMBEDDING,
            about="The candidates' embeddings; put in where they are missing.",
            many=True,
            required=False,
            max_items=MAX_INDEXED,
        ),
        "scores": port(
            DATA,
            about="What `match` says of the candidates; put in where a model serves it.",
            many=True,
            required=False,
            max_items=MAX_INDEXED,
        ),
    },
    outputs={
        "best": port(*MEDIA, about="The chosen candidate."),
        "verdict": port(DATA, about="Score of each candidate, and which was chosen."),
    },
    params=JudgeParams,
    lane=Lane.CPU,
    cacheable=False,
)
REDRAW = Tool(
    name="redraw",
    about="Judges, and has the drawing made once more where no candidate is good enough.",
    inputs=JUDGE.inputs,
    outputs={
        **JUDGE.outputs,
        "round": port(DATA, about="How often it has been judged."),
    },
    params=RedrawParams,
    lane=Lane.CPU,
    planned=False,
    cacheable=False,
)

SPACE_TOOLS = (EMBED, EMBED_LIST, EMBED_COMBINE, INDEX, SEARCH, JUDGE, REDRAW)
