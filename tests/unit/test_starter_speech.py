"""The starter's spoken names and sounds: who says what, and what the augmentation keeps."""

import numpy as np
import pytest
import torch

from starter import voices
from starter.concepts import load_concepts
from starter.sounds import SOUNDS, make_sound
from starter.speech import augment_speech


def test_no_held_out_voice_speaks_in_training() -> None:
    for label, concept in enumerate(load_concepts()):
        for saying in voices.sayings("train", label, concept):
            assert saying.voice.split("+")[-1] not in voices.HELD_OUT_VOICES


def test_held_out_sayings_use_held_out_voices_alone() -> None:
    concept = load_concepts()[0]
    for split in ("heldout_espeak", "heldout_flite"):
        made = voices.sayings(split, 0, concept)
        assert made
        assert all(s.voice.split("+")[-1] in voices.HELD_OUT_VOICES for s in made)


def test_every_concept_is_said_in_both_languages() -> None:
    for label, concept in enumerate(load_concepts()):
        said = {(s.language, s.text) for s in voices.sayings("train", label, concept)}
        assert {("en", concept.name), ("zh", concept.zh)} <= said


def test_espeak_says_a_word_in_english_and_in_chinese() -> None:
    espeak = voices.Espeak()
    for text, language, voice in (("fire engine", "en", "en-us+f2"), ("消防车", "zh", "cmn+m3")):
        saying = voices.Saying(0, text, language, "name", "espeak", voice, 150, 50)
        samples = espeak.say(saying)
        assert 0.2 * espeak.rate < len(samples) < 4 * espeak.rate
        assert np.abs(samples).max() > 0.05
    with pytest.raises(ValueError, match="no voice"):
        espeak.say(voices.Saying(0, "x", "en", "name", "espeak", "nobody", 150, 50))


def test_fitting_keeps_the_pitch_of_a_tone_and_starts_with_it() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
    fitted = voices.fit(np.concatenate([np.zeros(5000), tone]), 22_050)
    assert fitted.shape == (32_000,)
    assert fitted.dtype == np.int16
    spectrum = np.abs(np.fft.rfft(fitted[:16_000].astype(float)))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_augmented_speech_stays_in_range_and_follows_its_seed() -> None:
    tone = (8000 * torch.sin(torch.arange(32_000) / 10)).to(torch.int16).repeat(3, 1)
    first, again, other = (
        augment_speech(tone, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (3, 32_000)
    assert first.abs().max() <= 1
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


@pytest.mark.parametrize("concept_id", sorted(SOUNDS))
def test_a_sound_is_heard_and_differs_each_time(concept_id: str) -> None:
    dice = np.random.default_rng(0)
    first, second = make_sound(concept_id, dice), make_sound(concept_id, dice)
    assert first.shape == (32_000,)
    assert np.abs(first).max() > 20_000
    assert not np.array_equal(first, second)
