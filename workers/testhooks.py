"""Hooks of the test tools: they tell how often a step was tried, and append steps."""

from collections.abc import Mapping

from medley.errors import MedleyError
from medley.parts import DataPart
from medley.tools import Toolbox
from orchestrator.database import Raw
from orchestrator.engine import Commit, Inputs, Lease, NewStep
from orchestrator.hooks import Hook, Prepared
from orchestrator.hooks.base import Parts

_COUNTING = ("test.fail", "test.oom", "test.segv")


class CountHook:
    """Gives the step's own counters as an input."""

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The counters of this attempt."""
        counts = DataPart(data={"attempt": lease.attempt, "crashes": lease.crashes})
        return Prepared(inputs={**inputs, "counts": counts})

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """What the backend gave."""
        return Commit()

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """It is meant to fail."""
        return None


class ExpandHook(CountHook):
    """Appends steps that read the expanding one, as a planner does."""

    def __init__(self, tools: Toolbox) -> None:
        self._echo = tools["test.echo"]

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """`n` echoes after this step."""
        return Commit(
            steps=[
                NewStep(
                    id=f"{lease.step}_{number}",
                    tool=self._echo.name,
                    lane=self._echo.lane,
                    model=lease.model,
                    params={"text": f"number {number}"},
                    after=[lease.step],
                )
                for number in range(int(lease.params.get("n", 2)))
            ]
        )


def test_hooks(tools: Toolbox) -> Mapping[str, Hook]:
    """By tool; empty where there are no test tools."""
    if "test.expand" not in tools:
        return {}
    return {**{name: CountHook() for name in _COUNTING}, "test.expand": ExpandHook(tools)}
