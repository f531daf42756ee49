"""What every encoder behind `embed` keeps, whatever its family."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from encoders.registry import ENCODERS
from medley.backend import Backend, ModelSpec, Preparing, Request
from medley.errors import BadInput, MedleyError, StepStopped, Unavailable
from medley.media import video as videos
from medley.media.values import Audio, Embedding
from tests.contract.encoder_samples import MEMBERS
from tests.tiny import encoders as tiny
from workers.registry import make_backend

RATE = 16000


@dataclass
class Recorder:
    """A control that writes down what it hears and stops after so many reports."""

    scratch: Path = Path()
    stop_after: int = 1 << 30
    ticks: list[tuple[float, float]] = field(default_factory=list)

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        self.ticks.append((done, total))
        if len(self.ticks) > self.stop_after:
            raise StepStopped

    def delta(self, text: str) -> None:
        raise AssertionError("an encoder says nothing")


@dataclass(frozen=True)
class Member:
    backend: Backend
    model: ModelSpec
    takes: frozenset[str]


@pytest.fixture(scope="module", params=MEMBERS)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Member:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    build, takes = MEMBERS[request.param]
    model = build(tmp_path_factory.mktemp(request.param))
    if request.param == "starter" and not Path(model.source).is_dir():
        pytest.skip("the starter weights are not in this checkout")
    backend = make_backend(model.backend)
    backend.load(model, "cpu")
    return Member(backend, model, takes)


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Two different things of each modality."""
    dice = np.random.default_rng(0)
    pictures = [
        Image.fromarray(dice.integers(0, 255, (40, 56, 3), dtype=np.uint8)) for _ in range(2)
    ]
    sounds = [
        Audio(samples=dice.normal(0, 0.1, (channels, seconds * RATE)).astype(np.float32), rate=RATE)
        for channels, seconds in ((1, 1), (2, 3))
    ]
    folder = tmp_path_factory.mktemp("videos")
    clips = [
        videos.write(folder / f"{i}.mp4", [picture] * 12, fps=6.0)
        for i, picture in enumerate(pictures)
    ]
    return {"text": ["cat", "a dog on a hill"], "image": pictures, "audio": sounds, "video": clips}


def ask(value: Any) -> Request:
    return Request(tool="embed", inputs={"media": value}, params={})


def vector(member: Member, value: Any) -> np.ndarray:
    (result,) = member.backend.run([ask(value)], Recorder())
    assert result.error is None
    found = result.outputs["embedding"]
    assert isinstance(found, Embedding)
    return found.vector


def test_it_is_a_backend_for_embed(member: Member) -> None:
    assert isinstance(member.backend, Backend)
    assert member.backend.tools == {"embed", "embed_list", "index"}


def test_an_index_holds_the_vectors_of_its_items_and_leaves_out_the_broken(
    member: Member, samples: dict[str, list[Any]]
) -> None:
    one, other = samples[min(member.takes)]
    request = Request(tool="index", inputs={"media": [one, object(), other]}, params={})
    (result,) = member.backend.run([request], Recorder())
    first, broken, second = result.outputs["vectors"]
    assert broken is None
    np.testing.assert_allclose(first, vector(member, one), atol=1e-4)
    np.testing.assert_allclose(second, vector(member, other), atol=1e-4)


def test_every_modality_becomes_a_unit_vector_of_one_named_space(
    member: Member, samples: dict[str, list[Any]]
) -> None:
    batch = [ask(value) for modality in sorted(member.takes) for value in samples[modality]]
    found = [result.outputs["embedding"] for result in member.backend.run(batch, Recorder())]
    assert {e.space for e in found} == {member.model.space or member.model.id}
    assert len({e.vector.shape for e in found}) == 1
    assert all(e.vector.dtype == np.float32 for e in found)
    np.testing.assert_allclose([np.linalg.norm(e.vector) for e in found], 1, atol=1e-5)


def test_a_batch_gives_what_its_items_give_alone(
    member: Member, samples: dict[str, list[Any]]
) -> None:
    values = [samples[modality][index] for index in (0, 1) for modality in sorted(member.takes)]
    together = member.backend.run([ask(value) for value in values], Recorder())
    for value, result in zip(values, together, strict=True):
        np.testing.assert_allclose(
            result.outputs["embedding"].vector, vector(member, value), atol=2e-3
        )


def test_unlike_things_lie_apart(member: Member, samples: dict[str, list[Any]]) -> None:
    for modality in member.takes:
        first, second = (vector(member, value) for value in samples[modality])
        assert not np.allclose(first, second, atol=1e-6)


def test_a_bad_item_fails_alone(member: Member, samples: dict[str, list[Any]]) -> None:
    good = samples["text"][0]
    results = member.backend.run([ask(good), ask(3.5), ask("   "), ask(good)], Recorder())
    assert [type(result.error) for result in results] == [
        type(None),
        BadInput,
        BadInput,
        type(None),
    ]


def test_an_empty_sound_fails_with_a_reason(member: Member) -> None:
    (result,) = member.backend.run(
        [ask(Audio(samples=np.zeros((1, 0), np.float32), rate=RATE))], Recorder()
    )
    assert isinstance(result.error, BadInput)


def test_a_modality_without_a_tower_is_refused(
    member: Member, samples: dict[str, list[Any]]
) -> None:
    for modality in {"text", "image", "audio", "video"} - member.takes:
        (result,) = member.backend.run([ask(samples[modality][0])], Recorder())
        assert isinstance(result.error, BadInput)


def test_a_very_long_text_is_cut(member: Member) -> None:
    assert np.isfinite(vector(member, "cat dog " * 300)).all()


def test_it_reports_and_hears_a_stop(member: Member, samples: dict[str, list[Any]]) -> None:
    control = Recorder()
    member.backend.run([ask(text) for text in samples["text"]], control)
    assert control.ticks[-1] == (2, 2)
    with pytest.raises(StepStopped):
        member.backend.run([ask(samples["text"][0])], Recorder(stop_after=1))


def test_what_was_prepared_ahead_is_embedded_as_it_would_have_been(
    member: Member, samples: dict[str, list[Any]]
) -> None:
    assert isinstance(member.backend, Preparing)
    for modality in member.takes:
        value = samples[modality][0]
        ready = member.backend.prepare(ask(value))
        assert (ready.ready is None) is (modality == "text")
        (result,) = member.backend.run([replace(ready, inputs={"media": "nothing"})], Recorder())
        if modality != "text":
            found = result.outputs["embedding"]
            assert isinstance(found, Embedding)
            np.testing.assert_allclose(found.vector, vector(member, value), atol=1e-6)


def test_it_can_be_unloaded_and_loaded_again(member: Member, samples: dict[str, list[Any]]) -> None:
    before = vector(member, samples["text"][0])
    member.backend.unload()
    with pytest.raises(Unavailable):
        member.backend.run([ask("cat")], Recorder())
    member.backend.load(member.model, "cpu")
    np.testing.assert_allclose(vector(member, samples["text"][0]), before, atol=1e-6)


@pytest.mark.parametrize("name", ENCODERS)
def test_missing_weights_are_unavailable(name: str, tmp_path: Path) -> None:
    missing = ModelSpec(
        id="nothing", backend=name, tools=frozenset({"embed"}), source=str(tmp_path / "none")
    )
    with pytest.raises(MedleyError) as caught:
        make_backend(name).load(missing, "cpu")
    assert isinstance(caught.value, Unavailable)


@pytest.mark.parametrize("name", ENCODERS)
def test_pickled_weights_and_unreadable_files_are_unavailable(name: str, tmp_path: Path) -> None:
    model = ModelSpec(id="bad", backend=name, tools=frozenset({"embed"}), source=str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "pytorch_model.bin").write_bytes(b"never read")
    with pytest.raises(Unavailable, match="pickle"):
        make_backend(name).load(model, "cpu")
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(Unavailable):
        make_backend(name).load(model, "cpu")


def test_a_model_with_one_tower_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from transformers import BertConfig, BertModel

    BertModel(BertConfig(**tiny.TEXT, vocab_size=50)).save_pretrained(tmp_path)
    model = ModelSpec(id="bad", backend="dual", tools=frozenset({"embed"}), source=str(tmp_path))
    with pytest.raises(Unavailable, match="no dual encoder"):
        make_backend("dual").load(model, "cpu")


def test_a_checkpoint_that_lacks_a_part_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    tiny.clip(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model = ModelSpec(id="bad", backend="dual", tools=frozenset({"embed"}), source=str(tmp_path))
    with pytest.raises(Unavailable, match=r"visual_projection\.weight"):
        make_backend("dual").load(model, "cpu")


def test_siglip_reads_capitals_like_small_letters(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    tiny.siglip2(tmp_path)
    model = ModelSpec(id="tiny", backend="dual", tools=frozenset({"embed"}), source=str(tmp_path))
    backend = make_backend("dual")
    backend.load(model, "cpu")
    member = Member(backend, model, frozenset({"text"}))
    np.testing.assert_array_equal(vector(member, "A Cat"), vector(member, "a cat"))
