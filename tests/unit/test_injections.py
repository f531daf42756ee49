"""Injections: what media, files, tools and earlier turns say is data, wherever it stands, and what
a hub writes that believed them is refused.
"""

import html
import json
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub import chat, compact
from hub.chat import FAMILIAR, Message
from hub.grammar import dumps
from medley.gate import Known
from medley.modality import Modality
from medley.plain import compose
from medley.settings import Settings
from medley.tasks import AnswerFacts, KnownAsset, PlanTask, ReplyDraft, StepFact, Turn
from medley.tools import Tool, Toolbox, port
from medley.toolset import toolbox
from orchestrator.answerer import read_draft, to_reply, untruths
from orchestrator.catalogue import load_catalogue
from orchestrator.planner import TAKEN, PlanRequest, Refused, judge
from orchestrator.register import Entry, Register

FOLDER = Path(__file__).parent.parent / "injections"
TOOLS = toolbox().planned()


def corpus(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


ATTEMPTS = [item["text"] for item in corpus("attempts")]
MARK = "QZX"  #: stands before and after each attempt


def seen(text: str) -> str:
    """The text as a credulous reader may take it: escapes read, look-alikes taken for the same."""
    text = html.unescape(text.replace("%3C", "<").replace("\\u003c", "<"))
    text = unicodedata.normalize("NFKD", text).casefold()
    text = "".join(sign for sign in text if unicodedata.category(sign) not in ("Cf", "Mn", "Cc"))
    for sign, plain in {"‹": "<", "∕": "/", "е": "e", "ѕ": "s", "ǀ": "|", "∣": "|"}.items():  # noqa: RUF001
        text = text.replace(sign, plain)
    return re.sub(r"\s", "", text)


def outside(prompt: str) -> str:
    """A prompt without its quoted sections."""
    return re.sub(r'<untrusted source="[^"\n]*">\n.*?\n</untrusted>', "", prompt, flags=re.DOTALL)


def as_asset(words: str) -> KnownAsset:
    return KnownAsset(id="a1", modality=Modality.IMAGE, about=words)


def as_fact(**what: Any) -> AnswerFacts:
    step = {"id": "s1", "tool": "describe", "status": "succeeded", "about": {"media": "a1"}, **what}
    return AnswerFacts(request="what is it", steps=[StepFact.model_validate(step)])


Place = Callable[[str], list[Message]]
FAULT = {"pointer": "/steps/0", "reason": "No.", "suggestion": "Do."}
PLACES: dict[str, Place] = {
    "file name, planning": lambda words: chat.plan_messages(
        PlanTask(request="draw", assets=[as_asset(words)]), TOOLS
    ),
    "file name, answering": lambda words: chat.answer_messages(
        AnswerFacts(request="draw", assets=[as_asset(words)])
    ),
    "recognised text": lambda words: chat.answer_messages(as_fact(text=words)),
    "words of another step": lambda words: chat.answer_messages(as_fact(about={"text": words})),
    "list of words": lambda words: chat.answer_messages(as_fact(about={"texts": ["a1", words]})),
    "error": lambda words: chat.answer_messages(as_fact(status="failed", error=words)),
    "what was untrue": lambda words: chat.answer_messages(
        AnswerFacts(request="draw", faults=["No.", words])
    ),
    "earlier turn": lambda words: chat.plan_messages(
        PlanTask(request="draw", history=[Turn(role="assistant", text=words)]), TOOLS
    ),
    "summary of earlier turns": lambda words: chat.plan_messages(
        PlanTask(request="draw", history=[Turn(role="summary", text=words)]), TOOLS
    ),
    "words of a step that ran": lambda words: chat.plan_messages(
        PlanTask(request="draw", ran=as_fact(text=words).steps), TOOLS
    ),
    "error of a step that ran": lambda words: chat.plan_messages(
        PlanTask(request="draw", ran=as_fact(status="failed", error=words).steps), TOOLS
    ),
    "plan that ran": lambda words: chat.plan_messages(
        PlanTask(request="draw", ran=as_fact().steps, previous={"steps": [words]}), TOOLS
    ),
    "refused plan": lambda words: chat.plan_messages(
        PlanTask(request="draw", previous={"steps": [words]}, faults=[FAULT]), TOOLS
    ),
    "fault": lambda words: chat.plan_messages(
        PlanTask(request="draw", faults=[{**FAULT, "reason": words, "suggestion": words}]), TOOLS
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_words_of_others_stay_in_one_quoted_section(place: str) -> None:
    for words in ATTEMPTS:
        prompt = PLACES[place](f"{MARK} {words} {MARK}")[1]["content"]
        harmless = PLACES[place](f"{MARK} harmless {MARK}")[1]["content"]
        assert MARK not in outside(prompt), words
        assert outside(prompt) == outside(harmless), words
        for tag in ("<untrusted", "</untrusted"):
            assert seen(prompt).count(tag) == harmless.count(tag), words


@pytest.mark.parametrize("place", PLACES)
def test_no_words_of_others_are_control_words(place: str) -> None:
    for words in ATTEMPTS:
        prompt = PLACES[place](words)[1]["content"]
        assert not [word for word in (*FAMILIAR, *compact.CONTROL, "<|") if word in prompt], words
        assert not any(word in prompt for word in ("\u200b", "\u202e", "\x1b", "\U000e0069")), words


def test_a_request_opens_no_quoted_section_and_speaks_no_control_words() -> None:
    for words in ATTEMPTS:
        for said in (
            chat.plan_messages(PlanTask(request=words), TOOLS),
            chat.answer_messages(AnswerFacts(request=words)),
        ):
            assert "untrusted" not in re.findall(r"<[\s/]*(\w+)", said[1]["content"].casefold())
            assert not [word for word in (*FAMILIAR, "<|") if word in said[1]["content"]], words


def test_the_compact_wording_keeps_its_shape() -> None:
    quiet = compact.plan_prompt(PlanTask(request="draw", assets=[as_asset("x")]))
    for words in ATTEMPTS:
        named = compact.plan_prompt(PlanTask(request="draw", assets=[as_asset(words)]))
        asked = compact.plan_prompt(PlanTask(request=words, assets=[as_asset("x")]))
        answered = compact.answer_prompt(as_fact(text=words, error=words, about={"x": words}))
        described = compact.describe_prompt(words)
        assert named.count("\n") == quiet.count("\n"), words
        assert named.count('"') == 2, words
        for prompt, control in (
            (named, "<|plan|><|user|><|hub|>"),
            (asked, "<|plan|><|user|><|hub|>"),
            (answered, "<|answer|><|user|><|hub|>"),
            (described, "<|see|><|user|><|hub|>"),
        ):
            assert "".join(re.findall(r"<\|\w+\|>", prompt)) == control, words
            assert prompt.count("<|") == 3, words
        assert described.count(compact.MEDIA_GAP) == 1, words
        assert words not in answered


def test_a_tool_that_speaks_of_itself_gives_no_orders_in_two_lines() -> None:
    for words in ATTEMPTS:
        odd = Tool(
            name="odd",
            about=words,
            inputs={"text": port(Modality.TEXT, about="x")},
            outputs={"text": port(Modality.TEXT, about="x")},
            lane=toolbox()["speak"].lane,
        )
        system = chat.plan_messages(PlanTask(request="draw"), Toolbox([odd]))[0]["content"]
        plain = chat.plan_messages(PlanTask(request="draw"), TOOLS.only(["speak"]))[0]["content"]
        assert system.count("\n") == plain.count("\n"), words
        assert seen(system).count("untrusted") - seen(plain).count("untrusted") <= 3, words
        assert seen(system).count("<untrusted") == seen(plain).count("<untrusted"), words


PICTURE = "asset_" + "1" * 32


@pytest.fixture(scope="module")
def request_() -> PlanRequest:
    return PlanRequest(
        words="what is it",
        register=Register([Entry(asset=PICTURE, modality=Modality.IMAGE)]),
        tools=TOOLS,
        models=load_catalogue(Settings()),
    )


@pytest.mark.parametrize("case", corpus("plans"), ids=lambda case: case["name"])
@pytest.mark.parametrize("form", ["object", "text", "tool calls"])
def test_a_plan_of_a_hub_that_believed_them_is_refused(
    request_: PlanRequest, case: dict[str, Any], form: str
) -> None:
    plan = case["plan"]
    if form == "text":
        plan = f"Sure! ```json\n{dumps(plan)}\n```"
    elif form == "tool calls":
        renamed = [
            {**{key: value for key, value in step.items() if key != "inputs"},
             "arguments": step["inputs"]}
            for step in plan["steps"]
        ]  # fmt: skip
        plan = {**{key: value for key, value in plan.items() if key != "steps"}, "calls": renamed}
    found = judge(plan, request_)
    assert isinstance(found, Refused)
    assert all(fault.reason and fault.suggestion for fault in found.faults)


def test_no_attempt_is_a_plan_that_can_run_anything_foreign(request_: PlanRequest) -> None:
    known = Known(tools=TOOLS, assets=request_.register.modalities(), taken=TAKEN)
    for words in ATTEMPTS:
        found = judge(words, request_)
        if not isinstance(found, Refused):
            assert {step.tool for step in found.steps} <= set(known.tools), words
            assert not found.steps, words


FACTS = AnswerFacts(
    request="Draw a cat and say it",
    assets=[
        KnownAsset(id="a1", modality=Modality.IMAGE, about="cat.png"),
        KnownAsset(id="a2", modality=Modality.IMAGE, about="text_to_image", step="s1"),
    ],
    steps=[StepFact(id="s1", tool="text_to_image", status="succeeded", assets=["a2"])],
    show=["a2"],
)


@pytest.mark.parametrize("case", corpus("replies"), ids=lambda case: case["name"])
def test_a_reply_of_a_hub_that_believed_them_is_refused(case: dict[str, Any]) -> None:
    draft = read_draft({"text": case["text"], "show": case["show"]})
    assert draft is not None
    assert untruths(draft, FACTS)


@pytest.mark.parametrize(
    "text",
    [
        "Here is my drawing of a cat [a2].",
        "Here is the cat [a2] (drawn from the sound): a red one.",
        "[a1][a2] Both are cats, and/or dogs, 3 < 4.",
        "I took cat.png and drew it. It is 1.5 m/s fast.",
        "这是我画的猫 [a2]（根据声音画的）。《A》里的猫也一样：很可爱！真的？是。",
        "The ratio is 16:9; see step 1/2 at 10:30.",
    ],
)
def test_an_honest_reply_is_let_through(text: str) -> None:
    assert untruths(ReplyDraft(text=text, show=["a2"]), FACTS) == []


BOASTS = ["Here is your sound!", "All is well.", "I could say it, and I did.", "声音做好了。"]


@pytest.mark.parametrize("text", BOASTS)
def test_a_reply_that_claims_what_failed_is_refused(text: str) -> None:
    failed = StepFact(id="s2", tool="speak", status="failed", error="no voice")
    facts = FACTS.model_copy(update={"steps": [*FACTS.steps, failed]})
    assert untruths(ReplyDraft(text=text, show=["a2"]), facts)


@pytest.mark.parametrize("place", ["text", "error", "about", "request"])
def test_the_plain_answer_repeats_no_link_no_asset_and_no_control_word(place: str) -> None:
    for words in ATTEMPTS:
        facts = {
            "text": as_fact(text=words),
            "error": as_fact(status="failed", error=words),
            "about": as_fact(tool="speak", about={"text": words}, assets=["a2"]),
            "request": AnswerFacts(request=words),
        }[place]
        facts = facts.model_copy(update={"assets": FACTS.assets})
        draft = compose(facts)
        assert untruths(draft, facts) == [], words
        parts = to_reply(draft, Register([])).parts
        assert "evil.example" not in "".join(str(part) for part in parts) or "@" in words, words
