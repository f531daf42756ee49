"""The hook of `load` and `unload`: what this worker holds in memory. No backend is run."""

from collections.abc import Mapping

from orchestrator.database import Raw
from orchestrator.engine import Commit, Inputs, Lease
from orchestrator.hooks import Hook, Prepared
from orchestrator.hooks.base import WithoutBackend
from workers.residency import Residency


class UpkeepHook(WithoutBackend):
    """Loads the model of the step, or unloads it."""

    def __init__(self, residency: Residency, *, load: bool) -> None:
        self._residency, self._load = residency, load

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The models in memory then. Raises `Unavailable`, `OutOfMemory`."""
        if self._load:
            self._residency.backend(lease.model)
        elif lease.model is not None:
            self._residency.forget(lease.model)
        held = {"type": "data", "data": self._residency.held()}
        return Prepared(inputs=inputs, commit=Commit(outputs={"models": held}))


def upkeep_hooks(residency: Residency) -> Mapping[str, Hook]:
    """By tool."""
    return {
        "load": UpkeepHook(residency, load=True),
        "unload": UpkeepHook(residency, load=False),
    }
