"""PE-AV: sounds and words without timm."""

from tests.tiny import peav as tiny
from tests.tiny.row import Row, step

ROWS = [
    Row(
        name="3 VATT with PE-AV",
        like="facebook/pe-av-small",
        build=tiny.peav,
        body=step("embed", media="@audio"),
        gives={"s1.embedding": "embedding"},
    ),
]
