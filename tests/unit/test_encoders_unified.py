"""How media become places of a sentence for the embedders of one transformer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from encoders.unified.backend import UnifiedBackend
from medley.backend import ModelSpec, Request
from medley.errors import Unavailable
from medley.media import video as videos
from medley.media.values import Audio
from tests.contract.test_encoder_contract import Recorder
from tests.tiny import encoders, unified

torch = pytest.importorskip("torch")


def spec(folder: Path, **options: Any) -> ModelSpec:
    return ModelSpec(
        id="tiny/unified",
        backend="unified",
        tools=frozenset({"embed"}),
        source=str(folder),
        options=options,
    )


def loaded(folder: Path, **options: Any) -> UnifiedBackend:
    backend = UnifiedBackend()
    backend.load(spec(folder, **options), "cpu")
    return backend


def vector(backend: UnifiedBackend, value: Any) -> np.ndarray:
    (result,) = backend.run([Request(tool="embed", inputs={"media": value}, params={})], Recorder())
    assert result.error is None
    found: np.ndarray = result.outputs["embedding"].vector
    return found


def made(build: Callable[[Path], None], folder: Path) -> Path:
    torch.manual_seed(0)
    build(folder)
    return folder


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(unified.embedding_gemma2, tmp_path_factory.mktemp("gemma"))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(unified.qwen3_vl_embedding, tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    dice = np.random.default_rng(0)
    return Image.fromarray(dice.integers(0, 255, (48, 96, 3), dtype=np.uint8))


def test_a_picture_stands_between_its_marks_after_the_first_token(
    gemma: Path, picture: Image.Image
) -> None:
    family = loaded(gemma)._family
    assert family is not None
    (piece,) = family.prepare["image"](picture)
    config = family._config
    count = piece.ids.count(config.image_token_id)
    bos = family._tokenizer.bos_token_id
    marked = [config.boi_token_id, *[config.image_token_id] * count, config.eoi_token_id]
    assert piece.ids == [bos, *marked]
    assert count > 1


def test_each_frame_of_a_video_stands_between_marks(
    gemma: Path, picture: Image.Image, tmp_path: Path
) -> None:
    family = loaded(gemma)._family
    assert family is not None
    film = videos.write(tmp_path / "film.mp4", [picture] * 12, fps=4.0)
    (piece,) = family.prepare["video"](film)
    assert piece.ids.count(family._config.boi_token_id) == 3
    assert int(piece.media["num_frames_per_video"]) == 3


def test_a_long_sound_is_the_mean_of_its_pieces(gemma: Path) -> None:
    backend = loaded(gemma)
    dice = np.random.default_rng(0)
    wave = dice.normal(0, 0.1, (1, 40 * 16_000)).astype(np.float32)
    parts = [wave[:, : 30 * 16_000], wave[:, 30 * 16_000 :]]
    mean = np.mean([vector(backend, Audio(samples=part, rate=16_000)) for part in parts], axis=0)
    whole = vector(backend, Audio(samples=wave, rate=16_000))
    np.testing.assert_allclose(whole, mean / np.linalg.norm(mean), atol=1e-4)


def test_words_are_embedded_with_the_prompt(gemma: Path) -> None:
    asked = vector(loaded(gemma, prompt="find: "), "a cat")
    np.testing.assert_allclose(asked, vector(loaded(gemma), "find: a cat"), atol=1e-5)


def test_vectors_are_cut_to_the_dimensions_and_unit_again(gemma: Path) -> None:
    whole, cut = vector(loaded(gemma), "cat"), vector(loaded(gemma, dimensions=8), "cat")
    np.testing.assert_allclose(cut, whole[:8] / np.linalg.norm(whole[:8]), atol=1e-5)


def test_a_precision_that_overflows_is_refused(gemma: Path) -> None:
    with pytest.raises(Unavailable, match="overflows"):
        loaded(gemma, dtype="float16")


def test_brain_floats_give_nearly_the_same(gemma: Path, qwen: Path, picture: Image.Image) -> None:
    for folder in (gemma, qwen):
        exact, half = loaded(folder), loaded(folder, dtype="bfloat16")
        assert vector(exact, picture) @ vector(half, picture) > 0.99


def test_two_frames_of_a_video_are_the_two_moments_of_its_patches(
    qwen: Path, picture: Image.Image, tmp_path: Path
) -> None:
    family = loaded(qwen)._family
    assert family is not None
    film = videos.write(tmp_path / "film.mp4", [picture] * 8 + [picture.rotate(180)] * 8, fps=8.0)
    (piece,) = family.prepare["video"](film)
    grid = piece.media["video_grid_thw"][0].tolist()
    patches = piece.media["pixel_values_videos"]
    assert grid[0] == 1
    assert patches.shape == (grid[1] * grid[2], 3 * 2 * 16 * 16)
    moments = patches.reshape(-1, 3, 2, 256)
    for place, shown in enumerate(videos.frames(film, count=2)):
        size = {"shortest_edge": family._LEAST, "longest_edge": family._MOST_OF_VIDEO // 2}
        alone = family._images([shown], size=size, return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(moments[:, :, place], alone.reshape(-1, 3, 2, 256)[:, :, 0])


def test_a_video_is_told_with_its_times(qwen: Path, picture: Image.Image, tmp_path: Path) -> None:
    family = loaded(qwen)._family
    assert family is not None
    film = videos.write(tmp_path / "film.mp4", [picture] * 16, fps=4.0)
    (piece,) = family.prepare["video"](film)
    told = family._tokenizer.decode(piece.ids)
    assert "<1.0 seconds>" in told
    assert "<3.0 seconds>" in told
    assert told.startswith("<s>system\nRepresent the user's input.")
    assert told.endswith("<s>assistant\n")


def test_another_kind_of_model_is_refused(tmp_path: Path) -> None:
    encoders.clip(tmp_path)
    with pytest.raises(Unavailable, match="no unified embedder"):
        loaded(tmp_path)
