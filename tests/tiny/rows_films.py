"""Films by diffusion."""

from tests.tiny import films
from tests.tiny.row import Row, step

_SMALL = {"steps": 2, "guidance": 2.0, "width": 32, "height": 32, "frames": 5, "fps": 8.0}
_SHORT = {"call": {"max_sequence_length": 16}, "multiple_of": 16}

ROWS = [
    Row(
        name="Wan 2.1",
        like="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
        build=films.wan,
        body=step("text_to_video", params=_SMALL, prompt="a cat dances"),
        gives={"s1.video": "video"},
        options=_SHORT,
    ),
    Row(
        name="Wan 2.2 from a picture",
        like="Wan-AI/Wan2.2-TI2V-5B-Diffusers",
        build=films.wan_from_either,
        body=step("image_to_video", params=_SMALL, prompt="a cat dances", image="@image"),
        gives={"s1.video": "video"},
        options=_SHORT,
    ),
    Row(
        name="LTX from a picture",
        like="Lightricks/LTX-Video",
        build=films.ltx,
        body=step("image_to_video", params=_SMALL, prompt="a cat dances", image="@image"),
        gives={"s1.video": "video"},
        options={"call": {"max_sequence_length": 16}},
    ),
]
