"""Make the two files of `make demo` from the recipe's data: `python demo/make.py [--picture ID]
[--word WORD]`.

The picture is a drawing of one vendor at a size, place, turn and background of its own; the word is
said by a voice that no training hears. Both are small and are committed; this says where they come
from.
"""

import argparse
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image, ImageFilter

from starter.concepts import CACHE, label_of
from starter.synthesizers import Espeak, Saying

HERE = Path(__file__).parent
SIDE = 320  # pixels of the picture


def background() -> Image.Image:
    """A warm wall above a wooden floor, with a soft edge."""
    rows = np.linspace(0.0, 1.0, SIDE)[:, None, None]
    wall = np.array([236.0, 226.0, 205.0]) - 26.0 * rows
    floor = np.array([176.0, 140.0, 104.0]) + 24.0 * rows
    pixels = np.where(rows < 0.72, wall, floor) * np.ones((SIDE, SIDE, 1))
    return Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.GaussianBlur(3))


def picture(concept: str, vendor: str) -> Image.Image:
    """The vendor's drawing of a concept, turned and set off centre."""
    drawings = np.load(CACHE / "pictures" / f"{vendor}.npz")["rgba"]
    drawing = Image.fromarray(drawings[label_of(concept)], "RGBA")
    drawing = drawing.resize((196, 196), Image.Resampling.LANCZOS)
    drawing = drawing.rotate(-7, Image.Resampling.BICUBIC, expand=True)
    scene = background()
    scene.paste(drawing, (72, 84), drawing)
    return scene


def spoken(word: str, voice: str) -> tuple[np.ndarray, int]:
    """The word with a short silence around it: samples in -1..1 and their rate."""
    espeak = Espeak()
    saying = Saying(0, word, "en", "name", "espeak", voice, 150.0, 45.0)
    samples = espeak.say(saying)
    silence = np.zeros(int(0.15 * espeak.rate))
    return np.concatenate([silence, 0.8 * samples, silence]), espeak.rate


def main() -> None:
    """Write `picture.png` and `sound.wav` beside this file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--picture", default="penguin")
    options.add_argument("--vendor", default="noto")
    options.add_argument("--word", default="sunflower")
    options.add_argument("--voice", default="en-us+f4")
    chosen = options.parse_args()
    picture(chosen.picture, chosen.vendor).save(HERE / "picture.png", optimize=True)
    samples, rate = spoken(chosen.word, chosen.voice)
    soundfile.write(HERE / "sound.wav", samples, rate, subtype="PCM_16")


if __name__ == "__main__":
    main()
