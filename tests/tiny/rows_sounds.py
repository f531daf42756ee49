"""What makes music and noises."""

from tests.tiny import sounds
from tests.tiny.row import Row, step

_MAKE = step(
    "text_to_audio",
    prompt="Rain on a tin roof",
    params={"seconds": 0.5, "steps": 2, "guidance": 3.0},
)

ROWS = [
    Row(name=name, like=like, build=build, body=_MAKE, gives={"s1.audio": "audio"})
    for name, like, build in (
        ("Sound AudioLDM 2", "cvssp/audioldm2", sounds.audioldm2),
        ("Sound Stable Audio", "stabilityai/stable-audio-open-1.0", sounds.stable_audio),
        ("Sound MusicGen", "facebook/musicgen-small", sounds.musicgen),
        ("Sound ACE-Step", "ACE-Step/acestep-v15-xl-turbo-diffusers", sounds.ace_step),
    )
]
