"""What every vision-language model without a chat template keeps, whatever its family."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from medley.backend import Backend, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, StepStopped, Unavailable
from medley.media import video as videos
from medley.media.values import Video
from tests.contract.hub_fixtures import Recorder
from tests.tiny import rows_prompted as tiny
from workers.registry import make_backend

NONE: frozenset[str] = frozenset()
ALL = frozenset({"read_text", "detect"})
#: Builder, whether it answers questions, other tools, whether it takes videos.
MEMBERS: dict[str, tuple[Callable[[Path], None], bool, frozenset[str], bool]] = {
    "BLIP captions": (tiny.blip_captions, False, NONE, False),
    "BLIP answers": (tiny.blip_answers, True, NONE, False),
    "BLIP-2 OPT": (tiny.blip2_opt, True, NONE, False),
    "BLIP-2 T5": (tiny.blip2_t5, True, NONE, False),
    "InstructBLIP LLaMA": (tiny.instructblip_llama, True, NONE, False),
    "InstructBLIP T5": (tiny.instructblip_t5, True, NONE, False),
    "GIT": (tiny.git, True, NONE, False),
    "GIT video": (tiny.git_video, True, NONE, True),
    "Idefics": (tiny.idefics, True, NONE, True),
    "Idefics instruct": (tiny.idefics_instruct, True, NONE, True),
    "Kosmos-2": (tiny.kosmos2, True, frozenset({"detect"}), False),
    "Florence-2": (tiny.florence2, False, ALL, False),
    "PaliGemma": (tiny.paligemma, True, ALL, False),
    "T5Gemma 2": (tiny.t5gemma2, True, NONE, True),
    "ViLT": (tiny.vilt, True, NONE, False),
}


@dataclass
class Member:
    """One family with random weights."""

    backend: Backend
    model: ModelSpec
    folder: Path
    answers: bool
    more: frozenset[str]
    films: bool

    @property
    def chooses(self) -> bool:
        """Whether it picks an answer instead of writing one."""
        return self.model.backend == "choosing"

    def run(self, *batch: Request, control: Recorder | None = None) -> list[Result]:
        """Runs a batch."""
        return self.backend.run(batch, control or Recorder(self.folder))


@pytest.fixture(scope="module", params=MEMBERS)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    build, answers, more, films = MEMBERS[request.param]
    folder = tmp_path_factory.mktemp("prompted")
    torch.manual_seed(0)
    build(folder)
    name = "choosing" if request.param == "ViLT" else "prompted"
    backend = make_backend(name)
    model = ModelSpec(id="tiny", backend=name, tools=frozenset(), source=str(folder))
    backend.load(model, "cpu")
    return Member(backend, model, folder, answers, more, films)


def picture(seed: int = 0) -> Any:
    dice = np.random.default_rng(seed)
    return Image.fromarray(dice.integers(0, 255, (40, 56, 3), dtype=np.uint8))


def describe(media: Any, question: str = "", most: int = 6) -> Request:
    params = {"question": question, "language": "auto", "max_tokens": most}
    return Request(tool="describe", inputs={"media": media}, params=params)


def detect(text: str = "cat, dog", threshold: float = 0.0) -> Request:
    inputs = {"image": picture(), "text": text}
    return Request(tool="detect", inputs=inputs, params={"threshold": threshold})


def read() -> Request:
    return Request(tool="read_text", inputs={"image": picture()}, params={})


def asked(member: Member) -> str:
    return "is it a cat?" if member.answers else ""


def test_it_is_a_backend_for_describe(member: Member) -> None:
    assert isinstance(member.backend, Backend)
    assert "describe" in member.backend.tools


def test_a_picture_is_put_into_words_and_tokens_are_counted(member: Member) -> None:
    (result,) = member.run(describe(picture(), asked(member)))
    assert isinstance(result.outputs["text"], str)
    assert result.usage["output_tokens"] == (0 if member.chooses else 6)
    assert result.usage["input_tokens"] > 0 or not member.answers


def test_without_a_question_it_describes(member: Member) -> None:
    (result,) = member.run(describe(picture()))
    assert isinstance(result.outputs["text"], str)


def test_a_question_is_answered_or_refused(member: Member) -> None:
    (result,) = member.run(describe(picture(), "is it a cat?"))
    assert isinstance(result.error, BadInput) is not member.answers


def test_other_pictures_get_other_words(member: Member) -> None:
    batch = [describe(picture(seed), asked(member), most=12) for seed in range(4)]
    assert len({result.outputs["text"] for result in member.run(*batch)}) > 1


def test_a_batch_gives_what_each_of_it_gives_alone(member: Member) -> None:
    questions = ["", *(["is it a cat?", "a much longer question, is it?"] * member.answers)]
    batch = [
        describe(picture(seed), question, most)
        for seed, most in ((0, 6), (1, 9))
        for question in questions
    ]
    together = member.run(*batch)
    alone = [member.run(request)[0] for request in batch]
    assert [result.outputs for result in together] == [result.outputs for result in alone]
    assert [result.usage for result in together] == [result.usage for result in alone]


def test_a_bad_item_fails_alone(member: Member) -> None:
    good, bad = describe(picture(), asked(member)), describe(3.5)
    unknown = Request(tool="speak", inputs={"image": picture()}, params={})
    found = member.run(good, bad, unknown, good)
    assert [type(result.error) for result in found] == [type(None), BadInput, BadInput, type(None)]
    assert found[0].outputs == found[3].outputs


def test_a_stop_is_heard_within_one_token_and_it_works_on(member: Member) -> None:
    control = Recorder(member.folder, stop_at=2 if member.chooses else 4)
    with pytest.raises(StepStopped):
        member.run(describe(picture(), asked(member), most=50), control=control)
    assert control.ticks == control.stop_at
    assert member.run(describe(picture(), asked(member)))[0].error is None


def test_what_has_to_stop_leaves_the_batch_and_the_others_go_on(member: Member) -> None:
    if member.chooses:
        pytest.skip("it looks once: there is nothing to leave")
    control = Recorder(member.folder, stop_at=4, leaving=frozenset({1}))
    found = member.run(*[describe(picture(), asked(member))] * 3, control=control)
    assert [result.error is None for result in found] == [True, False, True]
    assert isinstance(found[1].error, BackendError)


def test_words_are_streamed_under_their_place(member: Member) -> None:
    if member.chooses:
        pytest.skip("an answer that is chosen does not grow")
    control = Recorder(member.folder)
    batch = [describe(picture(seed), asked(member), most=10) for seed in (0, 1)]
    for place, result in enumerate(member.run(*batch, control=control)):
        assert control.text(place).strip() == result.outputs["text"].rstrip("\ufffd").strip()
    assert control.ticks > 10


def test_words_of_a_question_are_no_marks(member: Member) -> None:
    if not member.answers:
        pytest.skip("it takes no questions")
    words = "<image></s><s>[SEP]<OCR> <|end|>\n<boi> </phrase>{} {language}?"
    (result,) = member.run(describe(picture(), words))
    assert result.error is None


def test_a_question_longer_than_the_model_reads_is_refused(member: Member) -> None:
    if not member.answers or "T5Gemma2" in (member.folder / "config.json").read_text():
        pytest.skip("it takes no questions, or long ones")
    (result,) = member.run(describe(picture(), "why is it so? " * 140))
    assert isinstance(result.error, BadInput)
    assert "too long" in result.error.message


def test_videos_are_seen_or_refused(member: Member, tmp_path: Path) -> None:
    seen = [picture(seed).resize((64, 64)) for seed in range(2) for _ in range(6)]
    film = videos.write(tmp_path / "film.mp4", seen, fps=6.0)
    assert isinstance(film, Video)
    (result,) = member.run(describe(film, asked(member)))
    assert isinstance(result.error, BadInput) is not member.films


def test_what_is_written_is_read_or_refused(member: Member) -> None:
    (result,) = member.run(read())
    if "read_text" in member.more:
        assert isinstance(result.outputs["text"], str)
    else:
        assert isinstance(result.error, BadInput)


def test_things_are_found_in_the_picture_or_it_says_that_it_cannot(member: Member) -> None:
    everything, certain, nothing = member.run(detect(), detect(threshold=1.0), detect(" , "))
    assert isinstance(nothing.error, BadInput)
    if "detect" not in member.more:
        assert isinstance(everything.error, BadInput)
        return
    for found in everything.outputs["boxes"]:
        x0, y0, x1, y1 = found["box"]
        assert 0 <= x0 <= x1 <= 56
        assert 0 <= y0 <= y1 <= 40
        assert 0 <= found["score"] <= 1
        assert found["label"]
    kept = [found for found in everything.outputs["boxes"] if found["score"] >= 1.0]
    assert certain.outputs["boxes"] == kept
    assert everything.usage["output_tokens"] > 0


def test_a_grayscale_or_tiny_picture_can_be_used(member: Member) -> None:
    gray, small = picture().convert("L"), picture().resize((3, 2)).convert("RGBA")
    for result in member.run(describe(gray, asked(member)), describe(small, asked(member))):
        assert result.error is None


def test_it_can_be_unloaded_and_loaded_again(member: Member) -> None:
    before = member.run(describe(picture(), asked(member)))[0].outputs
    member.backend.unload()
    with pytest.raises(BackendError):
        member.run(describe(picture()))
    member.backend.load(member.model, "cpu")
    assert member.run(describe(picture(), asked(member)))[0].outputs == before


def test_it_works_in_half_precision(member: Member) -> None:
    half = make_backend(member.model.backend)
    half.load(replace(member.model, options={"dtype": "bfloat16"}), "cpu")
    batch = [describe(picture(seed), asked(member)) for seed in (0, 1)]
    more = [detect()] * ("detect" in member.more)
    for result in half.run([*batch, *more], Recorder(member.folder)):
        assert result.error is None


def test_what_cannot_be_loaded_is_unavailable(member: Member, tmp_path: Path) -> None:
    name = member.model.backend

    def load(folder: Path) -> None:
        make_backend(name).load(
            ModelSpec(id="x", backend=name, tools=frozenset(), source=str(folder)), "cpu"
        )

    with pytest.raises(Unavailable, match="not at"):
        load(tmp_path / "nowhere")
    whole = (member.folder / "config.json").read_text()
    (tmp_path / "config.json").write_text(whole)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(Unavailable, match="pickle"):
        load(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(Unavailable):  # a config, and no weights
        load(tmp_path)
    other = re.sub(r'"architectures": \[[^]]*\]', '"architectures": ["BertModel"]', whole)
    (tmp_path / "config.json").write_text(other)
    with pytest.raises(Unavailable, match=r"BertModel|is no"):
        load(tmp_path)


def test_an_address_in_a_question_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, build in enumerate((tiny.idefics, tiny.idefics_instruct)):
        folder = tmp_path / str(number)
        build(folder)
        backend = make_backend("prompted")
        model = ModelSpec(
            id="x",
            backend="prompted",
            tools=frozenset(),
            source=str(folder),
            options={"question": "{}"},
        )
        backend.load(model, "cpu")
        processor = backend._loaded.processor.image_processor  # type: ignore[attr-defined]

        def fetch(_: Any, found: Any) -> Any:
            assert not isinstance(found, str), "an address was fetched"
            return found

        monkeypatch.setattr(type(processor), "fetch_images", fetch, raising=False)
        request = describe(picture(), "http://127.0.0.1/secret")
        (result,) = backend.run([request], Recorder(folder))
        assert result.error is None


def test_an_entry_can_change_and_take_away_prompts(tmp_path: Path) -> None:
    tiny.git(tmp_path)
    backend = make_backend("prompted")
    options = {"question": "none", "caption": "what is it?"}
    backend.load(
        ModelSpec(
            id="x", backend="prompted", tools=frozenset(), source=str(tmp_path), options=options
        ),
        "cpu",
    )
    caption, answer = backend.run(
        [describe(picture()), describe(picture(), "why?")], Recorder(tmp_path)
    )
    assert caption.usage["input_tokens"] == 10
    assert isinstance(answer.error, BadInput)
