"""A job while it runs: a live tree on a terminal, else lines; in a notebook, its steps."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from importlib import import_module
from typing import Any

from medley.client.view import JobView, StepView


@contextmanager
def shown(job: Any) -> Iterator[Callable[[JobView], None]]:
    """What is to be called whenever more is known of the job."""
    if "ipykernel" in sys.modules:
        yield _in_notebook(job)
        return
    from medley.client.drawing import display

    with display() as drawn:
        yield drawn.show


def _in_notebook(job: Any) -> Callable[[JobView], None]:
    shell = import_module("IPython.display")  # there wherever ipykernel is
    place = shell.display(shell.HTML(""), display_id=True)

    def show(view: JobView) -> None:
        if job.ended or job.question is not None:
            place.update(shell.HTML(job._repr_html_()))
            return
        plan = "".join(_line(step) for step in view.steps.values())
        head = f"{escape(view.id)} {escape(view.status)}"
        place.update(shell.HTML(f"{head}<ul>{plan}</ul>"))

    return show


def _line(step: StepView) -> str:
    bar = f'<progress value="{step.done}" max="{step.total}"></progress>' if step.total else ""
    return f"<li>{escape(step.tool)} <code>{escape(step.status)}</code> {bar}</li>"
