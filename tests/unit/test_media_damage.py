"""Damage that the first look lets pass ends in a value or a typed error, never in another one."""

import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from medley.errors import CallerError
from medley.media.codec import decode
from medley.media.examine import examine
from medley.media.facts import Facts, Limits
from medley.media.video import frames, sound
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


def test_a_damaged_video_is_closed_without_a_deadlock(tmp_path: Path) -> None:
    data = bytearray(WHOLE["mp4"])
    start = data.index(b"mdat") + 4
    data[start : start + 4] = b"\xff\xff\xff\xff"  # the first picture's length
    path = tmp_path / "upload"
    path.write_bytes(data)
    program = (
        "from pathlib import Path\n"
        "from medley.media.video import frames, open_video\n"
        f"path = Path({str(path)!r})\n"
        "for _ in range(20):\n"
        "    try:\n"
        "        list(frames(open_video(path)))\n"
        "    except Exception as error:\n"
        "        assert type(error).__name__ == 'BrokenMedia', error\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
