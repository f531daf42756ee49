"""Training rows of the starter hub: prompt, wanted answer, and which tokens count.

A plan is written step by step, each encoded on its own, as the decoder's grammar changes at each
step.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hub.compact import answer_prompt, plan_prompt
from medley.plain import language_of, sayings, to_show
from medley.tasks import AnswerFacts, KnownAsset, PlanTask, StepFact
from medley.toolset import toolbox
from starter.concepts import load_concepts
from starter.hub_tokenizer import as_piece
from starter.requests import Sample
from starter.requests_compose import generate
from starter.written import load


@dataclass(frozen=True)
class Row:
    """Token ids, and from where on they are the hub's own words."""

    ids: list[int]
    start: int


def dumps(value: Any) -> str:
    """JSON as the grammar writes it: no blanks, no escapes but the needed ones."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def plan_pieces(steps: Sequence[dict[str, Any]]) -> list[str]:
    """A plan as the pieces between which the grammar changes."""
    pieces = ['{"steps":[']
    for place, step in enumerate(steps):
        pieces += [","] if place else []
        pieces.append(dumps(_ordered(step)))
    return [*pieces, "]}"]


def _ordered(step: dict[str, Any]) -> dict[str, Any]:
    tool = toolbox()[step["tool"]]
    ordered = {
        "id": step["id"],
        "tool": step["tool"],
        "inputs": {name: step["inputs"][name] for name in tool.inputs if name in step["inputs"]},
    }
    params = step.get("params") or {}
    if params:
        ordered["params"] = {
            name: params[name] for name in tool.params.model_fields if name in params
        }
    return ordered


def plan_row(tokenizer: Any, sample: Sample) -> Row:
    """A request and its plan."""
    task = PlanTask(request=sample.request, assets=[KnownAsset(**asset) for asset in sample.assets])
    prompt = as_piece(tokenizer, plan_prompt(task))
    target = [token for piece in plan_pieces(sample.steps) for token in as_piece(tokenizer, piece)]
    return Row([*prompt, *target, tokenizer.eos_token_id], len(prompt))


def answer_row(tokenizer: Any, rng: random.Random, sample: Sample) -> Row:
    """Facts and one of the true replies in the request's language."""
    facts = facts_of(rng, sample)
    language = language_of(facts.request)
    prompt = as_piece(tokenizer, answer_prompt(facts))
    parts = [rng.choice(options) for options in sayings(facts, language)]
    pieces = ['{"text":"']
    for place, part in enumerate(parts):
        pieces.append(dumps((" " if place else "") + part)[1:-1])
    pieces.append(f'","show":{dumps(to_show(facts))}}}')
    target = [token for piece in pieces for token in as_piece(tokenizer, piece)]
    return Row([*prompt, *target, tokenizer.eos_token_id], len(prompt))


def facts_of(rng: random.Random, sample: Sample) -> AnswerFacts:
    """What might have become of the steps of a sample."""
    assets = [KnownAsset(**asset) for asset in sample.assets]
    concepts = load_concepts()
    steps = []
    for step in sample.steps:
        outputs = toolbox()[step["tool"]].outputs
        name, port = next(iter(outputs.items()))
        modality = sorted(port.accepts)[0]
        failed = rng.random() < 0.12
        fact = StepFact(
            id=step["id"],
            tool=step["tool"],
            status="failed" if failed else "succeeded",
            about=_about(step),
        )
        if failed:
            fact.error = rng.choice(
                (
                    "The file is too long.",
                    "There is no such voice.",
                    "The device has no room for this.",
                )
            )
        elif name == "text":
            fact.text = rng.choice(concepts).name
        else:
            made = KnownAsset(id=f"a{len(assets) + 1}", modality=modality, step=step["id"])
            assets.append(made)
            fact.assets = [made.id]
        steps.append(fact)
    return AnswerFacts(request=sample.request, assets=assets, steps=steps)


def _about(step: dict[str, Any]) -> dict[str, Any]:
    def short(bound: Any) -> Any:
        return (
            [short(item) for item in bound]
            if isinstance(bound, list)
            else next(iter(bound.values()))
        )

    return {name: short(bound) for name, bound in step["inputs"].items()}


def text_rows(
    tokenizer: Any, seed: int, chinese: float = 0.4, answers: float = 0.06, by_hand: float = 0.3
) -> Iterator[Row]:
    """Plans and some answers, without end; a share of the requests was written by hand. Held-out
    requests never come up.
    """
    rng = random.Random(seed)
    held_out = held_out_requests()
    kept = [item for item in load() if normal(item.sample().request) not in held_out]
    written = {name: [item for item in kept if item.language == name] for name in ("en", "zh")}
    while True:
        language = "zh" if rng.random() < chinese else "en"
        if written[language] and rng.random() < by_hand:
            sample = rng.choice(written[language]).sample(rng)
        else:
            sample = generate(rng, language)
        if normal(sample.request) in held_out:
            continue
        row = (
            answer_row(tokenizer, rng, sample)
            if rng.random() < answers
            else plan_row(tokenizer, sample)
        )
        if len(row.ids) <= 256:
            yield row


def held_out_requests() -> set[str]:
    """The held-out requests, in normal form, to keep them out of training."""
    from starter.concepts import HERE

    files = sorted(HERE.glob("heldout_requests*.jsonl"))
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return {normal(json.loads(line)["request"]) for line in lines}


def normal(request: str) -> str:
    """A request without case, blanks and punctuation."""
    return "".join(char for char in request.lower() if char.isalnum())
