"""What hears speech and what speaks."""

from tests.tiny import speech
from tests.tiny.row import Row, step

_HEAR = step("transcribe", audio="@audio")
_WRITTEN = {"s1.text": "text"}

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
