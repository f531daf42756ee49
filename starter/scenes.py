"""Scenes behind the drawings that are too slow to make for each picture: windows with text,
clutter, clouded noise. Painted once at high resolution, then cut out at random.
"""

import random
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from torch import Tensor

BANK, BANK_SIDE = 1500, 88  # pictures, and their side in pixels
_SIDE = 352  # painted so large, then shrunk as a camera or a screenshot would be
_LETTERS = "aaaabcdeeeefghiiijklmnnooopqrsssttuuvwxyz"


@cache
def scene_bank() -> Tensor:
    """(BANK, 3, BANK_SIDE, BANK_SIDE) uint8; the same ones in each process."""
    dice = random.Random(20_261)
    makers = (_window, _page, _clutter, _clutter, _clouds, _clouds)
    made = [makers[place % len(makers)](dice) for place in range(BANK)]
    small = [
        np.asarray(picture.resize((BANK_SIDE, BANK_SIDE), Image.Resampling.BOX)) for picture in made
    ]
    return torch.from_numpy(np.stack(small)).permute(0, 3, 1, 2).contiguous()


def cut_scenes(count: int, size: int, generator: torch.Generator | None) -> Tensor:
    """Random cuts of random scenes, some mirrored: (count, 3, size, size) float in 0..1."""
    bank = scene_bank()
    chosen = torch.randint(len(bank), (count,), generator=generator)
    at = torch.randint(BANK_SIDE - size + 1, (2, count), generator=generator)
    axis = torch.arange(size)
    rows, columns = at[0, :, None] + axis, at[1, :, None] + axis
    mirrored = torch.rand(count, generator=generator) < 0.5
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    cut = bank[chosen[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2).float() / 255


def _colour(dice: random.Random, low: int = 0, high: int = 255) -> tuple[int, int, int]:
    return (dice.randint(low, high), dice.randint(low, high), dice.randint(low, high))


def _inks(dice: random.Random) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Paper and ink of a window: light, dark or in colour."""
    kind = dice.random()
    if kind < 0.5:
        return _colour(dice, 235, 255), _colour(dice, 0, 130)
    if kind < 0.85:
        return _colour(dice, 10, 60), _colour(dice, 140, 255)
    return _colour(dice), _colour(dice)


def _words(dice: random.Random, letters: int) -> str:
    text = ""
    while len(text) < letters:
        text += "".join(dice.choices(_LETTERS, k=dice.randint(1, 9))) + " "
    return text[:letters].capitalize() if dice.random() < 0.3 else text[:letters]


def _lines(
    pen: ImageDraw.ImageDraw,
    dice: random.Random,
    box: tuple[int, int, int, int],
    ink: tuple[int, ...],
) -> None:
    """Paragraphs in a box: ragged, indented, with gaps between them."""
    left, top, right, bottom = box
    points = dice.uniform(9, 26)
    font = ImageFont.load_default(points)
    pitch = points * dice.uniform(1.05, 1.8)
    while top + pitch < bottom:
        if dice.random() < 0.12:
            top += int(pitch)
            continue
        indent = dice.choice((0, 0, 0, 1, 2)) * points
        room = max(int((right - left - indent) / (points * 0.5)), 1)
        share = dice.choice((1.0, 1.0, dice.random()))
        pen.text((left + indent, top), _words(dice, max(int(room * share), 1)), ink, font)
        top += int(pitch)


def _window(dice: random.Random) -> Image.Image:
    """Part of a screen: bars, side panels, buttons, text."""
    paper, ink = _inks(dice)
    picture = Image.new("RGB", (_SIDE, _SIDE), paper)
    pen = ImageDraw.Draw(picture)
    top, left = 0, 0
    if dice.random() < 0.7:
        top = dice.randint(12, 60)
        pen.rectangle((0, 0, _SIDE, top), _colour(dice))
        for place in range(dice.randint(0, 5)):
            middle, radius = (16 + place * dice.randint(18, 40), top // 2), dice.randint(3, 9)
            box = [middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius]
            (pen.ellipse if dice.random() < 0.6 else pen.rectangle)(box, _colour(dice))
    if dice.random() < 0.4:
        left = dice.randint(40, 130)
        pen.rectangle((0, top, left, _SIDE), _colour(dice))
        _lines(pen, dice, (6, top + 6, left, _SIDE), ink)
    _lines(pen, dice, (left + 8, top + 8, _SIDE - 4, _SIDE), ink)
    for _ in range(dice.randint(0, 5)):
        x, y = dice.randint(0, _SIDE), dice.randint(0, _SIDE)
        box = [x, y, x + dice.randint(20, 140), y + dice.randint(12, 60)]
        pen.rounded_rectangle(
            box, dice.randint(0, 12), _colour(dice), _colour(dice), dice.randint(0, 3)
        )
    return picture


def _page(dice: random.Random) -> Image.Image:
    """Text in one or more columns, or a table."""
    paper, ink = _inks(dice)
    picture = Image.new("RGB", (_SIDE, _SIDE), paper)
    pen = ImageDraw.Draw(picture)
    columns = dice.randint(1, 3)
    wide = _SIDE // columns
    for column in range(columns):
        _lines(
            pen, dice, (column * wide + 5, dice.randint(0, 60), (column + 1) * wide - 5, _SIDE), ink
        )
    if dice.random() < 0.35:
        pitch, line = dice.randint(16, 60), _colour(dice)
        for at in range(dice.randint(0, pitch), _SIDE, pitch):
            pen.line((0, at, _SIDE, at), line, dice.randint(1, 3))
            if dice.random() < 0.5:
                pen.line((at, 0, at, _SIDE), line, dice.randint(1, 3))
    return picture


def _clutter(dice: random.Random) -> Image.Image:
    """Overlapping shapes in many colours, partly out of focus, over clouds."""
    picture = _clouds(dice)
    pen = ImageDraw.Draw(picture)
    few = dice.random() < 0.5
    for _ in range(dice.randint(3, 10) if few else dice.randint(10, 60)):
        x, y = dice.randint(-60, _SIDE), dice.randint(-60, _SIDE)
        size = dice.randint(10, 260 if few else 90)
        box = [x, y, x + size, y + int(size * dice.uniform(0.3, 2.0))]
        kind = dice.random()
        if kind < 0.35:
            pen.ellipse(box, _colour(dice))
        elif kind < 0.6:
            pen.rectangle(box, _colour(dice))
        elif kind < 0.85:
            points = [
                (x + dice.randint(-size, size), y + dice.randint(-size, size))
                for _ in range(dice.randint(3, 6))
            ]
            pen.polygon(points, _colour(dice))
        else:
            pen.line([*box[:2], *box[2:]], _colour(dice), dice.randint(1, 14))
    return picture.filter(ImageFilter.GaussianBlur(dice.choice((0, 0, 1, 2, 5, 9))))


def _clouds(dice: random.Random) -> Image.Image:
    """Noise whose power falls with frequency as in photographs (1/f to 1/f^2), partly in colour."""
    side = _SIDE // 2
    noise = np.random.default_rng(dice.getrandbits(32)).normal(size=(4, side, side))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]) + 1 / side
    shaped = np.fft.ifft2(np.fft.fft2(noise) * frequency ** -dice.uniform(0.6, 1.9)).real
    shaped /= shaped.std(axis=(1, 2), keepdims=True)
    tint = dice.uniform(0.1, 1.0)
    layers = shaped[:1] + tint * shaped[1:]
    middle = np.array(_colour(dice, 30, 225), float)[:, None, None]
    pixels: NDArray[np.float64] = middle + dice.uniform(15, 75) * layers
    small = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    return small.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
