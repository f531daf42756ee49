"""Encoders behind `embed`: two towers of one space, or one model for everything."""

from pathlib import Path

from tests.contract import encoder_samples
from tests.tiny import encoders as tiny
from tests.tiny.row import Row, step

_EMBEDDED = {"s1.embedding": "embedding"}


def imagebind(folder: Path) -> None:
    """Our ImageBind with towers of two blocks."""
    encoder_samples.imagebind(folder)


ROWS = [
    Row(
        name="1 CLIP",
        like="openai/clip-vit-base-patch32",
        build=tiny.clip,
        body=step("embed", media="@image"),
        gives=_EMBEDDED,
    ),
    Row(
        name="2 ALIGN",
        like="kakaobrain/align-base",
        build=tiny.align,
        body=step("embed", media="@image"),
        gives=_EMBEDDED,
    ),
    Row(
        name="1b SigLIP 2",
        like="google/siglip2-base-patch16-naflex",
        build=tiny.siglip2,
        body=step("embed", media="@video"),
        gives=_EMBEDDED,
    ),
    Row(
        name="3b CLAP",
        like="laion/clap-htsat-fused",
        build=tiny.clap,
        body=step("embed", media="@audio"),
        gives=_EMBEDDED,
    ),
    Row(
        name="7 VideoBERT retrieval with X-CLIP",
        like="microsoft/xclip-base-patch32",
        build=tiny.xclip,
        body=step("embed", media="@video"),
        gives=_EMBEDDED,
    ),
    Row(
        name="8 ActBERT actions with X-CLIP",
        like="microsoft/xclip-base-patch32",
        build=tiny.xclip,
        body=step("embed", media="a person slices bread"),
        gives=_EMBEDDED,
    ),
    Row(
        name="7 VideoBERT retrieval with VideoPrism",
        like="google/videoprism-lvt-base-f16r288",
        build=tiny.videoprism,
        body=step("embed", media="@video"),
        gives=_EMBEDDED,
    ),
    Row(
        name="32 ImageBind",
        like="imagebind/huge",
        build=imagebind,
        body=step("embed", media="@audio"),
        gives=_EMBEDDED,
    ),
]
