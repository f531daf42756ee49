"""What a file is, is decided by decoding it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from medley.errors import BrokenMedia, TooLarge, UnsupportedMedia
from medley.media.facts import Facts, Limits
from medley.media.probe import probe
from medley.modality import Modality
from tests.media_samples import clip_bytes, picture, picture_bytes, tone_bytes

Look = Callable[..., Facts]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Probes these bytes under a name that says nothing."""

    def _look(data: bytes, limits: Limits | None = None, name: str = "upload") -> Facts:
        path = tmp_path / name
        path.write_bytes(data)
        return probe(path, limits or Limits())

    return _look


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF"])
def test_a_picture_is_known_by_its_content(look: Look, kind: str) -> None:
    facts = look(picture_bytes(kind), name="song.mp3")

    assert facts.modality is Modality.IMAGE
    assert facts.media_type == f"image/{kind.lower()}"
    assert (facts.width, facts.height) == (60, 40)


@pytest.mark.parametrize(
    ("kind", "subtype", "media_type"),
    [
        ("WAV", "PCM_16", "audio/wav"),
        ("WAV", "PCM_24", "audio/wav"),
        ("WAV", "FLOAT", "audio/wav"),
        ("WAV", "ULAW", "audio/wav"),
        ("FLAC", None, "audio/flac"),
        ("MP3", None, "audio/mpeg"),
        ("OGG", "VORBIS", "audio/ogg"),
        ("OGG", "OPUS", "audio/ogg"),
        ("AIFF", None, "audio/aiff"),
    ],
)
def test_a_sound_is_known_by_its_content(
    look: Look, kind: str, subtype: str | None, media_type: str
) -> None:
    facts = look(tone_bytes(kind, subtype, seconds=1.0), name="picture.png")

    assert (facts.modality, facts.media_type) == (Modality.AUDIO, media_type)
    assert facts.seconds == pytest.approx(1.0, abs=0.1)
    assert (facts.rate, facts.channels) in ((16_000, 1), (48_000, 1))


@pytest.mark.parametrize(
    ("container", "codec", "sound", "media_type"),
    [
        ("mp4", "libx264", "aac", "video/mp4"),
        ("mp4", "libx265", None, "video/mp4"),
        ("mov", "libx264", "aac", "video/quicktime"),
        ("webm", "libvpx-vp9", "libopus", "video/webm"),
        ("matroska", "libx264", "aac", "video/x-matroska"),
        ("avi", "mpeg4", None, "video/x-msvideo"),
        ("mov", "prores_ks", "pcm_s16le", "video/quicktime"),
    ],
)
def test_a_video_is_known_by_its_content(
    look: Look, container: str, codec: str, sound: str | None, media_type: str
) -> None:
    facts = look(clip_bytes(container, codec, sound))

    assert (facts.modality, facts.media_type) == (Modality.VIDEO, media_type)
    assert (facts.width, facts.height, facts.frames) == (64, 48, 16)
    assert facts.fps == pytest.approx(8, abs=0.1)
    assert facts.seconds == pytest.approx(2.0, abs=0.15)
    assert facts.has_audio == (sound is not None)


def test_a_picture_taken_sideways_has_the_size_that_a_viewer_sees(look: Look) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    facts = look(picture_bytes("JPEG", exif=exif))

    assert (facts.width, facts.height) == (40, 60)


def test_an_animation_counts_its_pictures(look: Look) -> None:
    frames = [picture(colour=colour) for colour in ("red", "green", "blue")]

    facts = look(picture_bytes("GIF", frames[0], save_all=True, append_images=frames[1:]))

    assert (facts.modality, facts.frames) == (Modality.IMAGE, 3)


@pytest.mark.parametrize(
    ("data", "seems"),
    [
        (b"%PDF-1.7 and more", "PDF"),
        (b"PK\x03\x04 and more", "ZIP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "SVG"),
        (b"<!DOCTYPE html><p>hello", "HTML"),
        (b"just words", "text"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:1\nfile:///etc/passwd\n", "playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "text"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "text"),
        (b"<?xml version='1.0'?><MPD></MPD>", "text"),
        (b"8BPS\0\1 and more", "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"SIMPLE  =                    T", "FITS"),
        (b"II*\0 and more", "TIFF"),
        (b"\0\1\2\3\4\5\6\7" * 9, "unknown"),
        (b"\0", "unknown"),
    ],
)
def test_other_files_are_refused_by_name_of_what_they_seem_to_be(
    look: Look, data: bytes, seems: str
) -> None:
    with pytest.raises(UnsupportedMedia, match=seems) as refusal:
        look(data, name="picture.png")

    assert "image/png" in refusal.value.message


@pytest.mark.parametrize("size", [b"\xff\xff\xff\xff", b"\0\0\0\0"])
def test_a_sound_that_was_written_to_a_pipe_is_accepted(look: Look, size: bytes) -> None:
    data = tone_bytes("WAV")

    facts = look(data[:4] + size + data[8:40] + size + data[44:])

    assert facts.seconds == pytest.approx(1.0)


@pytest.mark.parametrize(("kind", "media_type"), [("MP3", "audio/mpeg"), ("FLAC", "audio/flac")])
def test_a_tag_before_a_sound_is_passed_over(look: Look, kind: str, media_type: str) -> None:
    tag = b"ID3\4\0\0" + bytes([0, 0, 8, 0]) + bytes(1024)

    assert look(tag + tone_bytes(kind)).media_type == media_type


def test_the_further_pictures_of_a_camera_file_are_accepted(look: Look) -> None:
    data = picture_bytes("MPO", save_all=True, append_images=[picture(16, 16)])

    facts = look(data)

    assert (facts.media_type, facts.width, facts.frames) == ("image/jpeg", 60, None)


def test_an_empty_file_is_broken(look: Look) -> None:
    with pytest.raises(BrokenMedia, match="empty"):
        look(b"")


@pytest.mark.parametrize(
    ("data", "limits"),
    [
        (picture_bytes("PNG"), Limits(max_bytes=10)),
        (picture_bytes("PNG"), Limits(max_pixels=60 * 40 - 1)),
        (picture_bytes("JPEG"), Limits(max_pixels=60 * 40 - 1)),
        (tone_bytes("WAV", seconds=3), Limits(max_seconds=2)),
        (tone_bytes("OGG", seconds=3), Limits(max_seconds=2)),
        (tone_bytes("WAV", rate=48_000), Limits(max_rate=44_100)),
        (tone_bytes("WAV", channels=4), Limits(max_channels=2)),
        (clip_bytes(), Limits(max_frames=15)),
        (clip_bytes(), Limits(max_seconds=1)),
        (clip_bytes(), Limits(max_pixels=64 * 48 - 1)),
        (clip_bytes(), Limits(max_streams=1)),
    ],
)
def test_every_limit_is_kept(look: Look, data: bytes, limits: Limits) -> None:
    with pytest.raises(TooLarge):
        look(data, limits)


def test_facts_survive_their_way_through_json(look: Look) -> None:
    facts = look(clip_bytes())

    assert Facts.of_data(facts.to_data()) == facts
