"""What answers speech by speech."""

from typing import Any

from tests.tiny import speech, talkers
from tests.tiny.row import Row, Samples, step

_ANSWER = step("speech_to_speech", audio="@audio", params={"max_seconds": 1.0})
_SPOKEN = {"s1.audio": "audio"}


def _cascade(model: str, samples: Samples) -> dict[str, Any]:
    """Speech to words to speech: what the models above do without the words between."""
    steps = [
        {
            "id": "heard",
            "tool": "transcribe",
            "inputs": {"audio": {"asset": samples["audio"]}},
            "model": model,
        },
        {
            "id": "said",
            "tool": "speak",
            "inputs": {"text": {"from": "heard.text"}},
            "model": "espeak-ng",
        },
    ]
    return {"plan": {"steps": steps, "reply": {"show": ["heard.text", "said.audio"]}}}


ROWS = [
    Row(name=name, like=like, build=build, body=_ANSWER, gives=_SPOKEN)
    for name, like, build in (
        ("34 SpeechGPT", "kmhf/hf-moshika", talkers.moshi),
        ("34 SpeechGPT by Qwen2.5-Omni", "qwen2.5-omni-speech", talkers.qwen_omni),
    )
]

ROWS.append(
    Row(
        name="34 SpeechGPT as a cascade",
        like="openai/whisper-small",
        build=speech.whisper,
        body=_cascade,
        gives={"heard.text": "text", "said.audio": "audio"},
    )
)
