"""Lists: a step for each item, and what those steps gave as one list again."""

from typing import Any

from medley.modality import STORED, Modality
from medley.status import Lane
from medley.tools import Params, Tool, port

MAX_ITEMS = 64  #: items of a list that a step can be run for


class SpreadParams(Params):
    """The step that is run for each item, as it stands in the plan."""

    step: dict[str, Any]


class GatherParams(Params):
    """Whose steps are gathered, and which of their outputs."""

    of: str
    ports: list[str]


SPREAD = Tool(
    name="spread",
    about="Adds a step for each item of a list.",
    inputs={
        "items": port(*STORED, Modality.TEXT, about="The items.", many=True, max_items=MAX_ITEMS)
    },
    outputs={"steps": port(Modality.DATA, about="Ids of the steps that were added.")},
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

LIST_TOOLS = (SPREAD, GATHER)
