"""Scores of the evaluation, as pure functions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def top(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], names: NDArray[np.float32], count: int
) -> float:
    """Share of vectors (N, d) whose own name is among the `count` nearest of `names` (C, d)."""
    nearest = np.argsort(-(vectors @ names.T), axis=1)[:, :count]
    return float((nearest == labels[:, None]).any(axis=1).mean())


def says(text: str, words: Sequence[str]) -> bool:
    """Whether one of these words stands in the text; English ones whole, plural allowed."""
    low = f" {''.join(c if c.isalnum() else ' ' for c in text.lower())} "
    for word in words:
        bare = "".join(c if c.isalnum() else " " for c in word.lower())
        if not word.isascii():
            if word in text:
                return True
        elif any(f" {bare}{end} " in low for end in ("", "s", "es")):
            return True
    return False


def _tree(step: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]], words: bool) -> Any:
    """The step with its references followed, as a hashable value; ids and parameters left out."""
    ports = []
    for port, bound in sorted(step.get("inputs", {}).items()):
        items = bound if isinstance(bound, list) else [bound]
        ports.append((port, tuple(_leaf(item, steps, words) for item in items)))
    return (step["tool"], tuple(ports))


def _leaf(binding: Any, steps: Mapping[str, Mapping[str, Any]], words: bool) -> Any:
    if isinstance(binding, str):
        binding = {"text": binding}
    if "text" in binding:
        return ("text", _core(binding["text"]) if words else "")
    if "asset" in binding:
        return ("asset", binding["asset"])
    source, _, port = str(binding.get("from", "")).partition(".")
    if source not in steps:
        return ("nowhere", source)
    rest = {name: step for name, step in steps.items() if name != source}
    return ("from", port, binding.get("item"), _tree(steps[source], rest, words))


def _core(text: str) -> str:
    """The words without case, articles and punctuation."""
    kept = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return " ".join(word for word in kept if word not in ("a", "an", "the"))


def same_plan(
    made: Sequence[Mapping[str, Any]], gold: Sequence[Mapping[str, Any]], words: bool = False
) -> bool:
    """Whether two lists of steps use the same tools on the same things, in whatever order.

    References are followed to what they name, so ids do not matter. With `words`, the texts
    given to tools must be equal too, up to case, articles and punctuation.
    """
    sides = []
    for steps in (made, gold):
        by_id = {str(step.get("id")): step for step in steps}
        if len(by_id) != len(steps):
            return False
        sides.append(Counter(_tree(step, by_id, words) for step in steps))
    return sides[0] == sides[1]
