"""The hook of `align`: the catalogue's entries of the hub and the encoders stand beside the inputs.

A backend sees its own entry only; this one works on a model that a parameter names.
"""

from collections.abc import Mapping
from typing import Any

from medley.backend import ModelSpec
from medley.errors import BadInput, MedleyError
from medley.parts import DataPart
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Parts, Prepared
from orchestrator.routing import Policy

_OPTIONS = "SELECT options FROM jobs WHERE id = %s"


class AlignHook:
    """Hands the hub that is to learn to the backend that teaches it."""

    def __init__(self, models: Mapping[str, ModelSpec]) -> None:
        self._models = models

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The inputs with the hub's entry. Raises `BadInput` for a hub that cannot be trained."""
        name = str(lease.params.get("hub", ""))
        hub = self._models.get(name)
        if hub is None or hub.backend != "transformers":
            able = sorted(s.id for s in self._models.values() if s.backend == "transformers")
            raise BadInput(f"{name!r} is no hub that can be aligned; there are: {', '.join(able)}.")
        row = conn.execute(_OPTIONS, [lease.job]).fetchone()
        if Policy.asked(row[0] if row else {}).commercial_only and not hub.commercial:
            raise BadInput(f"{name} is not for commercial use, and only such models are allowed.")
        given = DataPart(data={"hub": _entry(hub), "not_commercial": self._not_commercial()})
        return Prepared(inputs={**inputs, "catalogue": given})

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """What the backend gave."""
        return Commit()

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """What fails, fails."""
        return None

    def _not_commercial(self) -> list[str]:
        """Spaces that an encoder writes which is not for commercial use."""
        encoders = [spec for spec in self._models.values() if "embed" in spec.tools]
        return sorted({spec.space or spec.id for spec in encoders if not spec.commercial})


def _entry(hub: ModelSpec) -> dict[str, Any]:
    return {
        "id": hub.id,
        "source": hub.source,
        "revision": hub.revision,
        "tools": sorted(hub.tools),
        "commercial": hub.commercial,
        "rank": hub.rank,
        "options": dict(hub.options),
    }
