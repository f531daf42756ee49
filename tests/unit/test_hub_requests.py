"""The requests that the starter hub learns from: plans can run, and none is held out."""

import itertools

from medley.gate import Known, check, parse_plan
from medley.modality import Modality
from medley.toolset import toolbox
from starter.hub_data import held_out_requests, normal, plan_pieces
from starter.hub_eval import load_requests, signature
from starter.requests_compose import stream

TOOLS = toolbox().planned()


def faults(steps: list[dict[str, object]], assets: list[dict[str, str]]) -> list[object]:
    """What the gate says."""
    known = Known(tools=TOOLS, assets={item["id"]: Modality(item["modality"]) for item in assets})
    return list(check(parse_plan({"steps": steps}), known))


def test_every_synthetic_plan_passes_the_gate() -> None:
    for sample in itertools.islice(stream(1), 300):
        assert faults(sample.steps, sample.assets) == []


def test_every_text_of_a_synthetic_plan_stands_in_its_request() -> None:
    for sample in itertools.islice(stream(2), 200):
        for step in sample.steps:
            for binding in step["inputs"].values():
                if isinstance(binding, dict) and "text" in binding:
                    assert binding["text"] in sample.request


def test_held_out_requests_have_right_plans_that_pass_the_gate() -> None:
    requests = load_requests()
    assert sum(item["language"] == "en" for item in requests) == 200
    assert sum(item["language"] == "zh" for item in requests) == 100
    for item in requests:
        for plan in item["plans"]:
            assert faults(plan, item["assets"]) == []


def test_held_out_requests_are_told_by_their_words_alone() -> None:
    held_out = held_out_requests()
    assert normal(load_requests()[0]["request"].upper() + "!!") in held_out


def test_plans_that_differ_in_the_order_of_independent_steps_are_equal() -> None:
    first = {"id": "s1", "tool": "describe", "inputs": {"media": {"asset": "a1"}}}
    second = {"id": "s2", "tool": "describe", "inputs": {"media": {"asset": "a2"}}}
    turned = [{**second, "id": "s1"}, {**first, "id": "s2"}]
    assert signature([first, second]) == signature(turned)
    assert signature([first]) != signature([second])


def test_a_plan_is_cut_into_the_pieces_of_its_grammar() -> None:
    steps = [{"id": "s1", "tool": "speak", "inputs": {"text": {"text": "hi"}}}]
    assert plan_pieces(steps) == [
        '{"steps":[',
        '{"id":"s1","tool":"speak","inputs":{"text":{"text":"hi"}}}',
        "]}",
    ]
