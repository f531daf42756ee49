"""Measures the starter hub: right tools and right references of plans on requests in other words
than the training's.

Two plans are equal when they have the same steps reading the same things, whatever the order of
independent steps; text arguments count apart (exact, without blanks at the ends), parameters not at
all.

    python -m starter.hub_eval [FOLDER]
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec, Request
from starter.concepts import HERE
from starter.tools import starter_tools

HELD_OUT = HERE / "heldout_requests.jsonl"
WEIGHTS = HERE / "weights" / "hub"


class Silent:
    """A control that never stops anything."""

    scratch = Path()

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Nothing."""

    def delta(self, text: str, place: int = 0) -> None:
        """Nothing."""

    def stopped(self, place: int) -> bool:
        """Never."""
        return False


@dataclass
class Score:
    """Counts of one language."""

    total: int = 0
    right: int = 0
    texts: int = 0
    right_texts: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def accuracy(self) -> float:
        """Share of plans with right tools and references."""
        return self.right / max(self.total, 1)


def load_requests(path: Path = HELD_OUT) -> list[dict[str, Any]]:
    """The held-out requests: id, language, request, assets, plans (any of which is right)."""
    return [
        json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]


def signature(steps: Sequence[dict[str, Any]], *, texts: bool = False) -> Counter[str]:
    """A plan as a bag of steps in which references are replaced by what they refer to."""
    known: dict[str, str] = {}

    def bound(binding: Any) -> Any:
        if isinstance(binding, list):
            return [bound(item) for item in binding]
        if "from" in binding:
            step, _, port = binding["from"].partition(".")
            return f"{known.get(step, '?')}.{port}"
        return binding.get("asset") or (
            "text:" + binding["text"].strip().lower() if texts else "text"
        )

    for step in steps:
        inputs = {name: bound(item) for name, item in sorted(step["inputs"].items())}
        known[step["id"]] = json.dumps([step["tool"], inputs], ensure_ascii=False)
    return Counter(known.values())


def load_hub(folder: Path) -> Any:
    """The hub in this folder."""
    from hub.local import LocalHub

    hub = LocalHub()
    hub.load(
        ModelSpec(
            id="starter/hub", backend="transformers", tools=LocalHub.tools, source=str(folder)
        ),
        "cpu",
    )
    return hub


def plan_all(hub: Any, requests: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]] | None]:
    """The steps that the hub plans for each request; None where it failed."""
    names = list(starter_tools())
    batch = [
        Request(
            tool="plan",
            inputs={"task": {"request": item["request"], "assets": item["assets"], "tools": names}},
            params={},
        )
        for item in requests
    ]
    return [
        None if result.error else result.outputs["plan"]["steps"]
        for result in hub.run(batch, Silent())
    ]


def score(
    requests: Sequence[dict[str, Any]], plans: Iterable[list[dict[str, Any]] | None]
) -> dict[str, Score]:
    """Counts by language."""
    scores = {"en": Score(), "zh": Score()}
    for item, steps in zip(requests, plans, strict=True):
        found = scores[item["language"]]
        found.total += 1
        found.texts += 1
        if steps is None:
            found.wrong.append(item["id"])
            continue
        if any(signature(steps) == signature(gold) for gold in item["plans"]):
            found.right += 1
        else:
            found.wrong.append(item["id"])
        found.right_texts += any(
            signature(steps, texts=True) == signature(gold, texts=True) for gold in item["plans"]
        )
    return scores


def measure(folder: Path = WEIGHTS) -> dict[str, float]:
    """Plan accuracy in both languages, exact with texts too, and tokens per second of one request
    at a time.
    """
    hub = load_hub(folder)
    requests = load_requests()
    scores = score(requests, plan_all(hub, requests))
    result = {f"plan_{language}": found.accuracy for language, found in scores.items()}
    result |= {
        f"plan_with_texts_{language}": found.right_texts / max(found.texts, 1)
        for language, found in scores.items()
    }
    result["tokens_per_second"] = speed(hub, requests[:20])
    return result


def speed(hub: Any, requests: Sequence[dict[str, Any]]) -> float:
    """Plan tokens per second, one request after the other."""
    names = list(starter_tools())
    start, tokens = time.perf_counter(), 0.0
    for item in requests:
        task = {"request": item["request"], "assets": item["assets"], "tools": names}
        (result,) = hub.run([Request(tool="plan", inputs={"task": task}, params={})], Silent())
        tokens += result.usage.get("output_tokens", 0.0)
    return tokens / (time.perf_counter() - start)


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS), indent=2))
