"""ImageBind's preprocessing: what the towers see is what was published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

from encoders.imagebind.clips import clip_starts, crops, short_side, spread  # noqa: E402
from encoders.imagebind.fbank import fbank  # noqa: E402
from encoders.imagebind.processing import ImageBindProcessor, clean, trim  # noqa: E402

PUBLISHED = ImageBindProcessor()


def _kaldi(wave: np.ndarray, mel_bins: int) -> np.ndarray:
    from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

    filters = mel_filter_bank(
        num_frequency_bins=257,
        num_mel_filters=mel_bins,
        min_frequency=20,
        max_frequency=8000,
        sampling_rate=16000,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    return spectrogram(
        wave,
        window_function(400, "hann", periodic=False),
        frame_length=400,
        hop_length=160,
        fft_length=512,
        power=2.0,
        center=False,
        preemphasis=0.97,
        mel_filters=filters,
        log_mel="log",
        mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T


@pytest.mark.parametrize("mel_bins", [64, 128])
def test_our_filter_bank_is_kaldis(mel_bins: int) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    ours = fbank(torch.from_numpy(wave), 16000, mel_bins).numpy()
    assert ours.shape == (198, mel_bins)
    np.testing.assert_allclose(ours, _kaldi(wave, mel_bins), atol=2e-3)


def test_filter_banks_of_a_batch_are_those_of_its_items() -> None:
    waves = torch.randn(3, 8000)
    torch.testing.assert_close(
        fbank(waves, 16000, 64)[1], fbank(waves[1], 16000, 64), atol=1e-3, rtol=1e-4
    )


def test_the_last_clip_touches_the_end() -> None:
    assert clip_starts(10.0, 2.0, 5) == [0.0, 2.0, 4.0, 6.0, 8.0]
    assert clip_starts(1.0, 2.0, 3) == [0.0, 0.0, 0.0]
    assert clip_starts(9.0, 2.0, 1) == [0.0]


def test_frames_are_spread_from_the_first_to_the_last() -> None:
    assert spread(60, 2) == [0, 59]
    assert spread(1, 2) == [0, 0]


def test_a_picture_becomes_a_standardised_centre_square() -> None:
    picture = Image.new("RGB", (300, 500), (255, 0, 0))
    values = PUBLISHED.images([picture])
    assert values.shape == (1, 3, 224, 224)
    assert values[0, 0].mean() == pytest.approx((1 - 0.48145466) / 0.26862954, abs=1e-4)


def test_transparency_falls_on_white() -> None:
    values = PUBLISHED.images([Image.new("RGBA", (224, 224), (0, 0, 0, 0))])
    white = PUBLISHED.images([Image.new("RGB", (224, 224), "white")])
    torch.testing.assert_close(values, white)


def test_a_video_becomes_fifteen_clips_of_two_frames() -> None:
    frames = np.zeros((50, 48, 64, 3), dtype=np.uint8)
    assert PUBLISHED.video(frames, fps=10.0).shape == (15, 3, 2, 224, 224)
    assert PUBLISHED.clip_times(10.0)[1] == [2.0, 4.0]


def test_three_crops_lie_along_the_longer_side() -> None:
    wide = torch.arange(8.0).repeat(1, 1, 4, 1)
    assert [c[0, 0, 0, 0].item() for c in crops(wide, 4, 3)] == [0.0, 2.0, 4.0]
    assert short_side(torch.zeros(1, 3, 30, 41), 20).shape[-2:] == (20, 27)


@pytest.mark.parametrize("samples", [100, 8000, 32000, 200000])
def test_a_sound_of_any_length_becomes_three_log_mel_pictures(samples: int) -> None:
    wave = np.random.default_rng(0).normal(0, 0.1, (2, samples)).astype(np.float32)
    assert PUBLISHED.audio(wave, 16000).shape == (3, 1, 128, 204)


def test_a_sound_of_another_rate_is_resampled() -> None:
    time = np.arange(48000) / 48000
    wave = np.sin(2 * np.pi * 1000 * time).astype(np.float32)
    direct = np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    apart = (PUBLISHED.audio(wave, 48000) - PUBLISHED.audio(direct, 16000)).abs()
    assert apart.mean() < 0.01


def test_an_empty_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        PUBLISHED.audio(np.zeros(0, dtype=np.float32), 16000)


def test_silence_at_both_ends_is_cut() -> None:
    wave = np.concatenate([np.zeros(800), np.ones(1600), np.zeros(480)]).astype(np.float32)
    assert len(trim(wave, 160, 40.0)) == 1600
    assert len(trim(np.zeros(800, dtype=np.float32), 160, 40.0)) == 800


def test_text_is_repaired_before_it_is_cut_into_tokens() -> None:
    assert clean("  A&amp;B \n Schön ") == "a&b schön"


def test_settings_survive_saving(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1}, unk_token="<s>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")
    ImageBindProcessor(tokenizer=tokenizer, image_size=64, trim_db=40.0).save_pretrained(tmp_path)
    again = ImageBindProcessor.from_pretrained(tmp_path)
    assert (again.image_size, again.trim_db, again.image_mean) == (64, 40.0, PUBLISHED.image_mean)
