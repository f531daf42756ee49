"""PE-AV: sounds and words without timm, videos with it."""

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
    Row(
        name="3 VATT videos with PE-AV",
        like="facebook/pe-av-small/video",
        build=tiny.peav,
        body=step("embed", media="@video"),
        gives={"s1.embedding": "embedding"},
        needs=("timm", "torchvision"),
    ),
]
