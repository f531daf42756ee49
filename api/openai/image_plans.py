"""Pictures as OpenAI's clients ask for them, turned into plans. Pure.

A size that the model cannot draw is drawn as near as it can and scaled; `quality` is a number of
steps; each of `n` pictures has a seed of its own.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from medley.backend import ModelSpec
from medley.modality import Modality
from medley.plan import Plan, PlanStep, Reply
from medley.tools import Tool

MAX_SIDE = 4096
_SIZE = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")
_EFFORT = {"low": 0.5, "high": 1.5, "hd": 1.5, "xhigh": 2.0, "max": 2.0}  # of the usual steps
Format = Literal["png", "webp", "jpeg"]
Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the pictures should be like. None: whatever the model does by itself."""

    n: int = 1
    size: Size | None = None
    quality: str | None = None
    steps: int | None = None
    guidance: float | None = None
    strength: float | None = None
    seed: int | None = None
    negative: str | None = None
    format: Format = "png"
    compression: int | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A plan of pictures: the outputs that hold them, in order, and which parameter of the call a
    place of the plan comes from.
    """

    plan: Plan
    shown: list[str]
    places: Mapping[str, str] = field(default_factory=dict)


def size_of(text: str | None) -> Size | None:
    """The sides in pixels of `1024x1024`; None for `auto`. Raises `ValueError`."""
    if text is None or text == "auto":
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("Say `auto`, or width and height in pixels such as 1024x1024.")
    sides = (int(found[1]), int(found[2]))
    if not all(16 <= side <= MAX_SIDE for side in sides):
        raise ValueError(f"Each side has 16 to {MAX_SIDE} pixels.")
    return sides


def drawing(wish: Wish, tool: Tool, inputs: Mapping[str, Any], spec: ModelSpec | None) -> Drawing:
    """The plan that draws `n` pictures with this tool, and makes them the files that are asked."""
    params, scaled = _params(wish, tool, spec)
    seed = secrets.randbelow(1 << 31) if wish.seed is None else wish.seed
    steps: list[PlanStep] = []
    shown: list[str] = []
    places: dict[str, str] = {}
    for number in range(1, wish.n + 1):
        at = f"/steps/{len(steps)}"
        places |= _places(at, wish)
        draw = PlanStep(
            id=f"image{number}",
            tool=tool.name,
            inputs=dict(inputs),
            params={**params, "seed": (seed + number - 1) % (1 << 63)},
            model=wish.model,
        )
        steps.append(draw)
        last = draw.id
        for what, more in (("resize", scaled), ("convert_image", _file(wish))):
            if more is not None:
                name = {"resize": "scaled", "convert_image": "file"}[what] + str(number)
                source = {"image": {"from": f"{last}.image"}}
                steps.append(
                    PlanStep.model_validate(
                        {"id": name, "tool": what, "inputs": source, "params": more}
                    )
                )
                last = name
        shown.append(f"{last}.image")
    return Drawing(plan=Plan(steps=steps, reply=Reply(show=shown)), shown=shown, places=places)


def masked(drawn: Drawing, mask: str) -> Drawing:
    """The plan with a step before all others that makes a mask of what is transparent in `mask`."""
    first = PlanStep.model_validate(
        {"id": "mask", "tool": "alpha_mask", "inputs": {"image": {"asset": mask}}}
    )
    moved = {
        f"/steps/{int(place.split('/')[2]) + 1}/" + place.split("/", 3)[3]: param
        for place, param in drawn.places.items()
    }
    plan = drawn.plan.model_copy(update={"steps": [first, *drawn.plan.steps]})
    return Drawing(plan=plan, shown=drawn.shown, places={**moved, "/steps/0": "mask"})


def _params(
    wish: Wish, tool: Tool, spec: ModelSpec | None
) -> tuple[dict[str, Any], dict[str, int] | None]:
    """The tool's parameters, and those of the step that scales its picture, where one is needed."""
    params: dict[str, Any] = {}
    scaled = None
    if wish.size is not None:
        nearest = drawable(wish.size, tool, spec)
        params |= {"width": nearest[0], "height": nearest[1]}
        if nearest != wish.size:
            scaled = {"width": wish.size[0], "height": wish.size[1]}
    if wish.steps is not None:
        params["steps"] = wish.steps
    elif wish.quality in _EFFORT:
        least, most = _range("steps", tool, spec)
        usual = spec.defaults.get(f"{tool.name}.steps") if spec else None
        usual = usual or tool.params.model_fields["steps"].default
        params["steps"] = round(min(max(usual * _EFFORT[wish.quality], least), most))
    if wish.guidance is not None:
        params["guidance"] = wish.guidance
    if wish.negative:
        params["negative_prompt"] = wish.negative
    if wish.strength is not None:
        params["strength"] = wish.strength
    return params, scaled


def drawable(size: Size, tool: Tool, spec: ModelSpec | None) -> Size:
    """The sides that the model can draw, in about the same shape."""
    ranges = [_range(name, tool, spec) for name in ("width", "height")]
    shrink = min(1.0, *(most / side for side, (_, most) in zip(size, ranges, strict=True)))
    sides = [
        min(max(round(side * shrink / 8) * 8, least), most)
        for side, (least, most) in zip(size, ranges, strict=True)
    ]
    return int(sides[0]), int(sides[1])


def _range(name: str, tool: Tool, spec: ModelSpec | None) -> tuple[float, float]:
    schema = tool.params.model_json_schema()["properties"][name]
    bounds = next((item for item in schema.get("anyOf", ()) if "minimum" in item), schema)
    own = spec.ranges.get(f"{tool.name}.{name}") if spec else None
    return own or (bounds["minimum"], bounds["maximum"])


def _file(wish: Wish) -> dict[str, Any] | None:
    if wish.format == "png":
        return None
    quality = {} if wish.compression is None else {"quality": wish.compression}
    return {"format": wish.format, **quality}


def _places(at: str, wish: Wish) -> dict[str, str]:
    """Where the parameters of the call stand in a step."""
    steps = "num_inference_steps" if wish.steps is not None else "quality"
    return {
        f"{at}/params/steps": steps,
        f"{at}/params/guidance": "guidance_scale",
        f"{at}/params/strength": "strength",
        f"{at}/params/width": "size",
        f"{at}/params/height": "size",
        f"{at}/params/seed": "seed",
        f"{at}/params/negative_prompt": "negative_prompt",
        f"{at}/inputs/prompt": "prompt",
        f"{at}/inputs/image": Modality.IMAGE.value,
        f"{at}/inputs/references": Modality.IMAGE.value,
        f"{at}/inputs/mask": "mask",
    }
