"""Subtitles of what was said: SubRip and WebVTT. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Segments = Iterable[Mapping[str, Any]]


def srt(segments: Segments) -> str:
    """SubRip: numbered, with a comma before the milliseconds."""
    blocks = [
        f"{number}\n{_clock(item['start'], ',')} --> {_clock(item['end'], ',')}\n{_line(item)}\n"
        for number, item in enumerate(segments, start=1)
    ]
    return "\n".join(blocks)


def vtt(segments: Segments) -> str:
    """WebVTT."""
    blocks = [
        f"{_clock(item['start'], '.')} --> {_clock(item['end'], '.')}\n{_line(item)}\n"
        for item in segments
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def _line(item: Mapping[str, Any]) -> str:
    # An arrow in the words would be read as a time; an empty line would end the block.
    return " ".join(str(item["text"]).split()).replace("-->", "->")


def _clock(seconds: float, point: str) -> str:
    whole = round(float(seconds) * 1000)
    minutes, milliseconds = divmod(whole, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"
