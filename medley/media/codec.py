"""Codec: decoded values from and to files. One function in, one out."""

import io
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

import numpy as np

from medley.errors import BadInput, BrokenMedia, UnsupportedMedia
from medley.media.facts import ACCEPTED, EMBEDDING_TYPE, IMAGE_TYPES, Facts, Limits
from medley.media.probe import probe
from medley.media.sound import read_sound, write_sound
from medley.media.values import Audio, Embedding, Encoded, Value, Video
from medley.media.video import open_video
from medley.media.words import read_words
from medley.modality import Modality

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedFile:
    """A value as a file: exactly one of `data` and `path` is set. `facts` were measured, not
    assumed.
    """

    media_type: str
    facts: Facts
    data: bytes | None = None
    path: Path | None = None


def decode(
    path: Path, modality: Modality, media_type: str, *, max_seconds: float = 3600.0
) -> Value:
    """The value in a file that `probe` has accepted, or that a step has made.

    image: PIL, RGB or RGBA, upright, the first picture of an animation; audio: `Audio`; video:
    `Video`, which stays in its file; embedding: `Embedding`; text: its first 65,536 characters.
    Raises `BrokenMedia`;
    `UnsupportedMedia` for modalities without a decoder.
    """
    match modality:
        case Modality.IMAGE:
            return decode_image(path, media_type)
        case Modality.AUDIO:
            audio = read_sound(path, max_seconds=max_seconds)
            if audio is None:
                raise BrokenMedia("The file has no sound track.")
            return audio
        case Modality.VIDEO:
            return open_video(path)
        case Modality.EMBEDDING:
            return decode_embedding(path)
        case Modality.TEXT:
            return read_words(path)
        case _:
            raise UnsupportedMedia(f"a value of modality {modality.value}", ACCEPTED)


def decode_image(path: Path, media_type: str) -> "Image":
    """A picture, upright, 8 bits a channel, RGB or (where something is transparent) RGBA."""
    from PIL import Image, ImageOps

    if media_type not in IMAGE_TYPES:
        raise UnsupportedMedia(media_type, IMAGE_TYPES)
    try:
        with Image.open(path, formats=[media_type.removeprefix("image/").upper()]) as opened:
            opened.load()
            picture = _eight_bits(ImageOps.exif_transpose(opened))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise BrokenMedia(f"The picture cannot be decoded: {error}") from error
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB")


def _eight_bits(picture: "Image") -> "Image":
    from PIL import Image

    if picture.mode.startswith("I"):  # 16-bit grey, which `convert` would clip
        grey = np.asarray(picture).astype(np.float32) / 257
        return Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
    return picture


def decode_embedding(path: Path) -> Embedding:
    """An embedding file: safetensors with one float32 tensor `vector` and the metadata `space`
    and, where it is known, `of`.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            notes = file.metadata() or {}
            vector = file.get_tensor("vector")
    except (SafetensorError, OSError, ValueError) as error:
        raise BrokenMedia(f"The embedding cannot be read: {error}") from error
    space = notes.get("space", "")
    if vector.ndim != 1 or vector.dtype != np.float32 or not np.isfinite(vector).all() or not space:
        raise BrokenMedia(
            "The file holds no embedding: one finite float32 vector of a named space."
        )
    return Embedding(vector=vector, space=space, of=notes.get("of", ""))


def encode(value: Value, modality: Modality, limits: Limits | None = None) -> EncodedFile:
    """The value as a file: PNG, 16-bit WAV, the video's own file, safetensors; `Encoded` as its
    backend wrote it.

    Raises `BadInput` when the value is not of the modality, and what `probe` raises for `Encoded`
    and `Video`.
    """
    if isinstance(value, Encoded):
        return _checked(value, modality, limits or Limits())
    match modality:
        case Modality.IMAGE:
            return _encode_image(value)
        case Modality.AUDIO if isinstance(value, Audio):
            return _encode_audio(value)
        case Modality.VIDEO if isinstance(value, Video):
            facts = probe(value.path, limits or Limits())
            return EncodedFile(media_type=facts.media_type, facts=facts, path=value.path)
        case Modality.EMBEDDING if isinstance(value, Embedding):
            return _encode_embedding(value)
        case _:
            raise BadInput(f"A {type(value).__name__} is no {modality.value}.")


def _encode_image(value: Value) -> EncodedFile:
    from PIL import Image

    if not isinstance(value, Image.Image):
        raise BadInput(f"A {type(value).__name__} is no image.")
    if value.mode not in ("RGB", "RGBA", "L"):
        value = value.convert("RGBA" if value.has_transparency_data else "RGB")
    if not value.width or not value.height:
        raise BadInput("The picture has no pixels.")
    buffer = io.BytesIO()
    value.save(buffer, "PNG", compress_level=3)
    facts = Facts(
        modality=Modality.IMAGE, media_type="image/png", width=value.width, height=value.height
    )
    return EncodedFile(media_type="image/png", facts=facts, data=buffer.getvalue())


def _encode_audio(audio: Audio) -> EncodedFile:
    facts = Facts(
        modality=Modality.AUDIO,
        media_type="audio/wav",
        seconds=round(audio.seconds, 6),
        rate=audio.rate,
        channels=audio.samples.shape[0],
    )
    return EncodedFile(media_type="audio/wav", facts=facts, data=write_sound(audio))


def _encode_embedding(embedding: Embedding) -> EncodedFile:
    from safetensors.numpy import save

    vector = np.ascontiguousarray(embedding.vector, dtype=np.float32)
    if vector.ndim != 1 or not vector.size or not np.isfinite(vector).all() or not embedding.space:
        raise BadInput("An embedding is one finite vector of a named space.")
    notes = {"space": embedding.space} | ({"of": embedding.of} if embedding.of else {})
    data = save({"vector": vector}, metadata=notes)
    facts = Facts(
        modality=Modality.EMBEDDING,
        media_type=EMBEDDING_TYPE,
        width=vector.size,
        space=embedding.space,
    )
    return EncodedFile(media_type=EMBEDDING_TYPE, facts=facts, data=data)


def _checked(value: Encoded, modality: Modality, limits: Limits) -> EncodedFile:
    if value.path is not None:
        facts, data = probe(value.path, limits), None
    else:
        with NamedTemporaryFile() as file:
            file.write(value.data)
            file.flush()
            facts, data = probe(Path(file.name), limits), value.data
    if facts.modality is not modality:
        raise BadInput(f"A file of {facts.media_type} is no {modality.value}.")
    return EncodedFile(media_type=facts.media_type, facts=facts, data=data, path=value.path)
