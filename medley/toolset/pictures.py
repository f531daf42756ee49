"""Pictures and films: drawn from words or meaning, changed, set in motion."""

from pydantic import Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import EXTRA, Params, Tool, port

TEXT, IMAGE, VIDEO, EMBEDDING = Modality.TEXT, Modality.IMAGE, Modality.VIDEO, Modality.EMBEDDING


class ImageParams(Params):
    """How to draw."""

    steps: int = Field(default=30, ge=1, le=150, description="Denoising steps.")
    guidance: float = Field(
        default=2.0, ge=1.0, le=20.0, description="Classifier-free guidance scale."
    )
    width: int | None = Field(default=None, ge=16, le=2048, multiple_of=8)
    height: int | None = Field(default=None, ge=16, le=2048, multiple_of=8)


class DrawParams(ImageParams):
    """How to draw what words say."""

    negative_prompt: str = Field(
        default="",
        max_length=4000,
        description="What guidance leads away from; it needs a guidance above 1.",
        json_schema_extra={EXTRA: True},
    )


class EditParams(DrawParams):
    """How to redraw."""

    strength: float = Field(
        default=0.7, gt=0.0, le=1.0, description="How far to go from the picture that is given."
    )


class VideoParams(Params):
    """How to film."""

    steps: int = Field(default=30, ge=1, le=150, description="Denoising steps.")
    guidance: float = Field(
        default=5.0, ge=1.0, le=20.0, description="Classifier-free guidance scale."
    )
    frames: int | None = Field(default=None, ge=1, le=257)
    fps: float = Field(default=16.0, ge=1.0, le=60.0)
    width: int | None = Field(default=None, ge=16, le=2048, multiple_of=8)
    height: int | None = Field(default=None, ge=16, le=2048, multiple_of=8)


TEXT_TO_IMAGE = Tool(
    name="text_to_image",
    about="Draws a picture from words.",
    inputs={"prompt": port(TEXT, about="What to draw.")},
    outputs={"image": port(IMAGE, about="The picture.")},
    params=DrawParams,
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
EDIT_IMAGE = Tool(
    name="edit_image",
    about="Redraws a picture as the words say.",
    inputs={
        "image": port(IMAGE, about="The picture to start from."),
        "prompt": port(TEXT, about="What it should become."),
        "references": port(
            IMAGE,
            about="Further pictures, of which the words may speak.",
            many=True,
            required=False,
            max_items=15,
            extra=True,
        ),
    },
    outputs={"image": port(IMAGE, about="The new picture.")},
    params=EditParams,
    lane=Lane.GENERATE,
    seeded=True,
)
INPAINT = Tool(
    name="inpaint",
    about="Redraws one part of a picture as the words say, and leaves the rest.",
    inputs={
        "image": port(IMAGE, about="The picture."),
        "mask": port(IMAGE, about="White where it may change, black where it may not."),
        "prompt": port(TEXT, about="What to draw there."),
    },
    outputs={"image": port(IMAGE, about="The new picture.")},
    params=EditParams,
    lane=Lane.GENERATE,
    seeded=True,
)
TEXT_TO_VIDEO = Tool(
    name="text_to_video",
    about="Makes a short film from words.",
    inputs={"prompt": port(TEXT, about="What happens.")},
    outputs={"video": port(VIDEO, about="The film.")},
    params=VideoParams,
    lane=Lane.GENERATE,
    seeded=True,
    deadline_s=3600.0,
    stall_s=600.0,
)
IMAGE_TO_VIDEO = Tool(
    name="image_to_video",
    about="Sets a picture in motion.",
    inputs={
        "image": port(IMAGE, about="The first picture."),
        "prompt": port(TEXT, about="What happens.", required=False),
    },
    outputs={"video": port(VIDEO, about="The film.")},
    params=VideoParams,
    lane=Lane.GENERATE,
    seeded=True,
    deadline_s=3600.0,
    stall_s=600.0,
)

PICTURE_TOOLS = (
    TEXT_TO_IMAGE,
    EMBEDDING_TO_IMAGE,
    EDIT_IMAGE,
    INPAINT,
    TEXT_TO_VIDEO,
    IMAGE_TO_VIDEO,
)
