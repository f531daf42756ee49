"""Values go into files and come back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medley.errors import BadInput, BrokenMedia, UnsupportedMedia
from medley.media.codec import decode, encode
from medley.media.facts import EMBEDDING_TYPE
from medley.media.sound import mono, resample, stereo
from medley.media.thumbnail import thumbnail
from medley.media.values import Audio, Embedding, Encoded
from medley.media.video import frames, open_video, sound
from medley.modality import Modality
from tests.media_samples import clip, clip_bytes, picture, picture_bytes, tone, tone_bytes


def stored(tmp_path: Path, data: bytes | None) -> Path:
    path = tmp_path / "stored"
    path.write_bytes(data or b"")
    return path


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_rgb_or_rgba(tmp_path: Path, mode: str) -> None:
    image = Image.new("I;16", (4, 3), 40_000) if mode == "I;16" else picture(4, 3).convert(mode)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    path = stored(tmp_path, picture_bytes(kind, image))

    value = decode(path, Modality.IMAGE, f"image/{kind.lower()}")

    assert (value.mode, value.size) == ("RGBA" if mode == "RGBA" else "RGB", (4, 3))


def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    path = stored(tmp_path, picture_bytes("PNG", Image.new("I;16", (4, 3), 32_896)))

    assert decode(path, Modality.IMAGE, "image/png").getpixel((0, 0)) == (128, 128, 128)


def test_a_picture_taken_sideways_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = stored(tmp_path, picture_bytes("PNG", exif=exif))

    value = decode(path, Modality.IMAGE, "image/png")

    assert value.size == (40, 60)
    assert value.getpixel((38, 2)) == (255, 0, 0)


def test_the_label_of_a_picture_decides_its_reader(tmp_path: Path) -> None:
    path = stored(tmp_path, picture_bytes("PNG"))

    with pytest.raises(BrokenMedia):
        decode(path, Modality.IMAGE, "image/jpeg")
    with pytest.raises(UnsupportedMedia):
        decode(path, Modality.IMAGE, "image/tiff")


def test_a_picture_comes_back_exactly(tmp_path: Path) -> None:
    image = picture().convert("RGBA")
    image.putpixel((1, 1), (9, 8, 7, 6))
    file = encode(image, Modality.IMAGE)

    back = decode(stored(tmp_path, file.data), Modality.IMAGE, file.media_type)

    assert back.tobytes() == image.tobytes()


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", None), ("OGG", "VORBIS"), ("MP3", None)],
)
def test_every_kind_of_sound_becomes_float_samples(
    tmp_path: Path, kind: str, subtype: str | None
) -> None:
    path = stored(tmp_path, tone_bytes(kind, subtype, seconds=1.0, channels=2))

    audio = decode(path, Modality.AUDIO, "audio/whatever")

    assert audio.samples.dtype == np.float32
    assert (len(audio.samples), audio.rate) == (2, 16_000)
    assert audio.seconds == pytest.approx(1.0, abs=0.02)
    hertz = np.abs(np.fft.rfft(audio.samples[0])).argmax() / audio.seconds
    assert hertz == pytest.approx(440, abs=2)


def test_a_sound_comes_back_within_sixteen_bits(tmp_path: Path) -> None:
    audio = tone(0.3, channels=2)
    file = encode(audio, Modality.AUDIO)

    back = decode(stored(tmp_path, file.data), Modality.AUDIO, file.media_type)

    np.testing.assert_allclose(back.samples, audio.samples, atol=1 / 32_000)
    assert (file.facts.seconds, file.facts.channels) == (0.3, 2)


def test_peaks_are_clipped_and_not_wrapped(tmp_path: Path) -> None:
    loud = Audio(samples=np.full((1, 100), 3.0, np.float32), rate=8000)
    file = encode(loud, Modality.AUDIO)

    back = decode(stored(tmp_path, file.data), Modality.AUDIO, file.media_type)

    assert back.samples.min() > 0.99


@pytest.mark.parametrize(
    "samples",
    [np.zeros((1, 0)), np.zeros(5), np.zeros((9, 5)), np.full((1, 5), np.nan)],
    ids=["empty", "flat", "nine channels", "not a number"],
)
def test_a_sound_that_is_none_is_a_bad_input(samples: np.ndarray) -> None:
    with pytest.raises(BadInput):
        encode(Audio(samples=samples.astype(np.float32), rate=8000), Modality.AUDIO)


def test_resampling_keeps_length_and_pitch() -> None:
    audio = resample(tone(1.0, rate=16_000), 44_100)

    assert audio.samples.shape == (1, 44_100)
    assert np.abs(np.fft.rfft(audio.samples[0])).argmax() == 440


def test_channels_are_mixed_and_doubled() -> None:
    audio = tone(0.1, channels=2)

    assert mono(audio).samples.shape == (1, 1600)
    assert stereo(mono(audio)).samples.shape == (2, 1600)


def test_an_embedding_keeps_its_numbers_and_its_space(tmp_path: Path) -> None:
    embedding = Embedding(vector=np.array([0.6, -0.8], np.float32), space="starter-v1")
    file = encode(embedding, Modality.EMBEDDING)

    back = decode(stored(tmp_path, file.data), Modality.EMBEDDING, file.media_type)

    assert file.media_type == EMBEDDING_TYPE
    assert file.facts.space == back.space == "starter-v1"
    np.testing.assert_array_equal(back.vector, embedding.vector)


@pytest.mark.parametrize("data", [b"", b"nonsense" * 9, picture_bytes()])
def test_a_file_that_is_no_embedding_is_broken(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(BrokenMedia):
        decode(stored(tmp_path, data), Modality.EMBEDDING, EMBEDDING_TYPE)


@pytest.mark.parametrize(
    ("value", "modality"),
    [("words", Modality.IMAGE), (picture(), Modality.AUDIO), (tone(), Modality.VIDEO)],
)
def test_a_value_of_another_modality_is_a_bad_input(value: object, modality: Modality) -> None:
    with pytest.raises(BadInput):
        encode(value, modality)


def test_what_a_backend_encoded_is_looked_at_all_the_same() -> None:
    good = Encoded(media_type="image/webp", data=picture_bytes("WEBP"))
    lie = Encoded(media_type="image/webp", data=tone_bytes())

    assert encode(good, Modality.IMAGE).facts.width == 60
    with pytest.raises(BadInput):
        encode(lie, Modality.IMAGE)
    with pytest.raises(UnsupportedMedia):
        encode(Encoded(media_type="image/webp", data=b"words"), Modality.IMAGE)


def test_a_video_stays_in_its_file(tmp_path: Path) -> None:
    video = clip(tmp_path / "a.mp4", audio=tone(1.0))

    file = encode(video, Modality.VIDEO)

    assert (file.path, file.data, file.media_type) == (video.path, None, "video/mp4")
    assert file.facts.has_audio


def test_frames_at_another_rate_and_from_the_middle(tmp_path: Path) -> None:
    video = clip(tmp_path / "a.mp4", seconds=2.0, fps=10)

    assert len(list(frames(video))) == 20
    assert len(list(frames(video, fps=4))) == 8
    assert len(list(frames(video, fps=30))) == 60
    assert len(list(frames(video, start=1.0))) == pytest.approx(10, abs=1)
    shade = next(frames(video, count=1)).getpixel((9, 9))[0]
    assert shade == pytest.approx(10 / 19 * 255, abs=14)


def test_a_far_stretch_of_a_long_video_is_reached_by_seeking(tmp_path: Path) -> None:
    video = clip(tmp_path / "long.mp4", seconds=40.0, fps=5)

    shades = [image.getpixel((9, 9))[0] for image in frames(video, count=3)]

    for shade, expected in zip(shades, (1 / 6, 1 / 2, 5 / 6), strict=True):
        assert shade == pytest.approx(expected * 255, abs=8)


def test_a_silent_video_has_no_sound(tmp_path: Path) -> None:
    assert sound(clip(tmp_path / "a.mp4")) is None


def test_a_handle_on_a_foreign_video(tmp_path: Path) -> None:
    path = stored(tmp_path, clip_bytes("webm", "libvpx-vp9", "libopus"))

    video = open_video(path)

    assert (video.width, video.height, video.has_audio) == (64, 48, True)
    assert video.fps == pytest.approx(8)
    with pytest.raises(BrokenMedia):
        open_video(stored(tmp_path, tone_bytes()))


@pytest.mark.parametrize(
    ("modality", "media_type", "data"),
    [
        (Modality.IMAGE, "image/png", picture_bytes("PNG", picture(900, 300))),
        (Modality.AUDIO, "audio/wav", tone_bytes()),
        (Modality.VIDEO, "video/mp4", clip_bytes()),
    ],
)
def test_anything_seen_or_heard_has_a_thumbnail(
    tmp_path: Path, modality: Modality, media_type: str, data: bytes
) -> None:
    path = stored(tmp_path, data)
    small = thumbnail(path, modality, media_type, width=128)

    path.write_bytes(small)
    image = decode(path, Modality.IMAGE, "image/webp")
    assert max(image.size) <= 128
    assert image.width >= 64


@pytest.mark.parametrize("of", ["", "audio"])
def test_an_embedding_keeps_of_what_it_was_made(of: str, tmp_path: Path) -> None:
    given = Embedding(vector=np.ones(3, np.float32), space="s", of=of)
    file = encode(given, Modality.EMBEDDING)
    (tmp_path / "e").write_bytes(file.data or b"")
    assert decode(tmp_path / "e", Modality.EMBEDDING, file.media_type).of == of
