"""Lettering: words on pictures, in Latin and Chinese writing from the font that ships here, others
if the system can.

Each character is drawn by the first font that has it: the bundled Noto Sans SC, Pillow's own, then
fonts of the system.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from medley.errors import BadInput

_BUNDLED = Path(__file__).parent / "fonts" / "NotoSansSC-Regular.woff2"
_SYSTEM = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts")
_SYSTEM_NAMES = ("NotoSansCJK", "DejaVuSans", "NotoSans", "Arial Unicode")
_TOKEN = re.compile(
    r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]+"
)
_SMALLEST = 9  # pixels; smaller letters cannot be read
_ENLARGE = (1, 2, 4, 8)
_SMALL_PICTURE = 256 * 256  # pixels; what is larger is not enlarged
_MAX_SHARE = 0.5  # of the picture's height
_BAND = (0, 0, 0, 150)

Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class _Face:
    """All fonts at one size, in the order in which they are asked."""

    fonts: tuple[Font, ...]
    size: int

    def runs(self, line: str) -> Iterator[tuple[Font, str]]:
        """The line in stretches of one font each."""
        text, current = "", self.fonts[0]
        for character in line:
            font = current if character == " " else self._font_of(character)
            if font is not current and text:
                yield current, text
                text = ""
            current = font
            text += character
        if text:
            yield current, text

    def width(self, line: str) -> float:
        """Of the line in pixels."""
        return sum(font.getlength(text) for font, text in self.runs(line))

    def _font_of(self, character: str) -> Font:
        for index, font in enumerate(self.fonts):
            if _has(index, self.size, character):
                return font
        return self.fonts[0]


@lru_cache(maxsize=32)
def _face(size: int) -> _Face:
    fonts: list[Font] = [ImageFont.truetype(str(path), size) for path in _font_files()]
    own = ImageFont.load_default(size)
    if isinstance(own, ImageFont.FreeTypeFont):
        fonts.insert(1, own)
    return _Face(tuple(fonts), size)


@lru_cache(maxsize=1)
def _font_files() -> tuple[Path, ...]:
    found = [_BUNDLED]
    for folder in map(Path, _SYSTEM):
        for name in _SYSTEM_NAMES:
            found += (
                sorted(folder.rglob(f"{name}.tt*"))[:1]
                or sorted(folder.rglob(f"{name}-Regular.*"))[:1]
            )
    return tuple(found)


@lru_cache(maxsize=8192)
def _has(font: int, size: int, character: str) -> bool:
    """Whether the font draws something else than its mark for a missing character."""
    face = _face(size).fonts[font]
    mask, missing = face.getmask(character), face.getmask("\U0010ffff")
    return mask.size != missing.size or bytes(mask) != bytes(missing)


def write_words(picture: Image.Image, words: str, *, at_top: bool = False) -> Image.Image:
    """The picture with the words in white over a dark band, as large as fits in half of its height.

    A picture that is too small for readable letters is enlarged by 2, 4 or 8. RGB in, RGB out; RGBA
    stays RGBA. Raises `BadInput` when there are no words, or too many to be read.
    """
    words = " ".join(_printable(words).split())
    if not words:
        raise BadInput("There are no words to write.")
    for factor in _ENLARGE:
        size = (picture.width * factor, picture.height * factor)
        margin = max(2, size[0] // 40)
        room = (size[0] - 2 * margin, size[1] * _MAX_SHARE)
        setting = _set(words, room, start=max(_SMALLEST, min(size[1] // 14, size[0] // 12)))
        if setting is not None or size[0] * size[1] > _SMALL_PICTURE:
            break
    if setting is None:
        raise BadInput(f"{len(words)} characters are too many to be read on this picture.")
    face, lines = setting
    if factor > 1:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    pitch = _pitch(face.size)
    height = pitch * len(lines) + margin
    top = 0 if at_top else picture.height - height
    sheet = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, top, picture.width, top + height), fill=_BAND)
    for index, line in enumerate(lines):
        x = (picture.width - face.width(line)) / 2
        baseline = top + margin / 2 + pitch * index + face.size
        for font, text in face.runs(line):
            draw.text((x, baseline), text, font=font, fill="white", anchor="ls")
            x += font.getlength(text)
    written = Image.alpha_composite(picture.convert("RGBA"), sheet)
    return written if picture.mode == "RGBA" else written.convert("RGB")


def _printable(words: str) -> str:
    """Without control characters, surrogates and emoji variation selectors."""
    return "".join(
        " " if unicodedata.category(c) == "Cc" else c
        for c in words
        if unicodedata.category(c) not in ("Cs", "Cf", "Cn", "Co") and not "\ufe00" <= c <= "\ufe0f"
    )


def _set(words: str, room: tuple[float, float], start: int) -> tuple[_Face, list[str]] | None:
    """The largest size from `start` downwards at which the words fit, and their lines there."""
    size = start
    while size >= _SMALLEST:
        if len(words) * size * size < room[0] * room[1] * 8:  # cannot fit otherwise: do not try
            face = _face(size)
            lines = _wrap(words, face, room[0])
            if len(lines) * _pitch(size) <= room[1] and all(
                face.width(li) <= room[0] for li in lines
            ):
                return face, lines
        size = min(size - 1, int(size * 0.9))
    return None


def _pitch(size: int) -> int:
    return round(size * 1.35)


def _wrap(words: str, face: _Face, width: float) -> list[str]:
    """Breaks at spaces and between Chinese characters; a word that is too wide is cut."""
    lines, line, end = [], "", 0
    for token in _TOKEN.finditer(words):
        glue = " " if line and token.start() > end else ""
        end = token.end()
        if face.width(line + glue + token[0]) <= width:
            line += glue + token[0]
            continue
        if line:
            lines.append(line)
        line = token[0]
        while face.width(line) > width and len(line) > 1:
            cut = next(
                n for n in range(len(line) - 1, 0, -1) if n == 1 or face.width(line[:n]) <= width
            )
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line]
