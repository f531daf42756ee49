"""The plain answer: true, in the language of the request, naming only what exists."""

import re

from medley.plain import compose, language_of, sayings, to_show
from medley.tasks import AnswerFacts, KnownAsset, StepFact


def facts(request: str) -> AnswerFacts:
    """Said, drawn, and failed."""
    return AnswerFacts(
        request=request,
        assets=[
            KnownAsset(id="a1", modality="image"),
            KnownAsset(id="a2", modality="audio"),
            KnownAsset(id="a3", modality="image", step="s2"),
        ],
        steps=[
            StepFact(
                id="s1",
                tool="describe",
                status="succeeded",
                about={"media": "a1"},
                text="This is a cat.",
            ),
            StepFact(
                id="s2",
                tool="embedding_to_image",
                status="succeeded",
                about={"embedding": "a2"},
                assets=["a3"],
            ),
            StepFact(id="s3", tool="speak", status="failed", error="There is no voice."),
        ],
    )


def test_an_english_request_is_answered_in_english() -> None:
    draft = compose(facts("What is this? Draw what you hear."))
    assert (
        draft.text == "This is a cat. I drew what is in the sound. [a3] "
        "The step speak failed: There is no voice."
    )
    assert draft.show == ["a3"]


def test_a_chinese_request_is_answered_in_chinese() -> None:
    assert "我把声音里的内容画了出来。" in compose(facts("这是什么？把听到的画出来")).text


def test_every_wording_names_only_assets_that_exist_and_admits_what_failed() -> None:
    for language in ("en", "zh"):
        for options in sayings(facts("x"), language):
            for option in options:
                assert set(re.findall(r"\[(\w+)\]", option)) <= {"a1", "a2", "a3"}
        assert all(
            re.search(r"failed|could not|失败|没有", option)
            for option in sayings(facts("x"), language)[-1]
        )


def test_what_a_later_step_read_is_not_shown() -> None:
    steps = [
        StepFact(id="s1", tool="text_to_image", status="succeeded", assets=["a4"]),
        StepFact(id="s2", tool="resize", status="succeeded", about={"image": "a4"}, assets=["a5"]),
    ]
    assets = [
        KnownAsset(id="a4", modality="image", step="s1"),
        KnownAsset(id="a5", modality="image", step="s2"),
    ]
    assert to_show(AnswerFacts(request="x", assets=assets, steps=steps)) == ["a5"]


def test_small_talk_gets_a_greeting() -> None:
    assert compose(AnswerFacts(request="hello")).text.startswith("Hello!")
    assert compose(AnswerFacts(request="你好")).text.startswith("你好")


def test_a_few_latin_words_do_not_make_a_chinese_request_english() -> None:
    assert language_of("把它转成 mp3 格式") == "zh"
    assert language_of("say 你好 in a loud voice, please") == "en"
