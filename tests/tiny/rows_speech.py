"""What hears speech and what speaks."""

from tests.tiny import speech, voices
from tests.tiny.row import Row, step

_HEAR = step("transcribe", audio="@audio")
_WRITTEN = {"s1.text": "text"}
_SAY = step("speak", text="Hello there.")
_SPOKEN = {"s1.audio": "audio"}

ROWS = [
    Row(name=name, like=like, build=build, body=_HEAR, gives=_WRITTEN)
    for name, like, build in (
        ("ASR Whisper", "openai/whisper-small", speech.whisper),
        ("ASR Moonshine", "UsefulSensors/moonshine-tiny", speech.moonshine),
        ("ASR Wav2Vec2", "facebook/wav2vec2-base-960h", speech.wav2vec2),
        ("ASR HuBERT", "facebook/hubert-large-ls960-ft", speech.hubert),
        ("ASR Parakeet CTC", "nvidia/parakeet-ctc-1.1b", speech.parakeet_ctc),
        ("ASR Parakeet TDT", "nvidia/parakeet-tdt-0.6b-v3", speech.parakeet_tdt),
        ("ASR Qwen3-ASR", "Qwen/Qwen3-ASR-1.7B-hf", speech.qwen_asr),
    )
]

ROWS += [
    Row(name=name, like=like, build=build, body=_SAY, gives=_SPOKEN, options=options)
    for name, like, build, options in (
        ("TTS VITS", "facebook/mms-tts-eng", voices.vits, {}),
        ("TTS SpeechT5", "microsoft/speecht5_tts", voices.speecht5, {"vocoder": ""}),
        ("TTS Bark", "suno/bark-small", voices.bark, {}),
        ("TTS Pocket TTS", "eustlb/pocket-tts", voices.pocket, {}),
        ("TTS VibeVoice", "vibevoice/VibeVoice-1.5B-hf", voices.vibevoice, {}),
    )
]
