"""Another plan for a job that has run already."""

from typing import Any

from medley.gate import Fault
from medley.plan import Plan, PlanStep
from orchestrator.revising import Ran, Revision, revise


def step(name: str, tool: str = "crop", source: str = "", **params: Any) -> dict[str, Any]:
    """A step on the asset, or on the output of another step."""
    bound = {"from": f"{source}.image"} if source else {"asset": "asset_1"}
    return {"id": name, "tool": tool, "inputs": {"image": bound}, "params": params}


def ran(data: dict[str, Any], *, error: str = "", done: bool = True) -> Ran:
    """The same step as a row."""
    return Ran(
        id=data["id"],
        tool=data["tool"],
        inputs=data["inputs"],
        params=data["params"],
        needs=frozenset(PlanStep.model_validate(data).needs()),
        done=done and not error,
        error=error,
    )


def fitted(steps: list[dict[str, Any]], *rows: Ran) -> Revision:
    """The revision; there is nothing wrong with it."""
    plan = Plan.model_validate({"steps": steps, "reply": {"show": [f"{steps[-1]['id']}.image"]}})
    found = revise(plan, rows, 2)
    assert isinstance(found, Revision)
    return found


def test_without_earlier_steps_a_plan_stays_as_it_is() -> None:
    found = fitted([step("s1"), step("s2", source="s1")])
    assert [item.id for item in found.new] == ["s1", "s2"]


def test_a_done_step_is_found_again_whatever_it_is_called_now() -> None:
    found = fitted([step("s7"), step("s8", "rotate", "s7")], ran(step("s1")))
    assert [item.id for item in found.new] == ["s8"]
    assert found.plan.step("s8").needs() == {"s1"}
    assert {item.id for item in found.plan.steps} == {"s1", "s8"}


def test_a_new_step_gets_an_id_of_its_own_and_all_that_refers_to_it_follows() -> None:
    old = ran(step("s1", left=0.5))
    found = fitted([step("s1", right=0.5), step("s2", "rotate", "s1")], old)
    assert [item.id for item in found.new] == ["s1_r2", "s2"]
    assert found.plan.step("s2").needs() == {"s1_r2"}
    assert found.plan.reply.show == ["s2.image"]


def test_what_failed_is_not_run_again_as_it_was() -> None:
    plan = Plan.model_validate({"steps": [step("s1"), step("s2", "rotate", "s1")]})
    rows = (ran(step("s1")), ran(step("s2", "rotate", "s1"), error="no room"))
    found = revise(plan, rows, 2)
    assert isinstance(found, list)
    assert [(type(item), item.pointer) for item in found] == [(Fault, "/steps/1")]
    assert "no room" in found[0].reason


def test_a_step_that_was_skipped_may_stand_in_the_next_plan() -> None:
    rows = (ran(step("s1"), error="no room"), ran(step("s2", "rotate", "s1"), done=False))
    found = fitted([step("s1", scale=0.5), step("s2", "rotate", "s1")], *rows)
    assert [item.id for item in found.new] == ["s1_r2", "s2_r2"]


def each(name: str, spread: str, *, left: float = 0.0) -> list[dict[str, Any]]:
    """A step that crops each picture of a list, as lowering writes it."""
    bound = {"from": "s1.images"}
    crop = {"id": name, "tool": "crop", "map": "image", "inputs": {"image": bound}}
    crop["params"] = {"left": left}
    items = {"id": spread, "tool": "spread", "inputs": {"items": bound}, "params": {"step": crop}}
    gather = {"id": name, "tool": "gather", "inputs": {}, "after": [spread]}
    gather["params"] = {"of": name, "ports": ["image"]}
    return [{**items, "after": ["s1"]}, gather]


FRAMES = {"id": "s1", "tool": "extract_frames", "inputs": {"video": {"asset": "v"}}, "params": {}}


def test_what_ran_for_each_item_is_kept_whatever_it_is_called_now() -> None:
    rows = [ran(FRAMES), *(ran(item) for item in each("s2", "s2_each1"))]
    found = fitted([FRAMES, *each("s5", "s5_each1"), step("s6", "rotate", "s5")], *rows)
    assert [item.id for item in found.new] == ["s6"]
    assert found.plan.step("s6").needs() == {"s2"}


def test_what_is_to_run_otherwise_for_each_item_is_new_under_its_own_names() -> None:
    rows = [ran(FRAMES), *(ran(item) for item in each("s2", "s2_each1"))]
    found = fitted([FRAMES, *each("s2", "s2_each1", left=0.5)], *rows)
    assert [item.id for item in found.new] == ["s2_each1_r2", "s2_r2"]
    assert found.plan.step("s2_each1_r2").params["step"]["id"] == "s2_r2"
    assert found.plan.step("s2_r2").params["of"] == "s2_r2"
    assert found.plan.step("s2_r2").needs() == {"s2_each1_r2"}


def test_items_that_failed_are_added_anew() -> None:
    spread, gather = each("s2", "s2_each1")
    rows = [ran(FRAMES), ran(spread), ran(gather, done=False)]
    found = fitted([FRAMES, *each("s2", "s2_each1")], *rows)
    assert [item.id for item in found.new] == ["s2_each1_r2", "s2_r2"]
