"""Inputs for the evaluation that no training has seen, as the product meets them: files' contents.

Pictures are painted by code of their own, apart from the training's augmentation: odd sizes,
window frames with lines of text, photo-like noise, JPEG. Sounds come from held-out voices.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance

from medley.media.values import Audio
from starter.pictures import augment, flatten, load_vendor
from starter.speech import Speech, Split, augment_speech, load_speech
from starter.voices import RATE

SEED = 77_001


@dataclass(frozen=True)
class Items:
    """Decoded inputs and the label of each."""

    values: list[Image.Image] | list[Audio]
    labels: NDArray[np.int64]


def _picture(rgb: torch.Tensor) -> Image.Image:
    return Image.fromarray((rgb.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())


def _pick(vendors: tuple[str, ...], each: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`each` drawings of every concept by changing vendors, only main drawings."""
    dice = np.random.default_rng(seed)
    loaded = [load_vendor(name) for name in vendors]
    rows, labels = [], []
    for label in range(len(loaded[0][1])):
        having = [rgba[label] for rgba, present in loaded if present[label]]
        if having:
            rows += [having[int(dice.integers(len(having)))] for _ in range(each)]
            labels += [label] * each
    return torch.stack(rows), torch.tensor(labels)


def plain(vendors: tuple[str, ...]) -> Items:
    """The vendors' drawings as they are, on white, 128 pixels."""
    rgba, labels = _pick(vendors, 1, SEED)
    return Items([_picture(p) for p in flatten(rgba, 128)], labels.numpy())


def rendered(vendors: tuple[str, ...], each: int = 3) -> Items:
    """New renderings by the training's own augmentation, with seeds of their own."""
    rgba, labels = _pick(vendors, each, SEED + 1)
    made = augment(rgba, 64, torch.Generator().manual_seed(SEED + 2))
    return Items([_picture(p) for p in made], labels.numpy())


def painted(vendors: tuple[str, ...], each: int = 3) -> Items:
    """New renderings by other code than the training's: see `paint`."""
    rgba, labels = _pick(vendors, each, SEED + 3)
    dice = np.random.default_rng(SEED + 4)
    made = [paint(Image.fromarray(p.permute(1, 2, 0).numpy()), dice) for p in rgba]
    return Items(made, labels.numpy())


def paint(drawing: Image.Image, dice: np.random.Generator) -> Image.Image:
    """Put an RGBA drawing into a scene: place, size, turn, background, light, noise, JPEG."""
    short = int(dice.integers(120, 420))
    long = int(short * dice.uniform(1.0, 1.35))
    size = (long, short) if dice.random() < 0.5 else (short, long)
    scene = _scene(size, dice)
    side = int(short * dice.uniform(0.45, 0.95))
    turned = drawing.resize((side, side), Image.Resampling.BICUBIC)
    turned = turned.rotate(float(dice.normal(0, 10)), Image.Resampling.BICUBIC)
    room = max(0, (short - side) // 2)
    left, top = (
        (edge - side) // 2 + int(dice.integers(-room, room + 1)) for edge in size
    )  # within the square in the middle
    scene.paste(turned, (left, top), turned)
    for change in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        scene = change(scene).enhance(float(dice.uniform(0.65, 1.35)))
    noise = dice.normal(0, dice.uniform(0, 14), (size[1], size[0], 3))
    pixels = np.clip(np.asarray(scene, float) + noise, 0, 255).astype(np.uint8)
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "JPEG", quality=int(dice.integers(35, 96)))
    return Image.open(stored).convert("RGB")


def _scene(size: tuple[int, int], dice: np.random.Generator) -> Image.Image:
    kind = dice.choice(["plain", "ramp", "photo", "screen"], p=[0.3, 0.2, 0.25, 0.25])
    first, second = (tuple(int(c) for c in dice.integers(0, 256, 3)) for _ in range(2))
    if kind == "plain":
        return Image.new("RGB", size, first)
    if kind == "ramp":
        mask = Image.linear_gradient("L").rotate(90 * int(dice.integers(4))).resize(size)
        return Image.composite(Image.new("RGB", size, first), Image.new("RGB", size, second), mask)
    if kind == "photo":
        scene = np.full((size[1], size[0], 3), 128.0)
        for cells in (3, 7, 17, 41):
            layer = dice.normal(0, 80 / math.sqrt(cells), (cells, cells, 1))
            layer = layer + dice.normal(0, 30 / math.sqrt(cells), (cells, cells, 3))
            small = Image.fromarray(np.clip(layer + 128, 0, 255).astype(np.uint8))
            scene += np.asarray(small.resize(size, Image.Resampling.BICUBIC), float) - 128
        return Image.fromarray(np.clip(scene, 0, 255).astype(np.uint8))
    return _screen(size, dice)


def _screen(size: tuple[int, int], dice: np.random.Generator) -> Image.Image:
    """A screenshot of a light or dark window with a title bar and lines of text."""
    dark = dice.random() < 0.4
    paper, ink = ((30, 32, 36), (190, 190, 195)) if dark else ((250, 250, 252), (90, 90, 95))
    scene = Image.new("RGB", size, paper)
    pen = ImageDraw.Draw(scene)
    bar = int(dice.integers(10, 26))
    pen.rectangle((0, 0, size[0], bar), fill=tuple(int(c) for c in dice.integers(60, 220, 3)))
    for k, colour in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        pen.ellipse((6 + 12 * k, bar / 2 - 4, 14 + 12 * k, bar / 2 + 4), fill=colour)
    for top in range(bar + 8, size[1] - 8, int(dice.integers(9, 18))):
        text = "".join(dice.choice(list("abcdefghij klmnop qrstuv wxyz"), 60))
        pen.text((6, top), text[: int(dice.integers(8, 60))], fill=ink)
    return scene


def spoken(split: Split, language: str, each: int = 3, kind: str = "name") -> Items:
    """What held-out voices say of each concept's main name, `each` renderings, as they are."""
    speech = load_speech(split)
    return _sounds(speech, _rows(speech, language, kind, each), None)


def spoken_in_noise(split: Split, language: str, each: int = 2, kind: str = "name") -> Items:
    """The same through rooms, narrow bands and noise."""
    speech = load_speech(split)
    rows = _rows(speech, language, kind, each)
    return _sounds(speech, rows, torch.Generator().manual_seed(SEED + 5))


def _rows(speech: Speech, language: str, kind: str, each: int) -> torch.Tensor:
    fits = np.flatnonzero((speech.language == language) & (speech.kind == kind))
    labels = speech.label.numpy()[fits]
    kept = [place for label in np.unique(labels) for place in fits[labels == label][:each]]
    return torch.tensor(kept)


def _sounds(speech: Speech, rows: torch.Tensor, dice: torch.Generator | None) -> Items:
    pcm = speech.rows(rows)
    wave = pcm.float() / 32768
    if dice is not None:
        wave = torch.cat([augment_speech(part, dice) for part in pcm.split(64)])
    values = [Audio(samples=w[None].numpy(), rate=RATE) for w in wave]
    return Items(values, speech.label[rows].numpy())
