"""Pictures and masks as inputs: at what size they are worked on, and how the result is put back.

A network draws well near the size that it was trained on. A picture is brought there, redrawn, and
a part that was redrawn is put back into the whole picture, whose other pixels stay as they were.
"""

from typing import Any

from PIL import Image, ImageOps

from medley.backend import ModelSpec, Request
from medley.errors import BadInput, MedleyError
from medley.media.video import flat

_SMALLEST = 64  #: side in pixels below which instruction editors refuse a picture


def fault_of_pictures(request: Request, *, masked: bool) -> MedleyError | None:
    """Why this request's picture or mask cannot be used, or None."""
    if not isinstance(request.inputs.get("image"), Image.Image):
        return BadInput("A picture is needed.")
    others = request.inputs.get("references") or ()
    if not all(isinstance(one, Image.Image) for one in others):
        return BadInput("References are pictures.")
    if not masked:
        return None
    mask = request.inputs.get("mask")
    if not isinstance(mask, Image.Image):
        return BadInput("A mask is needed: white where the picture may change.")
    if binary(mask).getbbox() is None:
        return BadInput("The mask is black everywhere: nothing may change.")
    return None


def has_references(request: Request) -> bool:
    """Whether there are further pictures that the words may speak of."""
    return bool(request.inputs.get("references"))


def references_for(request: Request) -> list[Image.Image]:
    """The further pictures in RGB, in their own sizes where the network can read those."""
    return [_large_enough(flat(one)) for one in request.inputs.get("references") or ()]


def working_size(request: Request, pipeline: Any, model: ModelSpec) -> tuple[int, int]:
    """Width and height at which a picture is redrawn: what was asked for, else the picture's shape
    with about as many pixels as the network was trained on; in any case in whole multiples of the
    option `multiple_of` (16 by default).
    """
    picture = request.inputs["image"]
    width, height = _asked(request, picture)
    if not (request.params.get("width") or request.params.get("height")):
        share = (native_side(pipeline, model) ** 2 / (width * height)) ** 0.5
        width, height = round(width * share), round(height * share)
    step = int(model.options.get("multiple_of", 16))
    return tuple(max(step, round(side / step) * step) for side in (width, height))  # type: ignore[return-value]


def native_side(pipeline: Any, model: ModelSpec) -> int:
    """Side in pixels of the squares that the network was trained on: the option `side`, else what
    the pipeline says, else 1024.
    """
    if side := model.options.get("side"):
        return int(side)
    factor = int(getattr(pipeline, "vae_scale_factor", 1))
    size = getattr(pipeline, "default_sample_size", None)
    if size is None:
        unet = pipeline.components.get("unet")
        size = unet.config.get("sample_size") if unet is not None else None
    return int(size) * factor if isinstance(size, int) else 1024


def picture_for(request: Request, size: tuple[int, int], *, instructed: bool) -> Image.Image:
    """The picture in RGB at the working size."""
    picture = flat(request.inputs["image"])  # type: ignore[arg-type]
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    return _large_enough(picture) if instructed else picture


def _large_enough(picture: Image.Image) -> Image.Image:
    """The picture, enlarged where instruction editors would refuse it."""
    share = _SMALLEST / min(picture.size)
    if share <= 1:
        return picture
    larger = (round(picture.width * share), round(picture.height * share))
    return picture.resize(larger, Image.Resampling.LANCZOS)


def mask_for(request: Request, size: tuple[int, int]) -> Image.Image:
    """The mask at the working size, black and white only."""
    mask = request.inputs["mask"]
    assert isinstance(mask, Image.Image)
    return binary(mask).resize(size, Image.Resampling.NEAREST)


def put_back(drawn: Image.Image, request: Request) -> Image.Image:
    """What was redrawn where the mask is white, and the picture as it was elsewhere; of the asked
    size, else of the picture's own.
    """
    picture, mask = request.inputs["image"], request.inputs["mask"]
    assert isinstance(picture, Image.Image)
    assert isinstance(mask, Image.Image)
    size = _asked(request, picture)
    whole = flat(picture)
    if whole.size != size:
        whole = whole.resize(size, Image.Resampling.LANCZOS)
    drawn = drawn.resize(size, Image.Resampling.LANCZOS)
    return Image.composite(drawn, whole, binary(mask).resize(size, Image.Resampling.NEAREST))


def binary(mask: Image.Image) -> Image.Image:
    """The mask as 0 and 255; light pixels (from 128) become white, transparent ones black."""
    grey = ImageOps.grayscale(flat(mask, background=(0, 0, 0)))
    return grey.point(lambda value: 255 if value >= 128 else 0)


def _asked(request: Request, picture: Any) -> tuple[int, int]:
    """The asked size; one side alone keeps the picture's shape; else the picture's own size."""
    width, height = request.params.get("width"), request.params.get("height")
    if width and height:
        return int(width), int(height)
    if width:
        return int(width), max(1, round(width * picture.height / picture.width))
    if height:
        return max(1, round(height * picture.width / picture.height)), int(height)
    return picture.width, picture.height
