"""The tool `text_to_audio` token by token: MusicGen (Copet et al., 2023), a language model over the
codebooks of EnCodec.
"""

from collections.abc import Sequence
from typing import Any

from generators.one_by_one import Progress, check_ranges, one_by_one, sound
from generators.sound.diffusion import prompt_of
from medley.backend import Control, ModelSpec, Request, Result
from medley.checkpoints import config_of, dtype_for, folder_of, loading, place
from medley.errors import Unavailable
from medley.forwards import before_each


class MusicGen:
    """Makes music from words. `steps` has no meaning here: there is one step for each fiftieth of a
    second. Options of the model: `dtype`.
    """

    tools = frozenset({"text_to_audio"})

    def __init__(self) -> None:
        self._spec: ModelSpec | None = None
        self._model: Any = None
        self._tokenizer: Any = None

    def load(self, model: ModelSpec, device: str) -> None:
        """Brings the weights into memory. Raises `Unavailable`, `OutOfMemory`."""
        folder = folder_of(model)
        with loading(model, device):
            from transformers import AutoTokenizer, MusicgenForConditionalGeneration

            kind = config_of(folder).get("model_type")
            if kind != "musicgen":
                raise Unavailable(f"{model.id} is of the kind {kind!r}, not MusicGen.")
            where = place(device)
            loaded: Any = MusicgenForConditionalGeneration.from_pretrained(
                folder, dtype=dtype_for(model, where), use_safetensors=True
            )
            self._model = loaded.to(where).eval()
            self._tokenizer = AutoTokenizer.from_pretrained(folder)
            self._spec = model

    def unload(self) -> None:
        """Frees the weights."""
        self._spec = self._model = self._tokenizer = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """`audio` per request: float32 (channels, samples) in [-1, 1] at the codec's rate. Raises
        `StepStopped` within a token.
        """
        if self._spec is None:
            raise Unavailable("No model is loaded.")
        return one_by_one(batch, control, self._make)

    def _make(self, request: Request, progress: Progress) -> Result:
        assert self._spec is not None
        prompt = prompt_of(request)
        check_ranges(self._spec, request)
        codec, seconds = self._model.config.audio_encoder, float(request.params["seconds"])
        # Each codebook begins a step after the one before it.
        frames = int(seconds * codec.frame_rate) + 1 + self._model.config.decoder.num_codebooks
        progress.expected = frames
        tokens = self._tokenizer(prompt, return_tensors="pt").to(self._model.device)
        with before_each([self._model.decoder], progress.call):
            made = self._model.generate(
                **tokens,
                do_sample=True,
                guidance_scale=float(request.params["guidance"]),
                max_new_tokens=frames,
            )
        samples = made[0].float().cpu().numpy()
        return sound(samples[:, : int(seconds * codec.sampling_rate)], int(codec.sampling_rate))
