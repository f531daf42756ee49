"""Offering: what this worker serves. A tool of its lanes, by the models that it can load.

A model whose files, libraries or backend are not here is not offered: no plan then counts on it and
no claim brings a step of it. Files that arrive later are noticed, and so are servers that are
attached or detached.
"""

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from medley.backend import ModelSpec
from medley.settings import Settings
from medley.status import Lane
from medley.tools import Toolbox
from medley.toolset.upkeep import UPKEEP_TOOLS
from medley.weights import here, is_hub_id
from orchestrator.engine import Offer
from orchestrator.installation import Installed
from workers.registry import BACKENDS, WITHOUT_BACKEND

#: How many steps of one model run at once, by lane; `batch` in a model's options says otherwise.
BATCH = {Lane.ENCODE: 32, Lane.HUB: 4, Lane.GENERATE: 4, Lane.CPU: 1}
LOOK_S = 10.0  #: so long what was not here is not looked for again

_ALONE = frozenset({"index", "embed_list"})  # tools whose steps are run one by one


def lacking(spec: ModelSpec) -> str:
    """Why this machine cannot load a model; empty where it can."""
    if spec.backend not in BACKENDS and spec.backend not in WITHOUT_BACKEND:
        return f"There is no backend {spec.backend!r} in this installation."
    absent = [name for name in spec.needs if importlib.util.find_spec(name) is None]
    if absent:
        return f"It needs {', '.join(absent)}, which is not installed."
    if here(spec):
        return ""
    where = "in the cache of downloaded models" if is_hub_id(spec.source) else f"at {spec.source}"
    return f"Its files are not {where}."


def make_offer(
    settings: Settings,
    tools: Toolbox,
    models: Mapping[str, ModelSpec],
    lacks: Callable[[ModelSpec], str] = lacking,
) -> tuple[Offer, dict[str, str]]:
    """What this worker can run, and the models of its lanes that it cannot load, and why."""
    lanes: Sequence[str] = settings.lanes
    batch: dict[str, int] = {}
    able: list[str] = []
    unable: dict[str, str] = {}
    for spec in models.values():
        names = [name for name in spec.tools if name in tools and tools[name].lane in lanes]
        if not names:
            continue
        if reason := lacks(spec):
            unable[spec.id] = reason
            continue
        able.append(spec.id)
        for name in names:
            most = int(spec.options.get("batch", BATCH.get(tools[name].lane, 1)))
            batch[name] = min(most, batch.get(name, most))
    names = [*batch, *(tool.name for tool in UPKEEP_TOOLS if able)]
    offer = Offer(
        lanes=list(lanes),
        tools=sorted(f"{name}@{tools[name].version}" for name in names),
        models=sorted(able),
        # Indexing reads what nobody has embedded yet: two at once would embed the same twice.
        # A list is a batch by itself.
        batch={name: most for name, most in batch.items() if most > 1 and name not in _ALONE},
        ttl=settings.lease_ttl_s,
    )
    return offer, unable


@dataclass(kw_only=True)
class Offering:
    """What this process offers now: looked for again while something is lacking, and when what is
    installed is not the same any more.
    """

    settings: Settings
    current: Callable[[], Installed]
    lacks: Callable[[ModelSpec], str] = lacking
    clock: Callable[[], float] = time.monotonic
    installed: Installed = field(init=False)
    offer: Offer = field(init=False)
    missing: dict[str, str] = field(init=False)
    _looked: float = field(init=False)

    def __post_init__(self) -> None:
        self._look(self.current())

    def look(self) -> bool:
        """Whether something has changed since the last look."""
        now, before = self.current(), self.missing
        same = now is self.installed
        if same and (not self.missing or self.clock() - self._looked < LOOK_S):
            return False
        self._look(now)
        return not same or self.missing != before

    def row(self) -> dict[str, object]:
        """As the worker's row announces it."""
        return {
            "lanes": list(self.offer.lanes),
            "tools": list(self.offer.tools),
            "serves": list(self.offer.models or ()),
            "lacks": dict(self.missing),
        }

    def _look(self, now: Installed) -> None:
        self._looked, self.installed = self.clock(), now
        self.offer, self.missing = make_offer(self.settings, now.tools, now.models, self.lacks)
