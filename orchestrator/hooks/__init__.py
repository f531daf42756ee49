"""Hooks of the tools that need the database, by tool."""

from collections.abc import Mapping

from medley.backend import ModelSpec
from medley.tools import Toolbox
from orchestrator.hooks.align import AlignHook
from orchestrator.hooks.answer import AnswerHook
from orchestrator.hooks.base import Hook, Prepared
from orchestrator.hooks.chat import ChatHook
from orchestrator.hooks.each import GatherHook, SpreadHook
from orchestrator.hooks.index import IndexHook
from orchestrator.hooks.judge import JudgeHook
from orchestrator.hooks.plan import PlanHook
from orchestrator.hooks.redraw import RedrawHook
from orchestrator.hooks.search import SearchHook

__all__ = ["Hook", "Prepared", "hooks"]


def hooks(tools: Toolbox, models: Mapping[str, ModelSpec]) -> dict[str, Hook]:
    """All hooks of an installation."""
    return {
        "plan": PlanHook(tools, models),
        "answer": AnswerHook(),
        "chat": ChatHook(),
        "index": IndexHook(models),
        "search": SearchHook(),
        "judge": JudgeHook(),
        "align": AlignHook(models),
        "redraw": RedrawHook(tools),
        "spread": SpreadHook(tools, models),
        "gather": GatherHook(),
    }
