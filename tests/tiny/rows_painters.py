"""Pictures token by token."""

from tests.tiny import painters
from tests.tiny.row import Row, step

_BODY = step(
    "text_to_image", params={"guidance": 2.0, "width": 32, "height": 32}, prompt="a red cat"
)

ROWS = [
    Row(
        name="10 DALL-E, Janus",
        like="deepseek-community/Janus-Pro-1B",
        build=painters.janus,
        body=_BODY,
        gives={"s1.image": "image"},
    ),
    Row(
        name="10 DALL-E, Emu3",
        like="BAAI/Emu3-Gen-hf",
        build=painters.emu3,
        body=_BODY,
        gives={"s1.image": "image"},
    ),
]
