"""Media to the tensors that ImageBind's towers take, as published, without torchvision, torchaudio
or pytorchvideo.

The settings are fields of `ImageBindProcessor`, saved beside the model in `processor_config.json`,
with the tokenizer's files. The defaults are those of the published model; the bundled starter
encoder has others.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from encoders.imagebind.clips import clip_starts, crops, short_side, spread
from encoders.imagebind.fbank import fbank

if TYPE_CHECKING:
    from PIL.Image import Image

CONFIG_NAME = "processor_config.json"


@dataclass(frozen=True, kw_only=True)
class ImageBindProcessor:
    """Prepares pictures, clips, sounds and words. `tokenizer` may be None when no text is
    embedded.
    """

    tokenizer: Any = field(default=None, compare=False)
    image_size: int = 224
    image_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)
    video_clips: int = 5
    video_clip_seconds: float = 2.0
    video_frames: int = 2
    video_crops: int = 3
    sample_rate: int = 16000
    mel_bins: int = 128
    target_length: int = 204
    audio_clips: int = 3
    audio_clip_seconds: float = 2.0
    audio_mean: float = -4.268
    audio_std: float = 9.138
    trim_db: float | None = None
    """Cut silence at both ends that lies this many dB below the loudest 10 ms; None: leave it, as
    published.
    """
    level: float | None = None
    """Root mean square that a sound is brought to; None: leave it, as published."""
    context_length: int = 77

    def images(self, pictures: Sequence[Image]) -> Tensor:
        """(B, 3, S, S): short side to S (bicubic), centre square, standardised. Transparency falls
        on white.
        """
        return torch.stack([self._image(picture) for picture in pictures])

    def _image(self, picture: Image) -> Tensor:
        from PIL import Image as Pillow

        if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
            layer = picture.convert("RGBA")
            picture = Pillow.alpha_composite(Pillow.new("RGBA", layer.size, "white"), layer)
        picture = picture.convert("RGB")
        width, height = picture.size
        size = self.image_size
        if width <= height:
            shape = (size, int(size * height / width))
        else:
            shape = (int(size * width / height), size)
        picture = picture.resize(shape, Pillow.Resampling.BICUBIC)
        left, top = round((shape[0] - size) / 2.0), round((shape[1] - size) / 2.0)
        pixels = np.asarray(picture.crop((left, top, left + size, top + size)))
        return self.standardise(torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255.0)

    def standardise(self, pixels: Tensor) -> Tensor:
        """(..., 3, H, W) in [0, 1] minus the mean, over the deviation, by channel."""
        mean = torch.tensor(self.image_mean).view(3, 1, 1)
        std = torch.tensor(self.image_std).view(3, 1, 1)
        return (pixels - mean) / std

    def clip_times(self, seconds: float) -> list[list[float]]:
        """For a video of this length: the times in seconds of the frames that each clip wants."""
        starts = clip_starts(seconds, self.video_clip_seconds, self.video_clips)
        length, count = min(self.video_clip_seconds, seconds), max(self.video_frames - 1, 1)
        return [[start + length * i / count for i in range(self.video_frames)] for start in starts]

    def video(self, frames: npt.NDArray[np.uint8], fps: float) -> Tensor:
        """(clips * crops, 3, frames, S, S) of all frames (T, H, W, 3) of one video."""
        return self.clips(
            [self._clip(frames, fps, start) for start in self._starts(len(frames) / fps)]
        )

    def _starts(self, seconds: float) -> list[float]:
        return clip_starts(seconds, self.video_clip_seconds, self.video_clips)

    def _clip(
        self, frames: npt.NDArray[np.uint8], fps: float, start: float
    ) -> npt.NDArray[np.uint8]:
        first = min(round(start * fps), len(frames) - 1)
        piece = frames[first : max(round((start + self.video_clip_seconds) * fps), first + 1)]
        return piece[spread(len(piece), self.video_frames)]

    def clips(self, clips: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
        """(clips * crops, 3, frames, S, S) of clips (frames, H, W, 3), each of `video_frames`
        frames.
        """
        squares: list[Tensor] = []
        for clip in clips:
            pixels = torch.from_numpy(np.array(clip)).permute(0, 3, 1, 2) / 255.0
            scaled = self.standardise(short_side(pixels, self.image_size))
            squares += [c.transpose(0, 1) for c in crops(scaled, self.image_size, self.video_crops)]
        return torch.stack(squares)

    def audio(self, samples: npt.NDArray[np.float32], rate: int) -> Tensor:
        """(clips, 1, mel_bins, target_length) of one sound (channels, samples) or (samples,);
        channel 0 is heard.
        """
        wave = torch.from_numpy(self._hear(samples, rate))
        starts = clip_starts(
            len(wave) / self.sample_rate, self.audio_clip_seconds, self.audio_clips
        )
        pieces = []
        for start in starts:
            first, last = (
                int(t * self.sample_rate) for t in (start, start + self.audio_clip_seconds)
            )
            piece = wave[first:last]
            if self.trim_db is not None:  # what was cut off comes back as silence, behind the sound
                piece = torch.nn.functional.pad(piece, (0, last - first - len(piece)))
            pieces.append(self.log_mel(piece))
        return torch.stack(pieces).unsqueeze(1)

    def log_mel(self, wave: Tensor) -> Tensor:
        """(..., mel_bins, target_length) of sound (..., samples) at `sample_rate`: the picture a
        clip becomes.
        """
        mel = fbank(
            wave - wave.mean(dim=-1, keepdim=True), self.sample_rate, self.mel_bins
        ).transpose(-1, -2)
        missing = self.target_length - mel.shape[-1]
        mel = (
            torch.nn.functional.pad(mel, (0, missing))
            if missing > 0
            else mel[..., : self.target_length]
        )
        return (mel - self.audio_mean) / self.audio_std

    def _hear(self, samples: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float32]:
        wave = np.asarray(samples, dtype=np.float32)
        wave = wave[0] if wave.ndim == 2 else wave
        if wave.size == 0 or not np.isfinite(wave).all():
            raise ValueError("the sound is empty or holds values that are no numbers")
        if rate != self.sample_rate:
            import soxr

            wave = soxr.resample(wave, rate, self.sample_rate)
        if self.trim_db is not None:
            wave = trim(wave, self.sample_rate // 100, self.trim_db)
        if self.level is not None:
            wave = wave * (self.level / max(float(np.sqrt(np.mean(wave**2))), 1e-6))
        return np.ascontiguousarray(wave, dtype=np.float32)

    def text(self, texts: Sequence[str]) -> Tensor:
        """Ids (B, L), L the longest of them: cleaned, cut so that the end token stays, padded with
        0.
        """
        if self.tokenizer is None:
            raise ValueError("this processor has no tokenizer")
        end = self.tokenizer.eos_token_id
        rows = []
        for ids in self.tokenizer([clean(text) for text in texts], padding=False, truncation=False)[
            "input_ids"
        ]:
            rows.append(
                ids if len(ids) <= self.context_length else [*ids[: self.context_length - 1], end]
            )
        longest = max(len(ids) for ids in rows)
        return torch.tensor([ids + [0] * (longest - len(ids)) for ids in rows])

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `processor_config.json` and the tokenizer's files."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)
        settings = {k: v for k, v in asdict(_without_tokenizer(self)).items() if k != "tokenizer"}
        settings["processor_class"] = type(self).__name__
        (folder / CONFIG_NAME).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, source: str | Path, revision: str | None = None) -> ImageBindProcessor:
        """Read what `save_pretrained` wrote, from a folder or a hub repository."""
        from transformers import AutoTokenizer
        from transformers.utils.hub import cached_file

        import encoders.imagebind.configuration  # noqa: F401 - tells transformers of "imagebind"

        path = cached_file(str(source), CONFIG_NAME, revision=revision)
        settings = json.loads(Path(str(path)).read_text(encoding="utf-8"))
        settings.pop("processor_class", None)
        known: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()
        }
        tokenizer = AutoTokenizer.from_pretrained(str(source), revision=revision)
        return cls(tokenizer=tokenizer, **known)


def _without_tokenizer(processor: ImageBindProcessor) -> ImageBindProcessor:
    from dataclasses import replace

    return replace(processor, tokenizer=None)


def clean(text: str) -> str:
    """Repaired encoding, HTML entities resolved, whitespace collapsed, lower case."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text)))
    return re.sub(r"\s+", " ", text).strip().lower()


def trim(wave: npt.NDArray[np.float32], hop: int, below_db: float) -> npt.NDArray[np.float32]:
    """The sound without the quiet pieces of `hop` samples at its ends; a sound of silence is left
    whole.
    """
    pieces = len(wave) // hop
    if pieces == 0:
        return wave
    power = (wave[: pieces * hop].reshape(pieces, hop) ** 2).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    if power.max() == 0.0 or loud.size == 0:
        return wave
    return wave[loud[0] * hop : (loud[-1] + 1) * hop]
