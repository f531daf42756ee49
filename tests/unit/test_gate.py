"""The gate lets through what can run, and names each fault with its place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medley.errors import InvalidPlan
from medley.gate import Barred, Known, Limits, check, overspent, parse_plan
from medley.modality import Modality
from medley.toolset import toolbox

KNOWN = Known(tools=toolbox(), assets={"a1": Modality.IMAGE, "a2": Modality.AUDIO})


def faults(
    *steps: dict[str, Any], known: Known = KNOWN, show: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    plan = parse_plan({"steps": list(steps), "reply": {"show": list(show)}})
    return [(fault.pointer, fault.suggestion) for fault in check(plan, known)]


def step(
    step_id: str, tool: str, params: dict[str, Any] | None = None, **inputs: Any
) -> dict[str, Any]:
    return {"id": step_id, "tool": tool, "inputs": inputs, "params": params or {}}


def test_a_sound_plan_passes() -> None:
    describe = step("s1", "describe", media={"asset": "a1"})
    speak = step("s2", "speak", text={"from": "s1.text"})
    assert faults(describe, speak, show=("s2.audio",)) == []


def test_an_unknown_tool_is_named_with_the_nearest_live_one() -> None:
    assert faults(step("s1", "text2image", prompt="a cat")) == [
        ("/steps/0/tool", "Did you mean 'text_to_image'?")
    ]


def test_the_engines_own_tools_may_not_stand_in_a_plan() -> None:
    assert faults(step("s1", "plan", task="x"))[0][0] == "/steps/0/tool"


def test_a_missing_input_is_named() -> None:
    assert faults(step("s1", "caption", image={"asset": "a1"}))[0][0] == "/steps/0/inputs"


def test_a_wrong_type_is_refused_with_the_tool_that_converts() -> None:
    found = faults(step("s1", "resize", {"width": 10}, image={"asset": "a2"}))
    assert [pointer for pointer, _ in found] == ["/steps/0/inputs/image"]
    assert "image" in found[0][1]


def test_media_will_do_where_an_embedding_is_wanted() -> None:
    assert faults(step("s1", "embedding_to_image", embedding={"asset": "a2"})) == []


def test_a_dangling_reference_is_refused() -> None:
    assert faults(step("s1", "speak", text={"from": "s9.text"}))[0][0] == "/steps/0/inputs/text"
    assert faults(step("s1", "speak", text={"from": "s1.words"}))[0][0] == "/steps"


def test_a_step_may_wait_for_another_without_reading_it() -> None:
    first = step("s1", "speak", text={"text": "one"})
    second = step("s2", "speak", text={"text": "two"})
    assert faults(first, {**second, "after": ["s1"]}) == []
    assert faults(first, {**second, "after": ["s3"]})[0][0] == "/steps/1/after/0"
    assert faults({**first, "after": ["s2"]}, {**second, "after": ["s1"]})[0][0] == "/steps"


def test_a_circle_is_refused_once_and_named() -> None:
    one = step("s1", "rotate", image={"from": "s2.image"})
    two = step("s2", "rotate", image={"from": "s1.image"})
    assert [pointer for pointer, _ in faults(one, two)] == ["/steps"]


@pytest.mark.parametrize(("params", "pointer"), [
    ({"steps": 0}, "/steps/0/params/steps"),
    ({"steps": True}, "/steps/0/params/steps"),
    ({"stepz": 3}, "/steps/0/params/stepz"),
    ({"seed": -1}, "/steps/0/params/seed"),
])  # fmt: skip
def test_parameters_out_of_range_are_refused(params: dict[str, Any], pointer: str) -> None:
    assert faults(step("s1", "text_to_image", params, prompt="a cat"))[0][0] == pointer


def test_a_list_output_needs_an_item_where_one_value_is_taken() -> None:
    frames = step("s1", "search", query={"asset": "a1"})
    assert (
        faults(frames, step("s2", "rotate", image={"from": "s1.assets"}))[0][0]
        == "/steps/1/inputs/image"
    )
    assert faults(frames, step("s2", "rotate", image={"from": "s1.assets", "item": 0})) == []
    assert faults(frames, step("s2", "collage", images={"from": "s1.assets"})) == []


def test_a_list_cannot_be_embedded_in_one_go() -> None:
    found = step("s1", "search", query={"asset": "a1"})
    mixed = step("s2", "embed_combine", embeddings={"from": "s1.assets"})
    assert faults(found, mixed)[0][0] == "/steps/1/inputs/embeddings"
    picked = step("s2", "embed_combine", embeddings=[{"from": "s1.assets", "item": 0}])
    assert faults(found, picked) == []


def test_an_item_beyond_the_longest_list_is_refused() -> None:
    found = step("s1", "search", query={"asset": "a1"})
    far = step("s2", "rotate", image={"from": "s1.assets", "item": 50})
    assert faults(found, far)[0] == ("/steps/1/inputs/image", 'Pick an "item" from 0 to 49.')


def test_a_reference_to_a_later_step_is_refused() -> None:
    turned = step("s1", "rotate", image={"from": "s2.image"})
    drawn = step("s2", "text_to_image", prompt="a cat")
    assert faults(turned, drawn) == [("/steps/0/inputs/image", "Put 's2' before 's1'.")]
    waiting = {**step("s1", "speak", text="x"), "after": ["s2"]}
    assert faults(waiting, drawn)[0][0] == "/steps/0/after/0"


def test_an_id_that_the_job_has_taken_is_refused() -> None:
    known = Known(tools=toolbox(), taken={"answer"})
    assert faults(step("answer", "speak", text="x"), known=known)[0][0] == "/steps/0/id"


def test_a_tool_that_cannot_be_used_now_is_named_with_one_that_gives_the_same() -> None:
    tools = toolbox()
    known = Known(
        tools=tools.only(name for name in tools if name != "text_to_image"),
        barred={"text_to_image": Barred(tools["text_to_image"], "No live worker serves it now.")},
    )
    plan = parse_plan({"steps": [step("s1", "text_to_image", prompt="a cat")]})
    (fault,) = check(plan, known)
    assert (fault.pointer, fault.reason) == ("/steps/0/tool", "No live worker serves it now.")
    assert "'embedding_to_image' can be used" in fault.suggestion


def test_a_long_list_and_many_readers_are_refused() -> None:
    known = Known(tools=toolbox(), assets=KNOWN.assets, limits=Limits(max_fan_out=1))
    pictures = [{"asset": "a1"}] * 17
    assert faults(step("s1", "collage", images=pictures))[0][0] == "/steps/0/inputs/images"
    assert faults(step("s1", "collage", images=[]))[0][0] == "/steps/0/inputs/images"
    drawn = step("s1", "text_to_image", prompt="a cat")
    readers = [step(f"s{n}", "rotate", image={"from": "s1.image"}) for n in (2, 3)]
    assert faults(drawn, *readers, known=known)[0][0] == "/steps/0"


def test_gpu_seconds_are_judged_by_what_is_known() -> None:
    plan = parse_plan({"steps": [step("s1", "text_to_image"), step("s2", "speak")]})
    costs = {("text_to_image", None): 7.0}
    assert list(overspent(plan, Limits(max_gpu_seconds=8), costs)) == []
    assert list(overspent(plan, Limits(max_gpu_seconds=1), {})) == []
    (fault,) = overspent(plan, Limits(max_gpu_seconds=5), costs)
    assert "7.0 GPU seconds" in fault.reason
    assert "s1" in fault.suggestion


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"text": "a\0b"}, "/steps/0/inputs/text/text"),
        ({"text": "\ud800"}, "/steps/0/inputs/text/text"),
    ],
)
def test_text_that_cannot_be_kept_is_refused(value: Any, pointer: str) -> None:
    with pytest.raises(InvalidPlan) as refused:
        parse_plan({"steps": [step("s1", "speak", text=value)]})
    assert refused.value.errors[0]["pointer"] == pointer


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_numbers_that_are_none_are_refused(weight: float) -> None:
    with pytest.raises(InvalidPlan) as refused:
        parse_plan({"steps": [step("s1", "embed_combine", {"weights": [weight]})]})
    assert refused.value.errors[0]["pointer"] == "/steps/0/params/weights/0"


def test_a_binding_that_is_none_is_one_fault() -> None:
    odd = step("s1", "speak", text={"url": "http://evil.example/x"})
    with pytest.raises(InvalidPlan) as refused:
        parse_plan({"steps": [odd]})
    assert [error["pointer"] for error in refused.value.errors] == ["/steps/0/inputs/text"]
    assert "A binding is" in refused.value.errors[0]["suggestion"]


def test_limits_are_kept() -> None:
    known = Known(tools=toolbox(), assets=KNOWN.assets, limits=Limits(max_steps=2, max_depth=2))
    chain = [step("s0", "rotate", image={"asset": "a1"})]
    chain += [step(f"s{n}", "rotate", image={"from": f"s{n - 1}.image"}) for n in range(1, 3)]
    assert [pointer for pointer, _ in faults(*chain, known=known)] == ["/steps", "/steps"]


def test_a_malformed_plan_is_refused_with_places() -> None:
    with pytest.raises(InvalidPlan) as refused:
        parse_plan({"steps": [{"id": "S 1", "tool": "speak", "inputs": {"text": 5}}]})
    pointers = {error["pointer"] for error in refused.value.errors}
    assert "/steps/0/id" in pointers
    assert any(pointer.startswith("/steps/0/inputs/text") for pointer in pointers)


WORDS = [
    "steps",
    "id",
    "tool",
    "inputs",
    "params",
    "from",
    "asset",
    "text",
    "item",
    "reply",
    "show",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_either_refused_or_checked_never_a_crash(data: Any) -> None:
    try:
        found = [fault.to_data() for fault in check(parse_plan(data), KNOWN)]
    except InvalidPlan as refused:
        found = refused.errors
    assert all(fault["reason"] and fault["suggestion"] for fault in found)


FRAMES = {"id": "s1", "tool": "extract_frames", "inputs": {"video": {"asset": "v"}}}


def each(**changes: Any) -> dict[str, Any]:
    """A step that is run for each frame."""
    step = {"id": "s2", "tool": "describe", "inputs": {"media": {"from": "s1.images"}}}
    return {**step, "map": "media", **changes}


@pytest.mark.parametrize(
    ("steps", "pointer"),
    [
        ([FRAMES, each()], None),
        (
            [FRAMES, each(inputs={"media": [{"asset": "v"}, {"from": "s1.images", "item": 0}]})],
            None,
        ),
        ([FRAMES, each(map=None)], "/steps/1/inputs/media"),
        ([FRAMES, each(map="picture")], "/steps/1/map"),
        ([each(inputs={"media": {"asset": "v"}})], "/steps/0/inputs/media"),
        ([FRAMES, each(inputs={"media": [{"asset": "v"}] * 33})], "/steps/1/inputs/media"),
        (
            [
                FRAMES,
                each(),
                {"id": "s3", "tool": "speak", "inputs": {"text": {"from": "s2.text"}}},
            ],
            "/steps/2/inputs/text",
        ),
    ],
)
def test_a_step_may_be_run_for_each_item_of_a_list(
    steps: list[dict[str, Any]], pointer: str | None
) -> None:
    known = Known(tools=toolbox().planned(), assets={"v": Modality.VIDEO})
    faults = check(parse_plan({"steps": steps}), known)
    assert [fault.pointer for fault in faults][-1:] == ([pointer] if pointer else [])
