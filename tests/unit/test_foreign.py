"""Plans in the shapes that models really write: read where that is certain, never dropped."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medley.foreign import normalise
from medley.foreign_values import read_json
from medley.gate import Fault, Known, check, parse_plan
from medley.modality import Modality
from medley.plan import Plan
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import load_catalogue
from orchestrator.planner import PlanRequest, Refused, judge
from orchestrator.register import Entry, Register

KNOWN = Known(tools=toolbox().planned(), assets={"a1": Modality.IMAGE, "a2": Modality.AUDIO})
DRAW = {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"text": "a cat"}}}
TURN = {"id": "s2", "tool": "rotate", "inputs": {"image": {"from": "s1.image"}}}


def read(data: Any) -> list[dict[str, Any]]:
    plan = parse_plan(normalise(data, KNOWN))
    assert check(plan, KNOWN) == []
    return [
        {name: value for name, value in step.items() if value} for step in plan.to_json()["steps"]
    ]


@pytest.mark.parametrize(
    "data",
    [
        {"steps": [DRAW, TURN]},
        [DRAW, TURN],
        {"plan": {"steps": [DRAW, TURN]}},
        {"plan": json.dumps([DRAW, TURN])},
        {"tasks": {"s1": DRAW, "s2": TURN}},
        "Here is the plan:\n```json\n" + json.dumps({"steps": [DRAW, TURN]}) + "\n```\nDone {ok}.",
        {"steps": [DRAW, {**TURN, "inputs": {"image": "s1"}}]},
        {"steps": [DRAW, {**TURN, "inputs": {"image": "$s1.image"}}]},
        {"steps": [DRAW, {**TURN, "inputs": {"image": "{{s1.image}}"}}]},
        {"steps": [DRAW, {**TURN, "inputs": {"image": {"step": "s1", "output": "image"}}}]},
        {"steps": [DRAW, {**TURN, "inputs": {"image": "<node-0>"}}]},
        {"steps": [DRAW, {**TURN, "inputs": {"image": ["s1.image"]}}]},
        {"steps": [DRAW, {**TURN, "inputs": {}, "arguments": ["s1"]}]},
        {"steps": [{"tool": "Text-to-Image", "args": {"prompt": "a cat"}}, TURN]},
        {"steps": [{"name": "text_to_image", "arguments": '{"prompt": "a cat"}'}, TURN]},
        {"steps": [{"tool": "text_to_image", "arguments": ["a cat"]}, TURN]},
        {"steps": [{"tool": "text_to_image", "arguments": "a cat"}, TURN]},
        {"steps": [{"tool": "text_to_image", "prompt": "a cat", "thought": "easy"}, TURN]},
        {"steps": [{**DRAW, "params": None}, {**TURN, "params": "{}"}]},
        {
            "tool_calls": [
                {
                    "id": "s1",
                    "type": "function",
                    "function": {"name": "text_to_image", "arguments": '{"prompt": "a cat"}'},
                },
                {"id": "s2", "function": {"name": "rotate", "arguments": {"image": "s1.image"}}},
            ]
        },
    ],
)
def test_one_plan_in_many_shapes(data: Any) -> None:
    assert read(data) == [DRAW, TURN]


def test_numbered_tasks_with_generated_resources() -> None:
    tasks = [
        {"task": "text-to-image", "id": 0, "dep": [-1], "args": {"prompt": "a cat"}},
        {"task": "describe", "id": 1, "dep": [0], "args": {"media": "<GENERATED>-0"}},
    ]
    assert read(tasks) == [
        {**DRAW, "id": "s0"},
        {"id": "s1", "tool": "describe", "inputs": {"media": {"from": "s0.image"}}},
    ]


def test_nodes_with_named_arguments_and_links() -> None:
    data = {
        "task_nodes": [
            {"task": "speak", "arguments": [{"name": "text", "value": "one"}]},
            {"task": "describe", "arguments": [{"name": "media", "value": "a1"}]},
        ],
        "task_links": [{"source": "speak", "target": "describe"}],
    }
    first, second = read(data)
    assert (first["inputs"], second["inputs"]) == (
        {"text": {"text": "one"}},
        {"media": {"asset": "a1"}},
    )
    assert second["after"] == [first["id"]]


def test_arguments_find_their_place_by_what_the_tool_declares() -> None:
    steps = [{"tool": "resize", "arguments": {"image": "a1", "width": "64"}}]
    assert read(steps) == [
        {
            "id": "s1",
            "tool": "resize",
            "inputs": {"image": {"asset": "a1"}},
            "params": {"width": "64"},
        }
    ]


def test_steps_that_stand_before_what_they_read_are_moved_behind_it() -> None:
    turn = {"id": "turn", "tool": "rotate", "inputs": {"image": {"from": "draw.image"}}}
    draw = {"id": "draw", "tool": "text_to_image", "inputs": {"prompt": "a cat"}}
    assert [step["id"] for step in read([turn, draw])] == ["draw", "turn"]
    circle = [turn, {**turn, "id": "draw", "inputs": {"image": {"from": "turn.image"}}}]
    assert [step["id"] for step in normalise(circle, KNOWN)["steps"]] == ["turn", "draw"]


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"steps": [{"tool": "paint", "arguments": {"x": 1}}]}, "/steps/0/tool"),
        ({"steps": ["paint"]}, "/steps/0/tool"),
        ({"steps": [{**DRAW, "colour": "red"}]}, "/steps/0/colour"),
        ({"steps": [{**DRAW, "inputs": {"prompt": "x", "mood": "good"}}]}, "/steps/0/inputs/mood"),
        ({"steps": [DRAW, {**TURN, "inputs": {"image": "<node-7>"}}]}, "/steps/1/inputs/image"),
        ("I cannot do that.", ""),
        (None, ""),
    ],
)
def test_what_is_not_certain_is_refused_with_its_place(data: Any, pointer: str) -> None:
    request = PlanRequest(
        words="",
        register=Register([Entry(asset="asset_1", modality=Modality.IMAGE)]),
        tools=toolbox().planned(),
        models=load_catalogue(Settings()),
    )
    found = judge(data, request)
    assert isinstance(found, Refused)
    assert isinstance(found.faults[0], Fault)
    assert found.faults[0].pointer == pointer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["s1", "a1", "text_to_image", "<GENERATED>-0", "{", "[[", "s1.image"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["steps", "plan", "tool", "name", "id", "arguments", "args", "inputs", "params", "dep",
             "function", "task_links", "source", "target", "prompt", "from", "after", "value"]
        )
        | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=25,
)  # fmt: skip


@given(JSON)
def test_nothing_raises(data: Any) -> None:
    request = PlanRequest(
        words="",
        register=Register([Entry(asset="asset_1", modality=Modality.IMAGE)]),
        tools=toolbox().planned(),
        models=load_catalogue(Settings()),
    )
    assert isinstance(judge(data, request), Plan | Refused)


@given(st.text(alphabet='{}[]":,ab1 \\\n`', max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read_json(text), str | dict | list)
