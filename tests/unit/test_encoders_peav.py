"""PE-AV's towers and heads, called one by one, against what the library's `forward` gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import encoders.peav
from encoders.peav import PeAvBackend
from medley.backend import ModelSpec, Request
from medley.errors import Unavailable
from medley.media import video as videos
from medley.media.values import Audio
from tests.contract.test_encoder_contract import Recorder
from tests.tiny import peav

torch = pytest.importorskip("torch")


def spec(folder: Path, **options: Any) -> ModelSpec:
    return ModelSpec(
        id="tiny/peav",
        backend="peav",
        tools=frozenset({"embed"}),
        source=str(folder),
        options=options,
    )


def vector(backend: PeAvBackend, value: Any) -> np.ndarray:
    (result,) = backend.run([Request(tool="embed", inputs={"media": value}, params={})], Recorder())
    assert result.error is None
    found: np.ndarray = result.outputs["embedding"].vector
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("peav")
    peav.peav(made)
    return made


@pytest.fixture
def whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The model that the folder holds, put in where only timm could read it."""
    from safetensors.torch import load_file

    model = peav.model()
    model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    model.tie_weights()
    monkeypatch.setattr(encoders.peav, "find_spec", lambda name: True)
    monkeypatch.setattr(encoders.peav, "_whole", lambda *told: model)
    return model


@pytest.fixture(scope="module")
def sound() -> Audio:
    wave = np.random.default_rng(0).normal(0, 0.1, (1, 400)).astype(np.float32)
    return Audio(samples=wave, rate=4000)


@pytest.mark.parametrize("toward", encoders.peav.HEADS)
def test_words_sounds_and_videos_are_what_the_forward_of_the_library_gives(
    folder: Path, whole: Any, toward: str, sound: Audio, tmp_path: Path
) -> None:
    backend = PeAvBackend()
    backend.load(spec(folder, text=toward), "cpu")
    picture = Image.fromarray(
        np.random.default_rng(1).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    )
    film = videos.write(tmp_path / "film.mp4", [picture, picture.rotate(90)] * 8, fps=8.0)
    ids = peav.tokenizer()("a cat", return_tensors="pt")
    with torch.no_grad():
        expected = whole(
            input_ids=ids["input_ids"],
            attention_mask=ids["attention_mask"],
            input_values=torch.from_numpy(sound.samples)[None],
            pixel_values_videos=backend._video(film),
        )
    pairs = {
        f"text_{toward}_embeds": "a cat",
        "audio_embeds": sound,
        "video_embeds": film,
    }
    for name, value in pairs.items():
        theirs = torch.nn.functional.normalize(expected[name][0], dim=-1).numpy()
        np.testing.assert_allclose(vector(backend, value), theirs, atol=1e-5)
    assert vector(backend, picture).shape == vector(backend, film).shape


@pytest.mark.skipif(peav.SEES, reason="timm is installed: all is served")
def test_without_timm_sounds_and_words_are_the_same(
    folder: Path, whole: Any, sound: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, part = PeAvBackend(), PeAvBackend()
    full.load(spec(folder), "cpu")
    monkeypatch.undo()
    part.load(spec(folder), "cpu")
    for value in ("a cat", sound):
        np.testing.assert_allclose(vector(part, value), vector(full, value), atol=1e-5)


@pytest.mark.skipif(peav.SEES, reason="timm is installed: all is served")
def test_without_timm_words_towards_videos_are_refused(folder: Path) -> None:
    with pytest.raises(Unavailable, match="timm"):
        PeAvBackend().load(spec(folder, text="video"), "cpu")


def test_words_towards_something_else_are_refused(folder: Path) -> None:
    with pytest.raises(Unavailable, match="one of audio, video, audio_video"):
        PeAvBackend().load(spec(folder, text="smell"), "cpu")


@pytest.mark.skipif(not peav.SEES, reason="needs timm and torchvision, which the base leaves out")
def test_with_timm_words_find_videos_in_one_space(folder: Path) -> None:
    backend = PeAvBackend()
    backend.load(spec(folder, text="video"), "cpu")
    picture = Image.new("RGB", (32, 32), "red")
    assert vector(backend, picture).shape == vector(backend, "a red square").shape
