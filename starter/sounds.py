"""Simple sounds of things, made by arithmetic: bells, drums, sirens, rain, a bark, a meow.

They are sketches, not recordings. Each recipe draws its own pitch, pace and colour from a
random generator, so that no two renderings are equal.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from starter.synth import (
    BUZZ,
    RATE,
    SAMPLES,
    TIME,
    Dice,
    Wave,
    band,
    beats,
    decay,
    formants,
    swell,
    tone,
)


def bell(dice: Dice) -> Wave:
    """One or two strokes with the inharmonic partials of a struck bell."""
    base = dice.uniform(350, 900)
    strokes = [0.02] if dice.random() < 0.5 else [0.02, dice.uniform(0.5, 0.9)]
    partials = ((0.5, 1.0), (1.0, 1.0), (1.2, 0.8), (1.5, 0.5), (2.0, 0.7), (2.7, 0.4), (4.1, 0.2))
    ring = [tone(base * r) * g * decay(s, 0.9 / r) for r, g in partials for s in strokes]
    return np.asarray(np.sum(ring, axis=0))


def drum(dice: Dice) -> Wave:
    """A steady beat of falling thumps with a rattle."""
    base, wave = dice.uniform(70, 130), np.zeros(SAMPLES)
    snare = band(dice, 1500, 6000)
    for k, start in enumerate(beats(dice, 2.5, 5)):
        bend = base * (1 + 1.5 * np.exp(-np.maximum(TIME - start, 0) / 0.03))
        wave += tone(bend) * decay(start, 0.12)
        wave += (0.3 if k % 2 else 0.05) * snare * decay(start, 0.07)
    return wave


def rain(dice: Dice) -> Wave:
    """A steady rush with single drops in it."""
    wave = 0.3 * band(dice, 1000, 7000)
    for start in dice.uniform(0, 1.9, 60):
        wave += tone(dice.uniform(1500, 5000)) * decay(start, 0.006, 0.001)
    return wave


def clock(dice: Dice) -> Wave:
    """Tick, tock."""
    wave, base = np.zeros(SAMPLES), dice.uniform(1800, 3200)
    click = band(dice, 1500, 6000)
    for k, start in enumerate(beats(dice, 2, 4)):
        pitch = base * (1 if k % 2 else 0.75)
        wave += (tone(pitch) + 0.6 * click) * decay(start, 0.012, 0.001)
    return wave


def telephone(dice: Dice) -> Wave:
    """An old bell telephone: two gongs struck in turn, with a pause."""
    pitch = dice.uniform(900, 1400)
    strike = 0.6 + 0.4 * np.sin(2 * np.pi * dice.uniform(18, 26) * TIME)
    stop, again = dice.uniform(0.8, 1.1), dice.uniform(1.5, 1.7)
    ring = (stop > TIME) | (again < TIME)
    return np.asarray((tone(pitch, (1, 0.4, 0.3)) + tone(pitch * 1.26, (1, 0.4))) * strike * ring)


def piano(dice: Dice) -> Wave:
    """A few notes of a major scale, struck and fading."""
    base, wave = dice.uniform(200, 400), np.zeros(SAMPLES)
    for start in np.arange(0.02, 1.7, dice.uniform(0.25, 0.45)):
        note = base * 2 ** (dice.choice([0, 2, 4, 5, 7, 9, 12]) / 12)
        wave += tone(note, (1, 0.5, 0.3, 0.2, 0.1)) * decay(start, 0.4, 0.003)
    return wave


def guitar(dice: Dice) -> Wave:
    """Plucked strings (Karplus and Strong, 1983), strummed as a chord."""
    base, wave = dice.uniform(90, 160), np.zeros(SAMPLES)
    for k, ratio in enumerate((1, 1.5, 2, 2.52, 3)):
        period = int(RATE / (base * ratio))
        string = dice.uniform(-1, 1, period)
        out = np.zeros(SAMPLES)
        for start in range(int(k * 0.04 * RATE), SAMPLES, period):
            size = min(period, SAMPLES - start)
            out[start : start + size] = string[:size]
            string = 0.996 * 0.5 * (string + np.roll(string, 1))
        wave += out
    return wave


def trumpet(dice: Dice) -> Wave:
    """A short fanfare of bright notes."""
    base, wave, start = dice.uniform(250, 400), np.zeros(SAMPLES), 0.02
    for step in (0, 0, 0, 7, 4, 12):
        length = dice.uniform(0.15, 0.4)
        wave += tone(base * 2 ** (step / 12), (0.6, 1, 1, 0.8, 0.6, 0.5, 0.3)) * swell(
            start, length
        )
        start += length
    return wave


def violin(dice: Dice) -> Wave:
    """A long bowed note with vibrato."""
    vibrato = 1 + 0.01 * np.sin(2 * np.pi * dice.uniform(5, 7) * TIME)
    note = dice.uniform(400, 800) * vibrato
    return formants(tone(note, BUZZ), (500, 1000, 2700), 300) * swell(0, 2) ** 0.4


def wave(dice: Dice) -> Wave:
    """Water that swells, breaks and draws back."""
    return band(dice, 150, dice.uniform(1200, 2500)) * swell(-0.3, dice.uniform(2.0, 2.6)) ** 2


def fire(dice: Dice) -> Wave:
    """A low roar with crackles."""
    sound = 0.15 * band(dice, 60, 500)
    snap = band(dice, 1500, 7000)
    for start in dice.uniform(0, 1.95, int(dice.integers(15, 35))):
        sound += dice.uniform(0.2, 1) * snap * decay(start, 0.004, 0.001)
    return np.asarray(sound)


def bee(dice: Dice) -> Wave:
    """A buzz that wavers as it flies."""
    path = np.sin(2 * np.pi * dice.uniform(0.4, 1.2) * TIME + dice.uniform(0, 6))
    pitch = dice.uniform(180, 240) * (1 + 0.08 * path)
    return formants(tone(pitch, BUZZ), (700, 2400), 400) * (0.7 + 0.3 * path)


def train(dice: Dice) -> Wave:
    """Puffs of steam and a whistle."""
    puff, sound = band(dice, 200, 2500), np.zeros(SAMPLES)
    for start in beats(dice, 3, 6):
        sound += puff * decay(start, 0.07, 0.02)
    whistle = sum(tone(dice.uniform(0.98, 1.02) * f, (1, 0.3)) for f in (440, 554, 660))
    return np.asarray(sound + 0.4 * whistle * swell(0.6, 1.2))


def helicopter(dice: Dice) -> Wave:
    """Blades that chop the air."""
    chop = np.maximum(0, np.sin(2 * np.pi * dice.uniform(9, 14) * TIME)) ** 4
    return np.asarray(band(dice, 60, 900) * chop + 0.2 * tone(dice.uniform(80, 110), BUZZ))


def heart(dice: Dice) -> Wave:
    """Lub, dub."""
    sound, base = np.zeros(SAMPLES), dice.uniform(45, 70)
    for start in beats(dice, 1.0, 1.8):
        sound += tone(base, (1, 0.5, 0.2)) * decay(start, 0.06, 0.02)
        sound += 0.8 * tone(base * 1.3, (1, 0.4)) * decay(start + 0.22, 0.05, 0.02)
    return sound


def lightning(dice: Dice) -> Wave:
    """A crack, then rolling thunder."""
    roll = 1 + 0.6 * np.sin(2 * np.pi * dice.uniform(2, 5) * TIME + dice.uniform(0, 6))
    crack = band(dice, 500, 6000) * decay(0.02, 0.05)
    return crack + 1.5 * band(dice, 30, 160) * decay(0.08, 0.8, 0.05) * roll


def bird(dice: Dice) -> Wave:
    """Chirps that sweep up and down."""
    sound, base = np.zeros(SAMPLES), dice.uniform(2500, 4200)
    for start in beats(dice, 2.5, 5):
        inside = np.clip((TIME - start) / 0.15, 0, 1)
        sound += tone(base * (1 + 0.35 * np.sin(np.pi * 2 * inside))) * swell(start, 0.15)
    return sound


def ambulance(dice: Dice) -> Wave:
    """A two-tone horn."""
    high = np.floor(TIME * dice.uniform(1.6, 2.6)) % 2
    return tone(dice.uniform(420, 470) * (1 + 0.33 * high), (1, 0.7, 0.6, 0.4, 0.3))


def police_car(dice: Dice) -> Wave:
    """A wailing siren."""
    sweep = np.sin(2 * np.pi * dice.uniform(0.5, 1.3) * TIME + dice.uniform(0, 6))
    return tone(dice.uniform(850, 1050) * (1 + 0.4 * sweep), (1, 0.5, 0.4, 0.2))


def frog(dice: Dice) -> Wave:
    """Croaks."""
    sound, pitch = np.zeros(SAMPLES), dice.uniform(70, 110)
    for start in beats(dice, 1.3, 2.4):
        sound += tone(pitch, BUZZ) * swell(start, 0.25)
    return formants(sound, (600, 1600), 150)


def dog(dice: Dice) -> Wave:
    """Barks."""
    sound, pitch = np.zeros(SAMPLES), dice.uniform(220, 420)
    rough = band(dice, 300, 2500)
    for start in beats(dice, 1.5, 3):
        inside = np.clip((TIME - start) / 0.16, 0, 1)
        voice = tone(pitch * (1 + 0.5 * np.sin(np.pi * inside)), BUZZ) + 0.8 * rough
        sound += voice * swell(start, 0.16)
    return formants(sound, (650, 1300), 200)


def cat(dice: Dice) -> Wave:
    """A meow: the pitch rises and falls while the mouth opens and closes."""
    start, length = dice.uniform(0, 0.4), dice.uniform(0.8, 1.3)
    inside = np.clip((TIME - start) / length, 0, 1)
    voice = tone(dice.uniform(450, 650) * (1 + 0.4 * np.sin(np.pi * inside**0.7)), BUZZ)
    closed, opened = formants(voice, (500, 2200), 150), formants(voice, (1100, 1700), 200)
    mouth = np.sin(np.pi * inside)
    return np.asarray((closed * (1 - mouth) + opened * mouth) * swell(start, length))


def cow(dice: Dice) -> Wave:
    """A long low moo."""
    inside = np.clip(TIME / 1.8, 0, 1)
    voice = tone(dice.uniform(110, 160) * (1 + 0.25 * np.sin(np.pi * inside)), BUZZ)
    return formants(voice, (350, 800), 120) * swell(0, dice.uniform(1.5, 2.0))


def horse(dice: Dice) -> Wave:
    """Hooves at a gallop."""
    sound, clop = np.zeros(SAMPLES), dice.uniform(500, 900)
    for start in beats(dice, 1.8, 2.6):
        for k in range(3):
            strike = decay(start + 0.11 * k, 0.02, 0.002)
            sound += (tone(clop * (1 + 0.1 * k)) + 0.5 * band(dice, 300, 1500)) * strike
    return sound


def water_drop(dice: Dice) -> Wave:
    """Drips with a rising blip."""
    sound = np.zeros(SAMPLES)
    for start in beats(dice, 1, 3):
        since = np.maximum(TIME - start, 0)
        sound += tone(dice.uniform(700, 1100) * (1 + 6 * since)) * decay(start, 0.035)
    return sound


def ship(dice: Dice) -> Wave:
    """A foghorn."""
    return tone(dice.uniform(70, 110), BUZZ) * swell(0, dice.uniform(1.6, 2.2)) ** 0.3


SOUNDS: dict[str, Callable[[Dice], Wave]] = {
    recipe.__name__.replace("_", "-"): recipe
    for recipe in (
        bell, drum, rain, clock, telephone, piano, guitar, trumpet, violin, wave, fire, bee,
        train, helicopter, heart, lightning, bird, ambulance, police_car, frog, dog, cat, cow,
        horse, water_drop, ship,
    )
}  # fmt: skip


def make_sound(concept_id: str, dice: Dice) -> NDArray[np.int16]:
    """One rendering of a concept's sound: (32000,) int16 at 16 kHz. KeyError where it has none."""
    samples = SOUNDS[concept_id](dice)
    peak = max(1e-6, float(np.abs(samples).max()))
    return (samples * (0.7 * 32767 / peak)).astype(np.int16)
