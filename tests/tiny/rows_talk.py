"""What answers speech by speech."""

from tests.tiny import talkers
from tests.tiny.row import Row, step

_ANSWER = step("speech_to_speech", audio="@audio", params={"max_seconds": 1.0})
_SPOKEN = {"s1.audio": "audio"}

ROWS = [
    Row(name=name, like=like, build=build, body=_ANSWER, gives=_SPOKEN)
    for name, like, build in (
        ("34 SpeechGPT", "kmhf/hf-moshika", talkers.moshi),
        ("34 SpeechGPT by Qwen2.5-Omni", "qwen2.5-omni-speech", talkers.qwen_omni),
    )
]
