"""Where the emoji pictures come from, which drawing shows which concept, and their rasters."""

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from starter.concepts import CACHE, Concept, load_concepts

SIDE = 128
SOURCES = CACHE / "src"
PICTURES = CACHE / "pictures"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Vendor:
    """One family of emoji drawings: its npm package, how files are named in it, its licence."""

    name: str
    package: str
    licence: str
    layout: str = "iconify"  # "iconify": one JSON of SVG bodies; else a path with {hex}
    aliases: dict[str, str] = field(default_factory=dict)


# fxemoji names its drawings in its own way; these are the ones that the emoji's name misses.
FXEMOJI_ALIASES = {
    "1F436": "dog", "1F431": "cat", "1F42D": "mouse", "1F430": "bunny", "1F43C": "pandaface",
    "1F42F": "tiger", "1F437": "pig", "1F433": "spurtingwhale", "1F42B": "bactriancamel",
    "1F411": "sheep", "2600": "sunrays", "26A1": "lightningmood", "1F30A": "wave",
    "1F30D": "europeafricaglobe", "1F327": "raincloud", "1F346": "aubergine",
    "1F33D": "earofmaize", "1F336": "chilipepper", "1F355": "sliceofpizza",
    "1F682": "steamlocomotive", "1F3E0": "housebuilding", "1F3F0": "europeancastle",
    "260E": "blacktelephone", "1F4BB": "personalcomputer", "2702": "blackscissors",
    "1F512": "lock", "1F381": "present", "1F455": "mansshirt", "1F45F": "mensrunner",
    "1F3BE": "tennisball", "270B": "raisedhandsfingerssplayed", "1F48E": "gem",
    "1F50D": "leftmagnifyingglass", "1F434": "horseface", "1F42E": "cowface",
}  # fmt: skip
STREAMLINE_ALIASES = {
    "1F43B": "bear-face", "1F438": "frog-face", "1F981": "lion-face", "1F984": "unicorn-face",
    "1F916": "robot-face-1", "1F512": "locked-with-key", "2764": "heart-suit",
    "1F3E0": "house-with-garden", "1F6A5": "vertical-traffic-light", "26C4": "snowman",
    "1F3B2": "game-dice", "2709": "e-mail-1", "1F43C": "panda-face",
    "1F693": "oncoming-police-car", "2600": "sun-with-face", "1F42B": "camel",
}  # fmt: skip

VENDORS = {
    vendor.name: vendor
    for vendor in (
        Vendor("noto", "@iconify-json/noto", "Apache-2.0"),
        Vendor("noto-v1", "@iconify-json/noto-v1", "Apache-2.0"),
        Vendor("twemoji", "@iconify-json/twemoji", "CC-BY-4.0"),
        Vendor("openmoji", "@iconify-json/openmoji", "CC-BY-SA-4.0"),
        Vendor("emojione", "@iconify-json/emojione", "CC-BY-4.0"),
        Vendor("emojione-v1", "@iconify-json/emojione-v1", "CC-BY-SA-4.0"),
        Vendor("fluent-emoji", "@iconify-json/fluent-emoji", "MIT"),
        Vendor("fluent-emoji-flat", "@iconify-json/fluent-emoji-flat", "MIT"),
        Vendor("fluent-emoji-3d", "@lobehub/fluent-emoji-3d", "MIT", "assets/{hex}.webp"),
        Vendor(
            "streamline",
            "@iconify-json/streamline-emojis",
            "CC-BY-4.0",
            aliases=STREAMLINE_ALIASES,
        ),
        Vendor("fxemoji", "@iconify-json/fxemoji", "Apache-2.0", aliases=FXEMOJI_ALIASES),
        Vendor("fluent-mono", "@iconify-json/fluent-emoji-high-contrast", "MIT"),
        Vendor("emojione-mono", "@iconify-json/emojione-monotone", "CC-BY-4.0"),
        Vendor("openmoji-black", "openmoji", "CC-BY-SA-4.0", "black/svg/{HEX}.svg"),
    )
}


def folder_of(package: str) -> Path:
    """Where `starter.fetch` unpacks an npm package."""
    return SOURCES / package.replace("@", "").replace("/", "-")


def _slugs() -> dict[str, list[str]]:
    """Hexcode (no FE0F) to the names under which the iconify collections may hold it."""
    names: dict[str, list[str]] = {}
    for row in json.loads((folder_of("emojibase-data") / "en/data.json").read_text("utf-8")):
        names.setdefault(_bare(row["hexcode"]), []).append(row["label"].replace(" ", "-").lower())
    for collection in ("noto", "fluent-emoji-flat", "openmoji", "twemoji"):
        chars = folder_of(f"@iconify-json/{collection}") / "chars.json"
        for code, name in json.loads(chars.read_text("utf-8")).items():
            names.setdefault(_bare(code), []).append(name)
    return names


def _bare(code: str) -> str:
    return "-".join(part for part in code.upper().split("-") if part != "FE0F")


def _icon_names(vendor: Vendor, code: str, slugs: dict[str, list[str]]) -> Iterator[str]:
    if code in vendor.aliases:
        yield vendor.aliases[code]
        return
    for slug in slugs.get(code, []):
        yield slug
        yield slug.replace("-", "")
        yield f"{slug}-1"


class Drawings:
    """The drawings of one vendor, found by hexcode and rasterised."""

    def __init__(self, vendor: Vendor, slugs: dict[str, list[str]]) -> None:
        self._vendor = vendor
        self._slugs = slugs
        self._folder = folder_of(vendor.package)
        self._icons: dict[str, Any] = {}
        if vendor.layout == "iconify":
            self._icons = json.loads((self._folder / "icons.json").read_text("utf-8"))

    def get(self, code: str) -> NDArray[np.uint8] | None:
        """The picture (128, 128, 4) uint8 with straight alpha, or None where there is none."""
        if self._vendor.layout != "iconify":
            return self._from_file(code)
        for name in _icon_names(self._vendor, code, self._slugs):
            svg = self._svg(name)
            if svg is not None:
                return _rasterise(svg)
        return None

    def _svg(self, name: str) -> str | None:
        icons = self._icons["icons"]
        name = self._icons.get("aliases", {}).get(name, {}).get("parent", name)
        if name not in icons:
            return None
        icon = icons[name]
        size = [icon.get(k, self._icons.get(k, 16)) for k in ("width", "height")]
        left, top = icon.get("left", 0), icon.get("top", 0)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{size[0]}" height="{size[1]}" viewBox="{left} {top} {size[0]} {size[1]}">'
            f"{icon['body'].replace('currentColor', '#000')}</svg>"
        )

    def _from_file(self, code: str) -> NDArray[np.uint8] | None:
        for name in (code, f"{code}-FE0F"):
            path = self._folder / self._vendor.layout.format(hex=name.lower(), HEX=name)
            if path.exists() and path.suffix == ".svg":
                return _rasterise(path.read_text("utf-8"))
            if path.exists():
                return _square(path.read_bytes())
        return None


def _rasterise(svg: str) -> NDArray[np.uint8]:
    import resvg_py

    return _square(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=2 * SIDE)))


def _square(data: bytes) -> NDArray[np.uint8]:
    """Trim transparent borders and centre the drawing in a square with a small margin."""
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    box = picture.getchannel("A").point(lambda a: 255 if a > 8 else 0).getbbox()
    picture = picture.crop(box) if box else picture
    scale = (SIDE - 8) / max(picture.size)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    canvas = Image.new("RGBA", (SIDE, SIDE))
    small = picture.resize(size, Image.Resampling.LANCZOS)
    canvas.paste(small, ((SIDE - size[0]) // 2, (SIDE - size[1]) // 2))
    return np.asarray(canvas, dtype=np.uint8).copy()


def _rows(
    drawings: Drawings, concepts: tuple[Concept, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], list[NDArray[np.uint8]], list[int]]:
    rgba = np.zeros((len(concepts), SIDE, SIDE, 4), dtype=np.uint8)
    present = np.zeros(len(concepts), dtype=np.bool_)
    also: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for label, concept in enumerate(concepts):
        picture = drawings.get(concept.hexcode)
        if picture is not None:
            rgba[label], present[label] = picture, True
        for code in concept.also:
            other = drawings.get(code)
            if other is not None:
                also.append(other)
                labels.append(label)
    return rgba, present, also, labels


def build_pictures() -> None:
    """Rasterise every vendor into `cache/pictures/{vendor}.npz`; skips those already there."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    slugs = _slugs()
    concepts = load_concepts()
    for vendor in VENDORS.values():
        target = PICTURES / f"{vendor.name}.npz"
        if target.exists():
            continue
        rgba, present, also, labels = _rows(Drawings(vendor, slugs), concepts)
        also_rgba = np.stack(also) if also else np.zeros((0, SIDE, SIDE, 4), dtype=np.uint8)
        part = target.with_suffix(".part.npz")
        np.savez_compressed(
            part, rgba=rgba, present=present, also_rgba=also_rgba, also_label=np.array(labels, int)
        )
        part.replace(target)
        missing = [c.id for c, there in zip(concepts, present, strict=True) if not there]
        log.info("%-18s %3d concepts, missing %s", vendor.name, present.sum(), missing)
