"""The tools that the bundled hub is trained on: those that serve in the starter profile."""

from functools import cache

from medley.settings import Settings
from medley.tools import Toolbox
from medley.toolset import toolbox
from orchestrator.catalogue import load_catalogue


@cache
def starter_tools() -> Toolbox:
    """What a plan may use there."""
    models = load_catalogue(Settings.model_construct(profile="starter")).values()
    served = {name for spec in models for name in spec.tools}
    return toolbox().only(served).planned()
