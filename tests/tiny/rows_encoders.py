"""Dual encoders and their like."""

from pathlib import Path

from tests.contract import encoder_samples
from tests.tiny.row import Row, step


def clip(folder: Path) -> None:
    """CLIP with towers of two blocks."""
    encoder_samples.clip(folder)


ROWS = [
    Row(
        name="1 CLIP",
        like="openai/clip-vit-base-patch32",
        build=clip,
        body=step("embed", media="@image"),
        gives={"s1.embedding": "embedding"},
    ),
]
