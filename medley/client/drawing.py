"""Drawing jobs: a live tree with bars on a terminal, plain lines elsewhere. All of it goes to
standard error.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from medley.client.view import JobView, StepView

_MARKS = {
    "blocked": ("·", "dim"),
    "ready": ("○", "dim"),
    "running": ("●", "cyan"),
    "succeeded": ("✓", "green"),
    "cached": ("✓", "blue"),
    "failed": ("✗", "red"),
    "dead": ("✗", "red"),
    "canceled": ("-", "yellow"),
    "skipped": ("-", "dim"),
}


class Display(Protocol):
    """Shows a job while it runs."""

    def show(self, view: JobView) -> None:
        """Take note of the job's new state."""


def for_people() -> bool:
    """Whether standard error is a terminal that can redraw; `NO_COLOR` and dumb terminals get
    lines.
    """
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


@contextmanager
def display(quiet: bool = False) -> Iterator[Display]:
    """The display that fits where standard error goes."""
    if quiet:
        yield _Silence()
    elif for_people():
        console = Console(stderr=True)
        with Live(console=console, refresh_per_second=8, transient=False) as live:
            yield _LiveTree(live)
    else:
        yield _Lines()


class _Silence:
    def show(self, view: JobView) -> None:
        pass


class _LiveTree:
    def __init__(self, live: Live) -> None:
        self._live = live
        self._planning = Spinner("dots", text=" planning …")  # one object, so that it keeps turning

    def show(self, view: JobView) -> None:
        if view.steps or view.status not in ("queued", "running"):
            self._live.update(plan_tree(view))
        else:
            self._live.update(self._planning)


class _Lines:
    """The plan when it is there, then one line for each change of a step; of progress, quarters."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[str, int]] = {}

    def show(self, view: JobView) -> None:
        new = [step for step in view.steps.values() if step.id not in self._told]
        for step in new:
            self._told[step.id] = ("blocked", 0)
            if step.tool not in ("plan", "answer"):
                say(f"  plan  {step.id:<8} {step.tool:<20} {step.about()}".rstrip())
        for step in view.steps.values():
            quarter = 4 * step.done // step.total if step.total else 0
            state = (step.status, quarter if step.status == "running" else 0)
            if step.status not in ("blocked", "ready") and self._told[step.id] != state:
                say(_line(step))
            self._told[step.id] = state


def say(text: str) -> None:
    """One plain line for people, on standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _line(step: StepView) -> str:
    mark, _ = _MARKS.get(step.status, ("?", ""))
    progress = f"{step.done}/{step.total} {step.message}" if step.total else ""
    told = progress if step.status == "running" else ""
    return f"{mark} {step.id:<12} {step.tool:<20} {step.status:<10} {told}".rstrip()


def plan_tree(view: JobView) -> RenderableType:
    """The plan as a tree: each step hangs below the last of the steps that it needs."""
    order = list(view.steps)
    root = Tree(Text(f"{view.id}  {view.status}", style="bold"), guide_style="dim")
    branches: dict[str, Tree] = {}
    for step_id in _sorted(view):
        step = view.steps[step_id]
        parents = sorted((n for n in step.needs if n in branches), key=order.index)
        above = branches[parents[-1]] if parents else root
        branches[step_id] = above.add(_row(step, parents[:-1]))
    return Group(root)


def _sorted(view: JobView) -> list[str]:
    """Steps so that each comes after what it needs; in a faulty graph, the rest as it stands."""
    done: list[str] = []
    left = list(view.steps)
    while left:
        ready = [s for s in left if not set(view.steps[s].needs) & (set(left) - {s})] or left
        done.append(ready[0])
        left.remove(ready[0])
    return done


def _row(step: StepView, also: list[str]) -> RenderableType:
    mark, style = _MARKS.get(step.status, ("?", ""))
    row = Table.grid(padding=(0, 1))
    row.add_row(
        Text(mark, style=style),
        Text(step.id, style="bold"),
        Text(step.tool, style="cyan"),
        Text(step.about(), style="dim", overflow="ellipsis", no_wrap=True),
        Text(f"(also after {', '.join(also)})" if also else "", style="dim"),
        _bar(step),
    )
    return row


def _bar(step: StepView) -> RenderableType:
    if step.status != "running" or not step.total:
        return Text("cached" if step.status == "cached" else "", style="blue")
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=step.total, completed=step.done, width=20),
        Text(f"{step.done}/{step.total}", style="dim"),
    )
    return bar
