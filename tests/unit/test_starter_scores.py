"""How the evaluation compares plans, words and neighbours."""

import numpy as np

from starter.scores import same_plan, says, top

DRAW = {"id": "s1", "tool": "text_to_image", "inputs": {"prompt": {"text": "a red apple"}}}
LOOK = {"id": "s2", "tool": "describe", "inputs": {"media": {"from": "s1.image"}}}


def test_ids_and_order_of_steps_do_not_matter() -> None:
    renamed = [
        {"id": "b", "tool": "describe", "inputs": {"media": {"from": "a.image"}}},
        {**DRAW, "id": "a"},
    ]
    assert same_plan(renamed, [DRAW, LOOK])


def test_another_tool_reference_or_missing_step_is_another_plan() -> None:
    assert not same_plan([DRAW], [DRAW, LOOK])
    assert not same_plan([DRAW, {**LOOK, "tool": "embed"}], [DRAW, LOOK])
    other = {**LOOK, "inputs": {"media": {"asset": "a1"}}}
    assert not same_plan([DRAW, other], [DRAW, LOOK])


def test_the_order_within_a_list_matters() -> None:
    first = {
        "id": "s1",
        "tool": "collage",
        "inputs": {"images": [{"asset": "a1"}, {"asset": "a2"}]},
    }
    second = {
        "id": "s1",
        "tool": "collage",
        "inputs": {"images": [{"asset": "a2"}, {"asset": "a1"}]},
    }
    assert not same_plan([first], [second])


def test_words_count_only_when_asked_for() -> None:
    bare = {**DRAW, "inputs": {"prompt": "Red apple!"}}
    other = {**DRAW, "inputs": {"prompt": "green pear"}}
    assert same_plan([bare], [DRAW], words=True)
    assert same_plan([other], [DRAW])
    assert not same_plan([other], [DRAW], words=True)


def test_a_plan_that_refers_to_itself_is_compared_without_end() -> None:
    circle = {"id": "s1", "tool": "describe", "inputs": {"media": {"from": "s1.image"}}}
    assert not same_plan([circle], [DRAW])


def test_words_are_found_whole_and_in_both_languages() -> None:
    assert says("It shows two dogs.", ["dog"])
    assert says("图片里有一只小狗。", ["狗"])
    assert says("A Fire-Engine!", ["fire engine"])
    assert not says("a cathedral", ["cat"])


def test_top_counts_the_nearest_names() -> None:
    names = np.eye(3, dtype=np.float32)
    vectors = np.array([[1, 0.5, 0], [0.9, 1, 0.95]], np.float32)
    labels = np.array([0, 2])
    assert top(vectors, labels, names, 1) == 0.5
    assert top(vectors, labels, names, 2) == 1.0
