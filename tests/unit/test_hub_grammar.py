"""The grammar of plans: it leaves nothing but plans that pass the gate."""

import json
import random
from typing import Any

import jsonschema
import pytest

from hub.decoding import PlanGuide
from hub.grammar import PlanGrammar, Words, chunks
from hub.schema import plan_schema, reply_schema
from medley.errors import BackendError
from medley.gate import Known, check, parse_plan
from medley.tasks import AnswerFacts, KnownAsset
from medley.toolset import toolbox

TOOLS = toolbox().planned()
ASSETS = [
    KnownAsset(id="a1", modality="image"),
    KnownAsset(id="a2", modality="audio"),
    KnownAsset(id="a3", modality="video"),
]
KNOWN = Known(tools=TOOLS, assets={asset.id: asset.modality for asset in ASSETS})


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """Bytes as tokens."""
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def wander(tokenizer: Any, grammar: PlanGrammar, seed: int) -> dict[str, Any]:
    """A plan by a writer that picks any allowed byte."""
    import torch
    from llguidance.torch import allocate_token_bitmask

    rng = random.Random(seed)
    guide = PlanGuide(tokenizer, grammar)
    while not guide.done:
        bitmask = allocate_token_bitmask(1, tokenizer.vocab_size)
        guide.mask(bitmask, 0)
        words = bitmask[0].to(torch.int64)
        allowed = [k for k in range(tokenizer.vocab_size) if words[k // 32] >> (k % 32) & 1]
        # Closing early keeps a wanderer's plans short.
        closing = [token for token in allowed if token in b'"}]']
        guide.take(rng.choice(closing if closing and rng.random() < 0.3 else allowed))
    return dict(json.loads(guide.text))


@pytest.mark.parametrize("source", [None, 'Draw "a red cat"\n, then\\ say 你好'])
def test_whatever_is_written_under_the_grammar_passes_the_gate(
    tokenizer: Any, source: str | None
) -> None:
    words = Words(source=source, limit=12)
    for seed in range(12):
        plan = wander(tokenizer, PlanGrammar(TOOLS, ASSETS, words, max_steps=4), seed)
        assert check(parse_plan(plan), KNOWN) == []


def test_quotations_are_made_of_the_request_alone(tokenizer: Any) -> None:
    grammar = PlanGrammar(TOOLS.only(["speak"]), [], Words(source="say good morning"), max_steps=2)
    plans = [wander(tokenizer, grammar_copy(grammar), seed) for seed in range(8)]
    said = [step["inputs"]["text"].get("text") for plan in plans for step in plan["steps"]]
    assert any(said)
    assert all(text is None or text in "say good morning" for text in said)


def grammar_copy(grammar: PlanGrammar) -> PlanGrammar:
    """A fresh grammar of the same request."""
    return PlanGrammar(grammar.tools, grammar.assets, grammar.words, grammar.max_steps)


def test_a_tool_whose_input_nothing_fits_cannot_be_chosen() -> None:
    assert "concat_video" not in PlanGrammar(TOOLS, ASSETS[:2]).next()
    assert "concat_video" in PlanGrammar(TOOLS, ASSETS).next()


def test_an_embedding_port_takes_media_only_while_embed_is_live() -> None:
    alone = TOOLS.only(["embedding_to_image"])
    assert "embedding_to_image" not in PlanGrammar(alone, ASSETS).next()
    both = TOOLS.only(["embedding_to_image", "embed"])
    assert '{\\"asset\\":\\"a2\\"}' in PlanGrammar(both, ASSETS).next()


def test_a_list_of_media_is_not_embedded_whole() -> None:
    grammar = PlanGrammar(TOOLS.only(["search", "embed", "embed_combine", "collage"]), ASSETS)
    grammar.add({"id": "s1", "tool": "search", "inputs": {"query": {"asset": "a1"}}})
    rules = dict(line.split(": ", 1) for line in grammar.next().splitlines())
    whole = '{\\"from\\":\\"s1.assets\\"}'
    places = {name: place for place, name in enumerate(grammar.tools)}
    assert whole not in rules[f"l_{places['embed_combine']}_0"]
    assert whole not in rules[f"l_{places['collage']}_0"]  # it may hold sounds


def test_steps_that_are_added_for_embeddings_count_against_the_budget(tokenizer: Any) -> None:
    for seed in range(6):
        grammar = PlanGrammar(
            TOOLS.only(["embed", "embed_combine", "describe", "search"]),
            ASSETS,
            Words(limit=4),
            budget=5,
        )
        plan = wander(tokenizer, grammar, seed)
        read = [
            json.dumps(item)
            for step in plan["steps"]
            if step["tool"] != "embed"
            for bound in step["inputs"].values()
            for item in (bound if isinstance(bound, list) else [bound])
        ]
        searched = any(step["tool"] == "search" for step in plan["steps"])
        assert len(plan["steps"]) + len(set(read)) + searched <= 5


def test_words_hold_no_control_characters(tokenizer: Any) -> None:
    grammar = PlanGrammar(TOOLS.only(["speak"]), [], Words(limit=6), max_steps=1)
    guide = PlanGuide(tokenizer, grammar)
    for token in b'{"steps":[{"id":"s1","tool":"speak","inputs":{"text":{"text":"':
        guide.take(token)
    guide.take(ord("\\"))
    with pytest.raises(BackendError):
        guide.take(ord("u"))


def test_later_steps_see_what_earlier_ones_give() -> None:
    grammar = PlanGrammar(TOOLS.only(["describe", "speak", "embed"]), ASSETS)
    assert "s1.text" not in grammar.next()
    grammar.add({"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "a1"}}})
    assert "s1.text" in grammar.next()


def test_chunks_are_words_characters_and_whole_escapes() -> None:
    assert chunks('a big "猫"\n') == ["a", " ", "big", " ", '\\"', "猫", '\\"', "\\n"]


def test_the_schema_takes_a_good_plan_and_refuses_a_wrong_asset() -> None:
    schema = plan_schema(TOOLS, ASSETS, max_steps=8)
    plan = {
        "steps": [
            {"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "a1"}}},
            {"id": "s2", "tool": "speak", "inputs": {"text": {"from": "s1.text"}}},
        ],
        "reply": {"show": ["s2.audio"]},
    }
    jsonschema.validate(plan, schema)
    wrong = json.loads(json.dumps(plan).replace("a1", "a9"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_no_schema_bounds_a_string_by_its_length() -> None:
    facts = AnswerFacts(request="x", assets=ASSETS)
    for schema in (plan_schema(TOOLS, ASSETS, 8), reply_schema(facts)):
        assert "maxLength" not in json.dumps(schema)
