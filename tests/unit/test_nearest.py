"""Suggestions come near in spelling, meaning and types, and are not made up."""

import pytest

from medley.modality import Modality
from medley.nearest import nearest_name, nearest_tool
from medley.toolset import toolbox

TOOLS = toolbox().planned()
TEXT, IMAGE = frozenset({Modality.TEXT}), frozenset({Modality.IMAGE})


@pytest.mark.parametrize(
    ("wanted", "given", "meant"),
    [
        ("text2image", TEXT, "text_to_image"),
        ("draw_picture", TEXT, "text_to_image"),
        ("image_generation", TEXT, "text_to_image"),
        ("tts", TEXT, "speak"),
        ("text_to_speech", TEXT, "speak"),
        ("image_to_text", IMAGE, "describe"),
        ("ocr", IMAGE, "read_text"),
        ("make_thumbnail", IMAGE, "resize"),
        ("join_videos", frozenset(), "concat_video"),
        ("video_to_audio", frozenset(), "extract_audio"),
    ],
)
def test_what_was_meant_is_found(wanted: str, given: frozenset[Modality], meant: str) -> None:
    found = nearest_tool(wanted, TOOLS, given=[given])
    assert found is not None
    assert found.name == meant


@pytest.mark.parametrize("wanted", ["send_email", "http_get", "shell", "delete_everything"])
def test_nothing_is_suggested_for_what_is_not_done_here(wanted: str) -> None:
    assert nearest_tool(wanted, TOOLS) is None


def test_another_tool_stands_in_only_where_it_gives_the_same() -> None:
    others = TOOLS.only(name for name in TOOLS if name != "text_to_image")
    found = nearest_tool("text_to_image", others, like=TOOLS["text_to_image"])
    assert found is TOOLS["embedding_to_image"]
    pictures = TOOLS.only(["resize", "text_to_image"])
    assert nearest_tool("describe", pictures, like=TOOLS["describe"]) is None


def test_a_name_that_is_like_no_other_gets_the_list() -> None:
    assert nearest_name("imge", ["image", "text"]) == "Did you mean 'image'?"
    assert nearest_name("zzz", ["b", "a"]) == "There are: a, b."
    assert nearest_name("x", []) == "There are none."
