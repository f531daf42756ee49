"""Upkeep: bringing a model into memory before it is needed, and freeing what it takes.

Both are steps of jobs like any other, run by a worker that can load the model: durable, visible,
never inside somebody's request. They may not stand in plans.
"""

from medley.modality import Modality
from medley.status import Lane
from medley.tools import Tool, port

LOAD = Tool(
    name="load",
    about="Brings a model into memory; others make room where it is scarce.",
    inputs={},
    outputs={"models": port(Modality.DATA, about="Ids of the models in memory then.")},
    lane=Lane.CPU,
    planned=False,
    cacheable=False,
    deadline_s=3600.0,
    stall_s=1800.0,
)
UNLOAD = Tool(
    name="unload",
    about="Frees the memory that a model takes.",
    inputs={},
    outputs=LOAD.outputs,
    lane=Lane.CPU,
    planned=False,
    cacheable=False,
)

UPKEEP_TOOLS = (LOAD, UNLOAD)
