"""The starter's spoken names and sounds: who says what, and what the augmentation keeps."""

from pathlib import Path

import numpy as np
import pytest
import torch

from starter import fetch, synthesizers, voices
from starter.concepts import load_concepts
from starter.encoder_audio import RECORDED, colour, how_often
from starter.sounds import SOUNDS, make_sound
from starter.speech import Speech, augment_speech
from starter.synthesizers import Espeak, Saying


def test_no_held_out_voice_speaks_in_training() -> None:
    for label, concept in enumerate(load_concepts()):
        for split in ("train", "train_others"):
            for saying in voices.sayings(split, label, concept):
                assert saying.voice.split("+")[-1] not in voices.HELD_OUT_VOICES
                assert saying.engine != "festival"


def test_more_recorded_speakers_say_no_words_that_espeak_does_not() -> None:
    for label, concept in enumerate(load_concepts()):
        first = {s.text for s in voices.sayings("train", label, concept)}
        assert {s.text for s in voices.sayings("train_others", label, concept)} <= first


def test_held_out_sayings_use_held_out_voices_alone() -> None:
    concept = load_concepts()[0]
    for split in ("heldout_espeak", "heldout_flite", "heldout_festival"):
        made = voices.sayings(split, 0, concept)
        assert made
        assert all(s.voice.split("+")[-1] in voices.HELD_OUT_VOICES for s in made)


def test_every_concept_is_said_in_both_languages() -> None:
    for label, concept in enumerate(load_concepts()):
        said = {(s.language, s.text) for s in voices.sayings("train", label, concept)}
        assert {("en", concept.name), ("zh", concept.zh)} <= said


def test_espeak_says_a_word_in_english_and_in_chinese() -> None:
    espeak = Espeak()
    for text, language, voice in (("fire engine", "en", "en-us+f2"), ("消防车", "zh", "cmn+m3")):
        saying = Saying(0, text, language, "name", "espeak", voice, 150, 50)
        samples = espeak.say(saying)
        assert 0.2 * espeak.rate < len(samples) < 4 * espeak.rate
        assert np.abs(samples).max() > 0.05
    with pytest.raises(ValueError, match="no voice"):
        espeak.say(Saying(0, "x", "en", "name", "espeak", "nobody", 150, 50))


def test_a_shorter_throat_is_a_lower_slower_voice_played_faster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Saying] = []

    def speak(saying: Saying) -> tuple[synthesizers.Wave, int]:
        asked.append(saying)
        return np.zeros(8), 16_000

    monkeypatch.setitem(synthesizers.ENGINES, "flite", speak)
    _, rate = synthesizers.say(Saying(0, "dog", "en", "name", "flite", "awb", 1.2, 150.0, 1.25))
    assert rate == 20_000
    assert asked[0].speed == pytest.approx(1.5)
    assert asked[0].pitch == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("engine", "voice", "pitch"),
    [("flite", "awb", 110.0), ("pico", "en-GB_kh0", 1.0), ("festival", "ked_diphone", 105.0)],
)
def test_a_fetched_synthesizer_says_a_word(engine: str, voice: str, pitch: float) -> None:
    if not synthesizers.here(engine):
        pytest.skip(f"{engine} was not fetched")
    samples, rate = synthesizers.say(
        Saying(0, "fire engine", "en", "name", engine, voice, 1.0, pitch, 1.1)
    )
    assert 0.3 * rate < len(samples) < 3 * rate
    assert np.abs(samples).max() > 0.05


def test_packages_that_cannot_be_fetched_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    for component in ("main", "non-free"):
        fetch.fetch_debs(tmp_path / "nobody", component, ("nobody",))
    assert list(tmp_path.iterdir()) == []


def test_recorded_speakers_weigh_their_part() -> None:
    voice = np.array([*["espeak:en-us+m1"] * 90, *["espeak:cmn+m1"] * 7, *["flite:awb"] * 3])
    language = np.array([*["en"] * 90, *["zh"] * 7, *["en"] * 3])
    speech = Speech(np.zeros((100, 1), np.int16), torch.zeros(100), language, voice, voice, voice)
    often = how_often([speech])
    assert often.sum() == pytest.approx(1)
    assert often[97:].sum() == pytest.approx(RECORDED)


def test_another_colour_of_sound_follows_its_seed() -> None:
    picture = torch.rand(4, 64, 200)
    first, again, other = (colour(picture, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert first.shape == picture.shape
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


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
