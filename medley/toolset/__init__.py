"""The declared tools, gathered. Implementations live in `encoders/`, `hub/` and `generators/`."""

from medley.tools import Toolbox
from medley.toolset.media import MEDIA_TOOLS
from medley.toolset.models import MODEL_TOOLS


def toolbox(*, test_tools: bool = False) -> Toolbox:
    """All declarations; with `test_tools` also those that exist for tests and operators only."""
    if test_tools:
        from medley.toolset.test import TEST_TOOLS

        return Toolbox((*MODEL_TOOLS, *MEDIA_TOOLS, *TEST_TOOLS))
    return Toolbox((*MODEL_TOOLS, *MEDIA_TOOLS))
