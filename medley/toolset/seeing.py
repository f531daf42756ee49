"""Looking closely: whether words fit, where things are, what is written, what is known."""

from pydantic import Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import NoParams, Params, Tool, port

TEXT, IMAGE, VIDEO, DATA = Modality.TEXT, Modality.IMAGE, Modality.VIDEO, Modality.DATA


class DetectParams(Params):
    """What counts as found."""

    threshold: float = Field(default=0.3, ge=0.0, le=1.0, description="Least score.")


class LookUpParams(Params):
    """How much to look up."""

    limit: int = Field(default=5, ge=1, le=50, description="Most passages.")
    hops: int = Field(default=1, ge=0, le=3, description="Steps from what is named, in a graph.")


MATCH = Tool(
    name="match",
    about="Says how well words fit a picture or a video, looking at both together.",
    inputs={
        "media": port(IMAGE, VIDEO, about="The picture or video."),
        "text": port(TEXT, about="The words."),
    },
    outputs={"score": port(DATA, about='`{"score": 0.93}`, a probability.')},
    params=NoParams,
    lane=Lane.ENCODE,
)
DETECT = Tool(
    name="detect",
    about="Finds where the named things are in a picture.",
    inputs={
        "image": port(IMAGE, about="The picture."),
        "text": port(TEXT, about="What to find; several things with commas between."),
    },
    outputs={
        "boxes": port(
            DATA,
            about='`[{"label": "cat", "score": 0.8, "box": [x0, y0, x1, y1]}]` in pixels.',
        )
    },
    params=DetectParams,
    lane=Lane.ENCODE,
)
READ_TEXT = Tool(
    name="read_text",
    about="Reads what is written in a picture.",
    inputs={"image": port(IMAGE, about="The picture.")},
    outputs={"text": port(TEXT, about="What is written.")},
    params=NoParams,
    lane=Lane.HUB,
)
LOOK_UP = Tool(
    name="look_up",
    about="Looks up what a knowledge base says about something.",
    inputs={"query": port(TEXT, about="What to look up.")},
    outputs={
        "text": port(TEXT, about="What was found, with where it stands."),
        "found": port(DATA, about="The passages and facts, best first."),
    },
    params=LookUpParams,
    lane=Lane.CPU,
)

SEEING_TOOLS = (MATCH, DETECT, READ_TEXT, LOOK_UP)
