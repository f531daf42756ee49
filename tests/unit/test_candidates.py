"""Best of several: candidates, their judge, and who reads the chosen one."""

from dataclasses import replace
from typing import Any

import pytest

from medley.backend import ModelSpec
from medley.gate import Known, check
from medley.modality import Modality
from medley.plan import AssetBinding, Plan, PlanStep, TextBinding
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.candidates import Candidates
from orchestrator.catalogue import load_catalogue
from orchestrator.lowering import lower, unlowered
from orchestrator.redrawing import next_round
from orchestrator.routing import Policy

TOOLS = toolbox()
KNOWN = Known(tools=TOOLS.planned())
PLAN = Plan.model_validate(
    {
        "steps": [
            {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": "a cat"}},
            {"id": "s2", "tool": "resize", "inputs": {"image": {"from": "s1.image"}}},
        ],
        "reply": {"show": ["s1.image", "s2.image"]},
    }
)


def test_each_candidate_has_its_own_seed_and_the_chosen_one_is_read_and_shown() -> None:
    plan = Candidates(number=3, seed=7).apply(PLAN, TOOLS)
    assert [step.id for step in plan.steps] == ["s1", "s1_2", "s1_3", "judge_s1", "s2"]
    assert [step.params["seed"] for step in plan.steps[:3]] == [7, 8, 9]
    assert plan.step("s2").needs() == {"judge_s1"}
    assert plan.reply.show == ["judge_s1.best", "s2.image"]
    assert check(plan, KNOWN) == []


def test_what_is_judged_already_is_left_alone() -> None:
    once = Candidates(number=3).apply(PLAN, TOOLS)
    assert Candidates(number=3).apply(once, TOOLS) == once


@pytest.mark.parametrize("wanted", [Candidates(), Candidates.of({}), Candidates.of({"seed": 1})])
def test_nothing_changes_where_one_is_enough(wanted: Candidates) -> None:
    assert wanted.apply(PLAN, TOOLS) is PLAN


def test_a_threshold_alone_wants_a_judge_of_one_candidate() -> None:
    plan = Candidates.of({"min_score": 0.3}).apply(PLAN, TOOLS)
    assert [step.id for step in plan.steps] == ["s1", "judge_s1", "s2"]
    assert plan.step("judge_s1").params == {"threshold": 0.3}


def test_the_judge_reads_embeddings_of_one_space() -> None:
    plan = Candidates(number=2).apply(PLAN, TOOLS)
    lowered, faults = lower(plan, KNOWN, load_catalogue(Settings()), Policy())
    assert faults == []
    judge: dict[str, Any] = lowered.step("judge_s1").model_dump(by_alias=True)["inputs"]
    sources = [judge["request"]["from"], *(item["from"] for item in judge["vectors"])]
    embeds = [lowered.step(name.partition(".")[0]) for name in sources]
    assert {(step.tool, step.model) for step in embeds} == {("embed", "starter/encoder")}
    assert len(set(sources)) == 3


def test_a_drawing_for_each_item_of_a_list_is_not_multiplied() -> None:
    words = [{"text": "a cat"}, {"text": "a dog"}]
    step = {"id": "s1", "tool": "text_to_image", "map": "prompt", "inputs": {"prompt": words}}
    plan = Plan.model_validate({"steps": [step]})
    assert Candidates(number=2).apply(plan, TOOLS).steps == plan.steps


def test_what_is_drawn_from_a_drawing_is_judged_by_the_chosen_one() -> None:
    again = {
        "id": "s2",
        "tool": "embedding_to_image",
        "inputs": {"embedding": {"from": "s1.image"}},
    }
    first = {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": "a cat"}}
    plan = Candidates(number=2).apply(Plan.model_validate({"steps": [first, again]}), TOOLS)
    assert plan.step("s2").needs() == plan.step("s2_2").needs() == {"judge_s1"}
    assert plan.step("judge_s2").needs() == {"judge_s1", "s2", "s2_2"}
    assert plan.step("judge_s1").needs() == {"s1", "s1_2"}


def redrawing(number: int = 2) -> Plan:
    """A drawing that is made again, lowered."""
    plan = Candidates(number=number, threshold=0.9, redraws=2, seed=7).apply(PLAN, TOOLS)
    lowered, faults = lower(plan, KNOWN, load_catalogue(Settings()), Policy())
    assert faults == []
    return lowered


def test_a_judge_that_may_have_it_redrawn_looks_twice() -> None:
    lowered = redrawing()
    look, judge = lowered.step("judge_s1_round1"), lowered.step("judge_s1")
    assert (look.tool, look.params["left"], look.params["step"]["id"]) == ("redraw", 2, "s1_2")
    assert judge.needs() >= {"judge_s1_round1"}
    assert "redraws" not in judge.params
    assert lowered.step("s2").needs() == {"judge_s1"}


def test_the_next_round_draws_with_the_next_seed() -> None:
    look = redrawing().step("judge_s1_round1")
    given = [PlanStep.model_validate(look.params[name]) for name in ("step", "see")]
    request = AssetBinding(asset="asset_r")
    drawing, seen, again = next_round(look, given[0], given[1], request)
    assert (again.id, again.params["left"], again.params["number"]) == ("judge_s1_round2", 1, 2)
    assert drawing.params["seed"] == 9
    assert again.needs() == {drawing.id, seen.id}
    third = next_round(again, drawing, seen, request)
    assert (third[2].id, third[0].params["seed"]) == ("judge_s1_round3", 10)


def test_where_a_model_looks_at_words_and_pictures_together_it_scores_the_candidates() -> None:
    matcher = ModelSpec(id="itm", backend="matching", tools=frozenset({"match"}))
    models = {**load_catalogue(Settings()), "itm": matcher}
    plan = Candidates(number=2, threshold=0.5, redraws=1, seed=7).apply(PLAN, TOOLS)
    lowered, faults = lower(plan, KNOWN, models, Policy())
    assert faults == []
    look = lowered.step("judge_s1_round1")
    matches = [step.id for step in lowered.steps if step.tool == "match"]
    assert look.needs() == {"s1", "s1_2", *matches}
    assert "vectors" not in look.inputs
    step, see = (PlanStep.model_validate(look.params[name]) for name in ("step", "see"))
    drawing, seen, again = next_round(look, step, see, TextBinding(text="a cat"))
    assert (seen.tool, seen.inputs["text"]) == ("match", TextBinding(text="a cat"))
    assert again.needs() == {drawing.id, seen.id}
    assert check(unlowered(lowered), replace(KNOWN, tools=TOOLS.planned())) == []


def test_what_was_lowered_with_redraws_can_be_lowered_again() -> None:
    lowered = redrawing()
    plain = unlowered(lowered)
    assert [step.tool for step in plain.steps].count("judge") == 1
    assert plain.step("judge_s1").params["redraws"] == 2
    again, faults = lower(plain, KNOWN, load_catalogue(Settings()), Policy())
    assert faults == []
    assert {step.id for step in again.steps} >= {"judge_s1_round1", "judge_s1", "s2"}


def test_without_a_seed_of_its_own_nothing_is_redrawn() -> None:
    picture = {"asset": "a1"}
    step = {
        "id": "s1",
        "tool": "judge",
        "inputs": {"candidates": [picture], "request": {"text": "a cat"}},
        "params": {"threshold": 0.9, "redraws": 3},
    }
    known = Known(tools=TOOLS.planned(), assets={"a1": Modality.IMAGE})
    plan = Plan.model_validate({"steps": [step]})
    lowered, faults = lower(plan, known, load_catalogue(Settings()), Policy())
    assert faults == []
    assert "redraw" not in [found.tool for found in lowered.steps]
