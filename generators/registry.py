"""The generators that Medley knows: what a model's `backend` says, and the class behind it.

Adding a generator is one file, one line here and the contract suite passing.
"""

from collections.abc import Mapping

GENERATORS: Mapping[str, str] = {
    "autoregressive": "generators.autoregressive:TokenImages",
    "diffusers": "generators.diffusion.backend:DiffusionImages",
    "tts": "generators.speech.neural:NeuralSpeech",
    "diffusers-video": "generators.diffusion.film:DiffusionFilms",
    "speech-to-speech": "generators.speech.talking:SpeechToSpeech",
    "espeak": "generators.speech.backend:EspeakBackend",
    "diffusers-audio": "generators.sound.diffusion:DiffusionSound",
    "musicgen": "generators.sound.musicgen:MusicGen",
    "mcp": "generators.outside:OutsideTools",
    "detached": "generators.outside:DetachedTools",
    "media": "generators.media.backend:MediaTools",
    "testing": "generators.testing:TestTools",
}
