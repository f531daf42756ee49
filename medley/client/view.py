"""What is known of a job while its events come in: a small model of plan and steps, without any
drawing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from medley.client.events import Event

_STEP_EVENTS = {
    "step.started": "running",
    "step.cached": "cached",
    "step.retrying": "ready",
    "step.completed": "succeeded",
    "step.failed": "failed",
    "step.canceled": "canceled",
    "step.skipped": "skipped",
}
_PLAN_EVENTS = ("plan.ready", "plan.revised", "job.waiting")


@dataclass(slots=True)
class StepView:
    """One step, as far as it is known."""

    id: str
    tool: str
    needs: tuple[str, ...] = ()
    status: str = "blocked"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    done: int = 0
    total: int = 0
    message: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """From a step of a job object or of a plan."""
        return cls(
            id=str(data["id"]),
            tool=str(data["tool"]),
            needs=tuple(data.get("needs") or _needs(data.get("inputs") or {})),
            status=str(data.get("status", "blocked")),
            inputs=data.get("inputs") or {},
            params=data.get("params") or {},
        )

    def about(self) -> str:
        """Inputs and parameters on one line."""
        words = [f"{name}={_short(value)}" for name, value in self.inputs.items()]
        words += [f"{name}={value}" for name, value in self.params.items() if value is not None]
        return ", ".join(words)


@dataclass(slots=True)
class JobView:
    """A job, as far as it is known."""

    id: str
    status: str = "queued"
    steps: dict[str, StepView] = field(default_factory=dict)

    def read(self, job: Mapping[str, Any]) -> None:
        """Take over a job object; progress that only events told is kept."""
        self.status = str(job["status"])
        plan = job.get("plan") or {}
        known = self.steps
        self.steps = {}
        for data in plan.get("steps") or ():
            step = StepView.of(data)
            if step.id in known:
                step.done, step.total = known[step.id].done, known[step.id].total
            self.steps[step.id] = step

    def apply(self, event: Event) -> bool:
        """Take in an event. True when it tells of a change that only a new job object can show."""
        if event.type == "snapshot":
            self.read(event.data)
            return False
        kind, _, status = event.type.partition(".")
        if kind == "job" and status in ("waiting", "succeeded", "failed", "canceled", "expired"):
            self.status = status
        if event.type in _PLAN_EVENTS:
            return True
        step = self.steps.get(event.step or "")
        if step is None:
            return event.type in _STEP_EVENTS
        if event.type == "step.progress":
            _progress(step, event.data.get("data") or {})
        elif event.type in _STEP_EVENTS:
            step.status = _STEP_EVENTS[event.type]
            if self.status == "queued":
                self.status = "running"
        return False


def _progress(step: StepView, data: Mapping[str, Any]) -> None:
    step.done = int(data.get("step_n", data.get("done", 0)) or 0)
    step.total = int(data.get("steps", data.get("total", 0)) or 0)
    step.message = str(data.get("message") or "")


def _needs(inputs: Mapping[str, Any]) -> Iterable[str]:
    for bound in inputs.values():
        for item in bound if isinstance(bound, list) else [bound]:
            if isinstance(item, Mapping) and isinstance(item.get("from"), str):
                yield item["from"].partition(".")[0]


def _short(bound: Any) -> str:
    """A binding in few words: `s1.text`, `asset_01…`, `"words"`."""
    if isinstance(bound, list):
        return "[" + ", ".join(_short(item) for item in bound) + "]"
    if isinstance(bound, Mapping):
        if "from" in bound:
            item = bound.get("item")
            return str(bound["from"]) + (f"[{item}]" if item is not None else "")
        bound = bound.get("text", bound.get("asset", bound.get("input", "")))
        if isinstance(bound, str) and bound.startswith("asset_"):
            return bound[:10] + "…" + bound[-4:]
    text = str(bound)
    return repr(text if len(text) <= 40 else text[:39] + "…")
