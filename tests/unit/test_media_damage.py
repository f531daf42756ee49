"""Damage that the first look lets pass ends in a value or a typed error, never in another one."""

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from medley.errors import CallerError
from medley.media.codec import decode
from medley.media.examine import examine
from medley.media.facts import Facts, Limits
from medley.media.video import frames, open_video, sound
from medley.modality import Modality
from tests.media_samples import clip_bytes, picture_bytes, tone_bytes

WHOLE = {
    "png": picture_bytes("PNG"),
    "jpeg": picture_bytes("JPEG"),
    "webp": picture_bytes("WEBP"),
    "gif": picture_bytes("GIF"),
    "bmp": picture_bytes("BMP"),
    "wav": tone_bytes("WAV", seconds=0.5),
    "flac": tone_bytes("FLAC", seconds=0.5),
    "mp3": tone_bytes("MP3", seconds=0.5),
    "ogg": tone_bytes("OGG", seconds=0.5),
    "mp4": clip_bytes(),
    "mkv": clip_bytes("matroska", "libx264", "aac"),
    "avi": clip_bytes("avi", "mpeg4", None),
}


def use(path: Path, facts: Facts) -> None:
    """Decodes as tools do."""
    value = decode(path, facts.modality, facts.media_type)
    if facts.modality is Modality.VIDEO:
        list(frames(value, count=3))
        sound(value)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=some.sampled_from(sorted(WHOLE)),
    flips=some.lists(some.tuples(some.floats(0, 1), some.integers(1, 255)), max_size=12),
    tail=some.binary(max_size=8),
)
def test_a_damaged_file_is_examined_and_used_or_refused(
    tmp_path: Path, kind: str, flips: list[tuple[float, int]], tail: bytes
) -> None:
    data = bytearray(WHOLE[kind] + tail)
    for place, mask in flips:
        data[min(len(data) - 1, int(place * len(data)))] ^= mask
    path = tmp_path / "upload"
    path.write_bytes(data)

    try:
        with path.open("rb") as file:
            facts = examine(file, Limits(max_pixels=1_000_000, max_seconds=60))
        use(path, facts)
    except CallerError:
        return
    assert facts.media_type


def test_decoders_do_not_log_through_the_interpreter(tmp_path: Path) -> None:
    # With any level, closing a damaged H.264 file can wait for ever for its own decoder threads.
    import av.logging

    path = tmp_path / "upload"
    path.write_bytes(WHOLE["mp4"])
    open_video(path)

    assert av.logging.get_level() is None
