"""Hostile and damaged files end in a typed refusal, within bounded time and memory."""

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from medley.errors import BrokenMedia, CallerError, TooLarge, UnsupportedMedia
from medley.media.facts import Limits
from medley.media.probe import probe
from tests.media_samples import clip_bytes, picture, picture_bytes, tone_bytes

WHOLE = {
    "png": picture_bytes("PNG"),
    "jpeg": picture_bytes("JPEG"),
    "webp": picture_bytes("WEBP"),
    "gif": picture_bytes("GIF"),
    "avif": picture_bytes("AVIF"),
    "wav": tone_bytes("WAV", seconds=4),
    "flac": tone_bytes("FLAC", seconds=4),
    "mp3": tone_bytes("MP3", seconds=4),
    "ogg": tone_bytes("OGG", seconds=4),
    "mp4": clip_bytes(),
    "webm": clip_bytes("webm", "libvpx-vp9", "libopus"),
}
TIGHT = Limits(probe_seconds=10, probe_memory=1 << 30)


def refused(tmp_path: Path, data: bytes, limits: Limits = TIGHT) -> CallerError:
    path = tmp_path / "upload"
    path.write_bytes(data)
    with pytest.raises((UnsupportedMedia, BrokenMedia, TooLarge)) as refusal:
        probe(path, limits)
    assert refusal.value.status in (413, 415, 422)
    return refusal.value


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_that_claims(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(pixels, 9))
        + _chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "avif", "wav", "flac", "mp4"])
@pytest.mark.parametrize("part", [0.3, 0.7])
def test_a_truncated_file_is_broken(tmp_path: Path, kind: str, part: float) -> None:
    whole = WHOLE[kind]

    assert isinstance(refused(tmp_path, whole[: int(len(whole) * part)]), BrokenMedia)


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_a_magic_number_and_nothing_else_is_broken(tmp_path: Path, kind: str) -> None:
    assert isinstance(refused(tmp_path, WHOLE[kind][:16]), BrokenMedia)


@pytest.mark.parametrize("kind", sorted(WHOLE))
def test_a_magic_number_and_noise_is_refused(tmp_path: Path, kind: str) -> None:
    noise = random.Random(7).randbytes(20_000)

    refused(tmp_path, WHOLE[kind][:16] + noise)


def test_a_picture_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    bomb = png_that_claims(60_000, 60_000, b"\0" * 1_000_000)

    assert isinstance(refused(tmp_path, bomb), TooLarge)


def test_a_picture_that_claims_more_pixels_than_it_has_is_broken(tmp_path: Path) -> None:
    assert isinstance(refused(tmp_path, png_that_claims(4000, 4000, b"\0" * 9)), BrokenMedia)


def test_a_picture_without_pixels_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, png_that_claims(0, 0))


def test_compressed_text_in_a_picture_cannot_fill_the_memory(tmp_path: Path) -> None:
    text = _chunk(b"zTXt", b"note\0\0" + zlib.compress(b"a" * 300_000_000, 9))
    bomb = WHOLE["png"][:33] + text + WHOLE["png"][33:]

    refused(tmp_path, bomb)


def test_an_animation_of_very_many_pictures_is_refused(tmp_path: Path) -> None:
    shades = [picture(8, 8, f"#0000{i % 256:02x}") for i in range(600)]
    data = picture_bytes("GIF", shades[0], save_all=True, append_images=shades[1:])

    assert isinstance(refused(tmp_path, data), TooLarge)


def test_a_sound_header_that_claims_hours_is_broken(tmp_path: Path) -> None:
    lie = bytearray(WHOLE["wav"])
    lie[4:8] = struct.pack("<I", 1_000_000_000)
    lie[40:44] = struct.pack("<I", 999_999_000)

    refused(tmp_path, bytes(lie))


def test_a_sound_with_an_impossible_rate_is_refused(tmp_path: Path) -> None:
    lie = bytearray(WHOLE["wav"])
    lie[24:28] = struct.pack("<I", 2_000_000_000)

    assert isinstance(refused(tmp_path, bytes(lie)), TooLarge)


def test_a_decoder_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    data = picture_bytes("PNG", picture(6000, 6000))

    refused(tmp_path, data, Limits(probe_memory=160 << 20))


def test_a_decoder_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    data = picture_bytes("PNG", picture(6000, 6000))

    assert isinstance(refused(tmp_path, data, Limits(probe_seconds=0.1)), TooLarge)


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("run.class", b"\xca\xfe\xba\xbe")
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "webp", "avif", "wav", "mp3", "mp4"])
@pytest.mark.parametrize(
    "rider",
    [_zip(), b"<html><script>alert(1)</script></html>", b"<script >fetch('/v1/jobs')</script>"],
    ids=["zip", "html", "script"],
)
def test_a_file_that_is_also_something_else_is_broken(
    tmp_path: Path, kind: str, rider: bytes
) -> None:
    assert isinstance(refused(tmp_path, WHOLE[kind] + rider), BrokenMedia)


def test_a_document_inside_a_picture_comment_is_broken(tmp_path: Path) -> None:
    data = picture_bytes("JPEG", comment=b"%PDF-1.7 1 0 obj")

    assert isinstance(refused(tmp_path, data), BrokenMedia)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif"])
def test_unknown_data_behind_a_picture_is_broken(tmp_path: Path, kind: str) -> None:
    assert isinstance(refused(tmp_path, WHOLE[kind] + b"#!/bin/sh\nrm"), BrokenMedia)


@pytest.mark.parametrize("trailer", [b"\0" * 64, b"\n", WHOLE["mp4"], b"cameraSEFT"])
def test_padding_and_camera_trailers_are_harmless(tmp_path: Path, trailer: bytes) -> None:
    path = tmp_path / "upload"
    path.write_bytes(WHOLE["jpeg"] + trailer)

    assert probe(path, TIGHT).media_type == "image/jpeg"


def test_a_video_cannot_make_the_reader_open_another_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(WHOLE["mp4"])
    playlist = f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n".encode()

    refused(tmp_path, playlist)
    refused(tmp_path, WHOLE["mp4"][:32] + playlist)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=some.sampled_from(sorted(WHOLE)),
    cut=some.floats(0.02, 1.0),
    flips=some.lists(some.tuples(some.floats(0, 1), some.integers(1, 255)), max_size=24),
)
def test_damage_ends_in_facts_or_a_typed_refusal(
    tmp_path: Path, kind: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    data = bytearray(WHOLE[kind][: max(1, int(len(WHOLE[kind]) * cut))])
    for place, mask in flips:
        data[min(len(data) - 1, int(place * len(data)))] ^= mask
    path = tmp_path / "upload"
    path.write_bytes(data)

    try:
        facts = probe(path, TIGHT)
    except (UnsupportedMedia, BrokenMedia, TooLarge):
        return
    assert facts.media_type
