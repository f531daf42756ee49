"""Sounds: speech made and understood, music and noises."""

from typing import Literal

from pydantic import Field

from medley.modality import Modality
from medley.status import Lane
from medley.tools import BUDGET, EXTRA, Params, Tool, port

TEXT, AUDIO, DATA = Modality.TEXT, Modality.AUDIO, Modality.DATA


#: What voices of the catalogue speak; a voice that does not speak one says what it does.
SpokenLanguage = Literal[
    "auto", "en", "zh", "de", "es", "fr", "hi", "it", "ja", "ko", "pl", "pt", "ru", "tr"
]


class SpeakParams(Params):
    """How to speak."""

    language: SpokenLanguage = "auto"
    voice: str = Field(
        default="", max_length=64, description="A voice of the synthesizer; empty: its default."
    )
    speed: float = Field(default=1.0, ge=0.5, le=2.0)
    pitch: int = Field(default=50, ge=0, le=100)


class TranscribeParams(Params):
    """How to write down."""

    language: str = Field(
        default="auto",
        pattern=r"^(auto|[a-z]{2,3})$",
        description="What is spoken, as an ISO 639 code.",
    )
    translate: bool = Field(default=False, description="Write it down in English.")
    times: bool = Field(
        default=False,
        description="Say when each sentence or stretch is said, in finer pieces.",
        json_schema_extra={BUDGET: True},
    )
    words: bool = Field(
        default=False,
        description="Say when each word is said.",
        json_schema_extra={EXTRA: True},
    )
    prompt: str = Field(
        default="",
        max_length=4000,
        description="Words that may be said before it: names and a style to write in.",
        json_schema_extra={EXTRA: True},
    )
    temperature: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="0 writes the likeliest words; more draws them, always the same.",
        json_schema_extra={EXTRA: True},
    )


class SoundParams(Params):
    """How to make a sound."""

    seconds: float = Field(default=5.0, gt=0.0, le=300.0)
    steps: int = Field(default=50, ge=1, le=200, description="Denoising steps, where it has some.")
    guidance: float = Field(
        default=3.5, ge=1.0, le=20.0, description="Classifier-free guidance scale."
    )


class TalkParams(Params):
    """How to talk back."""

    max_seconds: float = Field(default=20.0, gt=0.0, le=120.0, description="Longest reply.")


SPEAK = Tool(
    name="speak",
    about="Says words aloud, in English or Chinese.",
    inputs={"text": port(TEXT, about="What to say.")},
    outputs={"audio": port(AUDIO, about="The spoken words.")},
    params=SpeakParams,
    lane=Lane.CPU,
)
TRANSCRIBE = Tool(
    name="transcribe",
    about="Writes down what is said in a recording.",
    inputs={"audio": port(AUDIO, about="The recording.")},
    outputs={
        "text": port(TEXT, about="What is said."),
        "segments": port(
            DATA,
            about="When: a list of `start` and `end` in seconds, and `text`.",
            required=False,
        ),
        "words": port(
            DATA,
            about="When each word is said: a list of `start` and `end` in seconds, and `word`.",
            required=False,
        ),
    },
    params=TranscribeParams,
    lane=Lane.HUB,
)
TEXT_TO_AUDIO = Tool(
    name="text_to_audio",
    about="Makes music or a noise from words.",
    inputs={"prompt": port(TEXT, about="What should be heard.")},
    outputs={"audio": port(AUDIO, about="The sound.")},
    params=SoundParams,
    lane=Lane.GENERATE,
    seeded=True,
)
SPEECH_TO_SPEECH = Tool(
    name="speech_to_speech",
    about="Answers a spoken message by speech.",
    inputs={"audio": port(AUDIO, about="What was said.")},
    outputs={
        "audio": port(AUDIO, about="The spoken reply."),
        "text": port(TEXT, about="The reply in words.", required=False),
    },
    params=TalkParams,
    lane=Lane.GENERATE,
    seeded=True,
)

SOUND_TOOLS = (SPEAK, TRANSCRIBE, TEXT_TO_AUDIO, SPEECH_TO_SPEECH)
