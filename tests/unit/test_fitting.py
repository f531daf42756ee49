"""The parameters of a step as the chosen model takes them."""

from dataclasses import replace
from typing import Any

import pytest

from medley.backend import ModelSpec
from medley.gate import Limits, parse_plan
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import known_models, load_catalogue
from orchestrator.fitting import filled, not_taken, out_of_range
from orchestrator.lowering import unlowered
from orchestrator.settling import Means, settle

TOOLS = toolbox()
DRAW = TOOLS["text_to_image"]
FAST = ModelSpec(
    id="fast",
    backend="diffusers",
    tools=frozenset({"text_to_image"}),
    defaults={"text_to_image.steps": 4, "speak.speed": 2.0},
    ranges={"text_to_image.steps": (1, 8), "text_to_image.guidance": (0.0, 1.0)},
)


def test_a_model_without_wishes_changes_nothing() -> None:
    plain = replace(FAST, defaults={}, ranges={})
    assert filled({"steps": 20}, DRAW, plain) == {"steps": 20}
    assert list(out_of_range({"steps": 150}, DRAW, plain, "/p")) == []


def test_the_models_defaults_are_set_where_the_plan_says_nothing() -> None:
    assert filled({}, DRAW, FAST)["steps"] == 4
    assert filled({"steps": None}, DRAW, FAST)["steps"] == 4
    assert filled({"steps": 2}, DRAW, FAST)["steps"] == 2
    assert "speed" not in filled({}, DRAW, FAST)


def test_a_default_of_the_tool_that_the_model_cannot_use_is_moved_to_the_nearest() -> None:
    assert filled({}, DRAW, FAST)["guidance"] == 1.0
    assert filled({}, DRAW, replace(FAST, defaults={}))["steps"] == 8


@pytest.mark.parametrize("value", [True, None, "many", 8, 1])
def test_what_is_no_number_or_in_the_range_is_no_fault(value: Any) -> None:
    assert list(out_of_range({"steps": value}, DRAW, FAST, "/p")) == []


EAR = ModelSpec(id="ear", backend="asr", tools=frozenset({"transcribe"}))
KEEN = replace(EAR, id="keen", extras=frozenset({"transcribe.prompt", "transcribe.words"}))
HEAR = TOOLS["transcribe"]


def test_what_only_some_models_take_is_a_fault_for_the_others() -> None:
    given = {"prompt": "Medley", "times": True, "words": True}
    faults = list(not_taken(given, HEAR, EAR, [EAR, KEEN], "/p"))
    assert [fault.pointer for fault in faults] == ["/p/prompt", "/p/words"]
    assert "keen" in faults[0].suggestion
    assert list(not_taken(given, HEAR, KEEN, [KEEN], "/p")) == []


def test_what_is_as_good_as_left_out_is_no_fault() -> None:
    given = {"prompt": "", "temperature": 0, "words": False}
    assert list(not_taken(given, HEAR, EAR, [], "/p")) == []


def test_every_extra_of_the_catalogue_is_one_of_its_tool() -> None:
    for spec in known_models(Settings()).values():
        for place in spec.extras:
            tool, _, name = place.partition(".")
            assert tool in spec.tools
            assert name in TOOLS[tool].extras


def test_a_value_out_of_range_is_refused_with_the_place_the_reason_and_what_would_do() -> None:
    models = load_catalogue(Settings())
    means = Means(tools=TOOLS, models={**models, "fast": FAST})
    step = {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"text": "a cat"}}}

    def faults(**more: Any) -> list[Any]:
        plan = parse_plan({"steps": [{**step, **more}]})
        return settle(plan, means.known({}, Limits()), means)[1]

    (fault,) = faults(model="fast", params={"steps": 20})
    assert fault.pointer == "/steps/0/params/steps"
    assert "fast takes steps from 1 to 8, got 20" in fault.reason
    assert "Use 8" in fault.suggestion
    assert faults(model="fast", params={"steps": 8}) == []
    assert faults(model="starter/generator", params={"steps": 20}) == []


def test_the_plan_that_runs_says_which_values_it_runs_with() -> None:
    means = Means(tools=TOOLS, models={**load_catalogue(Settings()), "fast": FAST})
    prompts = [{"text": "a cat"}, {"text": "a dog"}]
    steps = [
        {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": prompts[0]}, "model": "fast"},
        {"id": "s2", "tool": "text_to_image", "inputs": {"prompt": prompts}, "model": "fast",
         "map": "prompt"},
        {"id": "s3", "tool": "text_to_image", "inputs": {"prompt": prompts[0]}},
    ]  # fmt: skip
    settled, faults = settle(parse_plan({"steps": steps}), means.known({}, Limits()), means)
    assert faults == []
    of_id = {found.id: found for found in settled.steps}
    assert of_id["s1"].params == {"steps": 4, "guidance": 1.0}
    (spread,) = [found for found in settled.steps if found.tool == "spread"]
    assert spread.params["step"]["params"] == {"steps": 4, "guidance": 1.0}
    assert of_id["s3"].model == "fast"  # by its id: both are of one rank
    assert settle(unlowered(settled), means.known({}, Limits()), means) == (settled, [])
