"""The declared tools, gathered. Implementations live in `encoders/`, `hub/` and `generators/`."""

from collections.abc import Iterable

from medley.mcp.snapshot import attached_tools
from medley.settings import Settings
from medley.tasks import PlanTask
from medley.tools import Tool, Toolbox
from medley.toolset.hub import HUB_TOOLS
from medley.toolset.lists import LIST_TOOLS
from medley.toolset.media import MEDIA_TOOLS
from medley.toolset.pictures import PICTURE_TOOLS
from medley.toolset.seeing import SEEING_TOOLS
from medley.toolset.sounds import SOUND_TOOLS
from medley.toolset.space import SPACE_TOOLS
from medley.toolset.training import TRAINING_TOOLS
from medley.toolset.upkeep import UPKEEP_TOOLS

_OWN = (
    *HUB_TOOLS,
    *SPACE_TOOLS,
    *LIST_TOOLS,
    *PICTURE_TOOLS,
    *SOUND_TOOLS,
    *SEEING_TOOLS,
    *MEDIA_TOOLS,
    *TRAINING_TOOLS,
    *UPKEEP_TOOLS,
)


def toolbox(*, test_tools: bool = False, outside: Iterable[Tool] = ()) -> Toolbox:
    """All declarations; with `test_tools` also those that exist for tests and operators only, with
    `outside` also those of attached servers.
    """
    if test_tools:
        from medley.toolset.test import TEST_TOOLS

        return Toolbox((*_OWN, *TEST_TOOLS, *outside))
    return Toolbox((*_OWN, *outside))


def installed(settings: Settings) -> Toolbox:
    """The declarations of this installation, with those of its attached servers."""
    return toolbox(test_tools=settings.test_tools, outside=attached_tools(settings.home))


def offered(task: PlanTask) -> Toolbox:
    """The tools that a plan for this task may use. Those from outside travel in the task itself."""
    outside = [*(item.tool() for item in task.outside), *(item.tool() for item in task.flows)]
    return toolbox(test_tools=True, outside=outside).only(task.tools).planned()
