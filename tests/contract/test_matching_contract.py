"""What every matcher behind `match` keeps, whatever its family."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medley.backend import Backend, ModelSpec, Request
from medley.errors import BadInput, StepStopped, Unavailable
from medley.media import video as videos
from medley.toolset.seeing import MATCH
from tests.contract.test_encoder_contract import Recorder
from tests.tiny import encoders, looking
from workers.registry import make_backend

MEMBERS: dict[str, Callable[[Path], None]] = {
    "blip": looking.blip,
    "blip2": looking.blip2,
    "vilt": looking.vilt,
    "bridgetower": looking.bridgetower,
}


@dataclass(frozen=True)
class Member:
    backend: Backend
    model: ModelSpec


def spec(folder: Path, **options: Any) -> ModelSpec:
    return ModelSpec(
        id="tiny/matcher",
        backend="matching",
        tools=frozenset({"match"}),
        source=str(folder),
        options=options,
    )


@pytest.fixture(scope="module", params=MEMBERS)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    MEMBERS[request.param](folder)
    backend, model = make_backend("matching"), spec(folder)
    backend.load(model, "cpu")
    return Member(backend, model)


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Three pictures of two sizes."""
    dice = np.random.default_rng(0)
    shapes = ((40, 56, 3), (48, 48, 3), (40, 56, 3))
    return [Image.fromarray(dice.integers(0, 255, s, dtype=np.uint8)) for s in shapes]


def ask(media: Any, text: Any = "a cat") -> Request:
    return Request(tool="match", inputs={"media": media, "text": text}, params={})


def score(member: Member, media: Any, text: str = "a cat") -> float:
    (result,) = member.backend.run([ask(media, text)], Recorder())
    assert result.error is None
    found = result.outputs["score"]
    assert set(found) == {"score"}
    return float(found["score"])


def test_it_serves_match_with_a_probability(member: Member, pictures: list[Image.Image]) -> None:
    assert isinstance(member.backend, Backend)
    assert member.backend.tools == {"match"}
    (result,) = member.backend.run([ask(pictures[0])], Recorder())
    assert set(result.outputs) == set(MATCH.outputs)
    assert 0.0 <= json.loads(json.dumps(result.outputs["score"]))["score"] <= 1.0


def test_the_picture_and_the_words_both_count(member: Member, pictures: list[Image.Image]) -> None:
    base = score(member, pictures[0])
    assert base != pytest.approx(score(member, pictures[2]), abs=1e-9)
    assert base != pytest.approx(score(member, pictures[0], "zebra on a hill"), abs=1e-9)


def test_the_score_is_what_the_librarys_own_forward_gives(
    member: Member, pictures: list[Image.Image]
) -> None:
    import torch
    import transformers

    folder = member.model.source
    kind = transformers.AutoConfig.from_pretrained(folder).architectures[0]
    model = getattr(transformers, kind).from_pretrained(folder).eval()
    inputs = transformers.AutoProcessor.from_pretrained(folder)(
        images=pictures[0], text="a cat", return_tensors="pt"
    )
    more = {"use_image_text_matching_head": True} if kind.startswith("Blip2") else {}
    with torch.no_grad():
        found = model(**inputs, **more)
    logits = next(
        found[name] for name in ("itm_score", "logits_per_image", "logits") if name in found
    )
    chance = logits.softmax(dim=-1)[0, 1] if logits.shape[-1] == 2 else logits.sigmoid()[0, 0]
    assert score(member, pictures[0]) == pytest.approx(float(chance), abs=1e-6)


def test_a_batch_of_several_sizes_gives_what_its_items_give_alone(
    member: Member, pictures: list[Image.Image]
) -> None:
    pairs = [(one, text) for one in pictures for text in ("cat", "a dog on a hill")]
    together = member.backend.run([ask(*pair) for pair in pairs], Recorder())
    alone = [score(member, *pair) for pair in pairs]
    found = [result.outputs["score"]["score"] for result in together]
    np.testing.assert_allclose(found, alone, atol=1e-5)


def test_a_video_is_the_mean_of_its_frames(
    member: Member, pictures: list[Image.Image], tmp_path: Path
) -> None:
    film = videos.write(tmp_path / "film.mp4", [pictures[0], pictures[2]] * 4, fps=4.0)
    frames = list(videos.frames(film, count=8))
    mean = np.mean([score(member, frame) for frame in frames])
    assert score(member, film) == pytest.approx(mean, abs=1e-5)


def test_a_bad_item_fails_alone(member: Member, pictures: list[Image.Image]) -> None:
    batch = [ask(pictures[0]), ask(3.5), ask(pictures[0], "  "), ask(pictures[1])]
    results = member.backend.run(batch, Recorder())
    assert [type(result.error) for result in results] == [
        type(None),
        BadInput,
        BadInput,
        type(None),
    ]


def test_a_very_long_text_is_cut(member: Member, pictures: list[Image.Image]) -> None:
    assert 0.0 <= score(member, pictures[0], "cat dog " * 300) <= 1.0


def test_it_reports_and_hears_a_stop(member: Member, pictures: list[Image.Image]) -> None:
    control = Recorder()
    member.backend.run([ask(one) for one in pictures], control)
    assert control.ticks[-1] == (3, 3)
    with pytest.raises(StepStopped):
        member.backend.run([ask(pictures[0])], Recorder(stop_after=1))
    score(member, pictures[0])


def test_half_precision_gives_nearly_the_same(member: Member, pictures: list[Image.Image]) -> None:
    other = make_backend("matching")
    other.load(spec(Path(member.model.source), dtype="bfloat16"), "cpu")
    half = score(Member(other, member.model), pictures[0])
    assert half == pytest.approx(score(member, pictures[0]), abs=0.01)


def test_it_can_be_unloaded_and_loaded_again(member: Member, pictures: list[Image.Image]) -> None:
    before = score(member, pictures[0])
    member.backend.unload()
    with pytest.raises(Unavailable):
        member.backend.run([ask(pictures[0])], Recorder())
    member.backend.load(member.model, "cpu")
    assert score(member, pictures[0]) == pytest.approx(before, abs=1e-6)


def test_weights_without_a_matching_head_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from transformers import BlipConfig, BlipForConditionalGeneration

    text = {**encoders.TEXT, "vocab_size": 99, "encoder_hidden_size": 32}
    config = BlipConfig(text_config=text, vision_config=encoders.VISION)
    BlipForConditionalGeneration(config).save_pretrained(tmp_path)
    with pytest.raises(Unavailable, match="no weights for"):
        make_backend("matching").load(spec(tmp_path), "cpu")


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    encoders.clip(tmp_path)
    with pytest.raises(Unavailable, match="no matcher"):
        make_backend("matching").load(spec(tmp_path), "cpu")


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(Unavailable, match="pickle"):
        make_backend("matching").load(spec(tmp_path), "cpu")
