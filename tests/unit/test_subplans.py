"""Workflows as steps: declared as tools, written out into their own steps."""

from typing import Any

import pytest

from medley.gate import Known, check
from medley.modality import Modality
from medley.plan import Plan, Workflow
from medley.toolset import toolbox
from orchestrator.subplans import inline, shown, uses_flows, with_flows

POSTCARD = Workflow.model_validate(
    {
        "name": "Postcard",
        "about": "A drawing with words on it.",
        "inputs": {
            "thing": {"modality": "text", "about": "What to draw."},
            "words": {"modality": "text", "required": False, "default": "Hello"},
        },
        "plan": {
            "steps": [
                {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"input": "thing"}}},
                {
                    "id": "s2",
                    "tool": "caption",
                    "inputs": {"image": {"from": "s1.image"}, "text": {"input": "words"}},
                },
            ],
            "reply": {"show": ["s2.image"]},
        },
    }
)
PAIR = Workflow.model_validate(
    {
        "name": "Pair",
        "inputs": {"things": {"modality": "text", "many": True}},
        "plan": {
            "steps": [
                {"id": "a", "tool": "flow.postcard", "inputs": {"thing": {"text": "a cat"}}},
                {"id": "b", "tool": "flow.postcard", "inputs": {"thing": {"text": "a dog"}}},
                {
                    "id": "c",
                    "tool": "collage",
                    "inputs": {"images": [{"from": "a.image"}, {"from": "b.image"}]},
                },
            ],
            "reply": {"show": ["a.image", "c.image"]},
        },
    }
)
FLOWS = {"flow.postcard": POSTCARD, "flow.pair": PAIR}
TOOLS = with_flows(toolbox().planned(), FLOWS)


def plan(*steps: dict[str, Any], show: tuple[str, ...] = ()) -> Plan:
    return Plan.model_validate({"steps": list(steps), "reply": {"show": list(show)}})


def card(name: str = "p", **changes: Any) -> dict[str, Any]:
    step = {"id": name, "tool": "flow.postcard", "inputs": {"thing": {"text": "a cat"}}}
    return {**step, **changes}


def test_a_workflow_is_declared_with_its_own_inputs_and_outputs() -> None:
    tool = TOOLS["flow.postcard"]
    assert {name: port.required for name, port in tool.inputs.items()} == {
        "thing": True,
        "words": False,
    }
    assert {name: port.accepts for name, port in tool.outputs.items()} == {
        "image": frozenset({Modality.IMAGE})
    }
    assert shown(PAIR) == {"a_image": "a.image", "c_image": "c.image"}


def test_a_step_becomes_the_steps_of_its_workflow_and_readers_follow() -> None:
    turned = {"id": "t", "tool": "rotate", "inputs": {"image": {"from": "p.image"}}}
    given = plan(card(), turned, show=("p.image", "t.image"))
    assert check(given, Known(tools=TOOLS)) == []
    found, faults = inline(given, FLOWS)
    assert faults == []
    assert [(step.id, step.tool) for step in found.steps] == [
        ("p_s1", "text_to_image"),
        ("p_s2", "caption"),
        ("t", "rotate"),
    ]
    assert found.step("t").needs() == {"p_s2"}
    assert found.reply.show == ["p_s2.image", "t.image"]
    words = found.step("p_s2").inputs["text"]
    assert words.model_dump() == {"text": "Hello"}  # type: ignore[union-attr]
    assert check(found, Known(tools=toolbox().planned())) == []


def test_workflows_may_use_workflows() -> None:
    step = {"id": "x", "tool": "flow.pair", "inputs": {"things": [{"text": "a"}]}}
    found, faults = inline(plan(step, show=("x.c_image",)), FLOWS)
    assert faults == []
    assert [step.id for step in found.steps] == ["x_a_s1", "x_a_s2", "x_b_s1", "x_b_s2", "x_c"]
    assert found.reply.show == ["x_c.image"]
    assert not uses_flows(found)
    assert check(found, Known(tools=toolbox().planned())) == []


def test_what_waits_for_a_workflow_waits_for_all_of_it() -> None:
    after = {"id": "z", "tool": "speak", "inputs": {"text": {"text": "done"}}, "after": ["p"]}
    found, _ = inline(plan(card(), after), FLOWS)
    assert found.step("z").needs() == {"p_s1", "p_s2"}


@pytest.mark.parametrize(
    ("step", "pointer"),
    [
        (card(inputs={}), "/steps/0/inputs"),
        (
            card(inputs={"thing": "x", "colour": "red"}),
            "/steps/0/inputs/colour",
        ),
        (card(tool="flow.nothing"), "/steps/0/tool"),
        (card(params={"seed": 1}), "/steps/0/params/seed"),
    ],
)
def test_a_workflow_is_checked_like_any_tool(step: dict[str, Any], pointer: str) -> None:
    assert [fault.pointer for fault in check(plan(step), Known(tools=TOOLS))] == [pointer]


def test_workflows_that_use_each_other_in_a_circle_are_refused() -> None:
    circle = {"id": "s1", "tool": "flow.circle", "inputs": {}}
    document = {"name": "Circle", "plan": {"steps": [circle]}}
    _, faults = inline(plan(circle), {"flow.circle": Workflow.model_validate(document)})
    assert [fault.pointer for fault in faults] == ["/steps/0/tool"]
    assert "deep" in faults[0].reason


def test_a_workflow_of_tools_that_are_not_there_is_no_tool() -> None:
    assert set(with_flows(toolbox().only(["collage"]), FLOWS)) == {"collage"}
