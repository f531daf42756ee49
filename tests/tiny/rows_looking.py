"""Networks that look at a picture and words together: matchers and detectors."""

from tests.tiny import looking as tiny
from tests.tiny.row import Row, step

_SCORED = {"s1.score": "data"}

ROWS = [
    Row(
        name="4 ViLBERT matching with BridgeTower",
        like="BridgeTower/bridgetower-base-itm-mlm",
        build=tiny.bridgetower,
        body=step("match", media="@image", text="a cat"),
        gives=_SCORED,
    ),
    Row(
        name="6 UNITER matching with ViLT",
        like="dandelin/vilt-b32-finetuned-coco",
        build=tiny.vilt,
        body=step("match", media="@video", text="a cat"),
        gives=_SCORED,
    ),
    Row(
        name="19 BLIP matching",
        like="Salesforce/blip-itm-base-coco",
        build=tiny.blip,
        body=step("match", media="@image", text="a cat"),
        gives=_SCORED,
    ),
    Row(
        name="20 BLIP-2 matching",
        like="Salesforce/blip2-itm-vit-g",
        build=tiny.blip2,
        body=step("match", media="@video", text="a cat"),
        gives=_SCORED,
    ),
    Row(
        name="8 ActBERT regions with Grounding DINO",
        like="IDEA-Research/grounding-dino-tiny",
        build=tiny.grounding_dino,
        body=step("detect", image="@image", text="cat, dog", params={"threshold": 0.0}),
        gives={"s1.boxes": "data"},
    ),
]
