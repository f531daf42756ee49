"""Tools on pictures: size, cut, turn, sheet, words, file format."""

import io
import math
from collections.abc import Mapping
from typing import Any

from PIL import Image, ImageChops, ImageOps

from generators.media.lettering import write_words
from generators.media.work import MAX_PIXELS, Work
from medley.errors import BadInput
from medley.media.values import Encoded
from medley.media.video import flat
from medley.toolset.media import (
    CaptionParams,
    CollageParams,
    ConvertImageParams,
    CropParams,
    ResizeParams,
    RotateParams,
)

_LANCZOS = Image.Resampling.LANCZOS


def resize(work: Work) -> Mapping[str, Any]:
    """Resamples with a Lanczos filter; small drawings that grow stay smooth."""
    picture, wanted = work.one("image", Image.Image), work.params(ResizeParams)
    if wanted.scale is not None:
        if wanted.width or wanted.height:
            raise BadInput("Give a size or a scale, not both.")
        width, height = picture.width * wanted.scale, picture.height * wanted.scale
    elif wanted.width and wanted.height:
        width, height = wanted.width, wanted.height
    elif wanted.width:
        width, height = wanted.width, wanted.width * picture.height / picture.width
    elif wanted.height:
        width, height = wanted.height * picture.width / picture.height, wanted.height
    else:
        raise BadInput("Say how big: width, height or scale.")
    size = (max(1, round(width)), max(1, round(height)))
    if size[0] * size[1] > MAX_PIXELS:
        raise BadInput(f"{size[0]} x {size[1]} pixels are more than {MAX_PIXELS}.")
    return {"image": picture.resize(size, _LANCZOS)}


def crop(work: Work) -> Mapping[str, Any]:
    """Cuts out a rectangle that is at least one pixel."""
    picture, edges = work.one("image", Image.Image), work.params(CropParams)
    if edges.right <= edges.left or edges.bottom <= edges.top:
        raise BadInput("The rectangle is empty: right must exceed left, bottom must exceed top.")
    left, top = int(edges.left * picture.width), int(edges.top * picture.height)
    right = max(left + 1, round(edges.right * picture.width))
    bottom = max(top + 1, round(edges.bottom * picture.height))
    return {"image": picture.crop((left, top, right, bottom))}


def rotate(work: Work) -> Mapping[str, Any]:
    """Turns counter-clockwise; quarter turns are exact, others leave transparent corners."""
    picture, turn = work.one("image", Image.Image), work.params(RotateParams).degrees % 360
    exact = {
        0: None,
        90: Image.Transpose.ROTATE_90,
        180: Image.Transpose.ROTATE_180,
        270: Image.Transpose.ROTATE_270,
    }
    if turn in exact:
        method = exact[int(turn)]
        return {"image": picture.transpose(method) if method is not None else picture.copy()}
    if picture.width * picture.height * 2 > MAX_PIXELS:
        raise BadInput("The picture is too big to be turned by this angle.")
    turned = picture.convert("RGBA").rotate(turn, Image.Resampling.BICUBIC, expand=True)
    return {"image": turned}


def collage(work: Work) -> Mapping[str, Any]:
    """A white sheet of cells; every picture is shown whole, and a row is as high as its highest."""
    pictures, wanted = work.many("images", Image.Image), work.params(CollageParams)
    columns = min(wanted.columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    cell, gap = wanted.cell, wanted.gap
    fitted = []
    for index, picture in enumerate(pictures):
        work.control.tick(index, len(pictures))
        fitted.append(ImageOps.contain(flat(picture), (cell, cell), _LANCZOS))
    rows = [fitted[start : start + columns] for start in range(0, len(fitted), columns)]
    heights = [max(picture.height for picture in row) for row in rows]
    size = (columns * (cell + gap) + gap, sum(heights) + gap * (len(rows) + 1))
    sheet = Image.new("RGB", size, "white")
    top = gap
    for row, height in zip(rows, heights, strict=True):
        for column, picture in enumerate(row):
            left = gap + column * (cell + gap) + (cell - picture.width) // 2
            sheet.paste(picture, (left, top + (height - picture.height) // 2))
        top += height + gap
    return {"image": sheet}


def caption(work: Work) -> Mapping[str, Any]:
    """Writes words over a dark band at the top or bottom of the picture."""
    picture, words = work.one("image", Image.Image), work.one("text", str)
    place = work.params(CaptionParams).place
    return {"image": write_words(picture, words, at_top=place == "top")}


def convert_image(work: Work) -> Mapping[str, Any]:
    """The picture as PNG, JPEG (transparency turns white) or WebP."""
    picture, params = work.one("image", Image.Image), work.params(ConvertImageParams)
    wanted, quality = params.format, params.quality
    buffer = io.BytesIO()
    if wanted == "jpeg":
        flat(picture).save(
            buffer, "JPEG", quality=92 if quality is None else quality, optimize=True
        )
    elif wanted == "webp":
        if max(picture.size) > 16_383:
            raise BadInput("WebP pictures have at most 16,383 pixels a side.")
        picture.save(buffer, "WEBP", quality=90 if quality is None else quality)
    else:
        picture.save(buffer, "PNG", optimize=True)
    return {"image": Encoded(media_type=f"image/{wanted}", data=buffer.getvalue())}


def alpha_mask(work: Work) -> Mapping[str, Any]:
    """White where the picture is transparent, black where it is not, grey in between."""
    picture = work.one("image", Image.Image)
    if "A" not in picture.getbands():
        raise BadInput("Nothing in this picture is transparent, so the mask leaves all as it is.")
    return {"image": ImageChops.invert(picture.getchannel("A")).convert("RGB")}
