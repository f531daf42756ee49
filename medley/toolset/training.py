"""Training: a connector that lets a hub read what an encoder means."""

from typing import Literal

from pydantic import Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import Params, Tool, port

MAX_PAIRS = 4096  #: of one training


class AlignParams(Params):
    """Which hub, which connector, and how long."""

    hub: str = Field(max_length=256, description="Id of the language model that is to read.")
    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="Id of the model that comes of it."
    )
    connector: Literal["linear", "mlp", "qformer", "resampler", "upm"] = "mlp"
    tokens: int = Field(default=4, ge=1, le=256, description="Soft tokens for each vector.")
    width: int = Field(default=256, ge=8, le=8192, description="Width inside the connector.")
    layers: int = Field(default=2, ge=1, le=48)
    heads: int = Field(default=4, ge=1, le=128)
    experts: int = Field(default=3, ge=1, le=16, description="Of a mixture (upm).")
    apart: bool = Field(
        default=False, description="A connector, or queries (upm), for each modality."
    )
    stage: Literal[1, 2] = Field(
        default=1,
        description="1: the connector alone. 2: the hub's own connector goes on learning, and "
        "low-rank adapters of the hub learn with it.",
    )
    lora_rank: int = Field(default=8, ge=1, le=512, description="Of the adapters of stage 2.")
    steps: int = Field(default=500, ge=1, le=1_000_000)
    batch: int = Field(default=16, ge=1, le=1024, description="Pairs of one step.")
    rate: float = Field(default=2e-3, gt=0, le=1, description="Learning rate.")
    keep_every: int = Field(default=100, ge=1, description="Steps between two checkpoints.")


ALIGN = Tool(
    name="align",
    about="Trains a connector, so that a hub can say what embeddings mean.",
    inputs={
        "media": port(
            Modality.EMBEDDING,
            about="What is shown; pictures, sounds and videos are embedded first.",
            many=True,
            max_items=MAX_PAIRS,
        ),
        "texts": port(
            Modality.TEXT,
            about="What should be said about each, in the same order.",
            many=True,
            max_items=MAX_PAIRS,
        ),
        "questions": port(
            Modality.TEXT,
            about="What is asked about each; default: what it is.",
            many=True,
            required=False,
            max_items=MAX_PAIRS,
        ),
    },
    outputs={
        "curve": port(Modality.IMAGE, about="The loss over the steps."),
        "report": port(Modality.DATA, about="The model that came of it, and its losses."),
    },
    params=AlignParams,
    lane=Lane.GENERATE,
    by_hub=False,
    cacheable=False,
    seeded=True,
    deadline_s=7 * 86_400.0,
    stall_s=900.0,
)

TRAINING_TOOLS = (ALIGN,)
