"""Numbers, sizes, times, turns and formats in words, with the parameters that they mean."""

import random
import re
from typing import Any

Params = dict[str, Any]
Worded = tuple[str, Params]

_SIZES = (16, 24, 32, 48, 64, 72, 96, 100, 120, 128, 150, 160, 180, 192, 200, 240, 250, 256, 300, 320, 360, 384, 400, 480, 500,
          512, 600, 640, 700, 720, 750, 768, 800, 900, 960, 1000, 1024, 1080, 1200, 1280, 1500, 1920, 2000, 2048, 3000, 4096)  # fmt: skip
_EN_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()
_ZH_NUMBERS = "零一二三四五六七八九十"


def count(rng: random.Random, zh: bool, low: int = 2, high: int = 12) -> tuple[str, int]:
    """A small number as a word or in digits."""
    value = rng.randint(low, high)
    if rng.random() < 0.5:
        return str(value), value
    if not zh:
        return (_EN_NUMBERS[value] if value < len(_EN_NUMBERS) else str(value)), value
    if value == 2:
        return "两", 2
    return (
        _ZH_NUMBERS[value]
        if value <= 10
        else f"十{_ZH_NUMBERS[value - 10]}"
        if value < 20
        else str(value)
    ), value


def size(rng: random.Random, zh: bool) -> Worded:
    """A target size in pixels, or a share."""
    width = rng.choice(_SIZES) if rng.random() < 0.6 else rng.randint(16, 3000)
    height = rng.choice(_SIZES) if rng.random() < 0.7 else rng.randint(16, 3000)
    both = {"width": width, "height": height}
    percent = rng.choice((10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 120, 150, 200, 300))
    share = {"scale": percent / 100}
    if zh:
        return rng.choice((
            (f"{width}x{height}", both), (f"{width}×{height}", both), (f"{width}乘{height}", both), (f"{width}*{height}像素", both),
            (f"宽{width}高{height}", both), (f"{width}像素宽", {"width": width}), (f"宽{width}像素", {"width": width}),
            (f"宽度{width}", {"width": width}), (f"{width}像素", {"width": width}), (f"高{height}像素", {"height": height}),
            (f"高度{height}", {"height": height}), (f"{percent}%", share), (f"原来的百分之{percent}", share), ("一半大", {"scale": 0.5}),
            ("原来的一半", {"scale": 0.5}), ("原来的两倍", {"scale": 2}), ("三倍大", {"scale": 3}), ("四分之一", {"scale": 0.25}),
        ))  # fmt: skip
    return rng.choice((
        (f"{width}x{height}", both), (f"{width} x {height}", both), (f"{width} by {height}", both), (f"{width}x{height} pixels", both),
        (f"{width} times {height} pixels", both), (f"{width} wide and {height} high", both), (f"{width} pixels wide", {"width": width}),
        (f"a width of {width}", {"width": width}), (f"{width} px", {"width": width}), (f"{width}px", {"width": width}),
        (f"{width} pixels", {"width": width}), (f"{width} px wide", {"width": width}), (f"{height} pixels high", {"height": height}),
        (f"a height of {height} pixels", {"height": height}), (f"{height} px tall", {"height": height}), (f"{percent}%", share),
        (f"{percent} percent", share), ("half size", {"scale": 0.5}), ("twice as big", {"scale": 2}), ("half as big", {"scale": 0.5}),
        ("three times as large", {"scale": 3}), ("four times bigger", {"scale": 4}), ("twice its size", {"scale": 2}),
    ))  # fmt: skip


def factor(rng: random.Random) -> Worded:
    """A factor in digits or words: "2", "three", "0.5"."""
    return rng.choice((
        ("2", {"scale": 2}), ("two", {"scale": 2}), ("3", {"scale": 3}), ("three", {"scale": 3}), ("4", {"scale": 4}), ("four", {"scale": 4}),
        ("5", {"scale": 5}), ("0.5", {"scale": 0.5}), ("1.5", {"scale": 1.5}), ("0.25", {"scale": 0.25}), ("8", {"scale": 8}), ("6", {"scale": 6}),
    ))  # fmt: skip


def times(rng: random.Random, zh: bool, key: str) -> Worded:
    """Words of growing and shrinking for the slots fw, fv, fs and fb."""
    table: dict[str, tuple[Worded, ...]] = {
        "fw": (("half", {"scale": 0.5}), ("twice", {"scale": 2}), ("three times", {"scale": 3}), ("four times", {"scale": 4})),
        "fv": (("double", {"scale": 2}), ("halve", {"scale": 0.5}), ("triple", {"scale": 3}), ("quadruple", {"scale": 4})),
        "fs": (("half", {"scale": 0.5}), ("a quarter", {"scale": 0.25}), ("a third", {"scale": 0.33}), ("50%", {"scale": 0.5}), ("25%", {"scale": 0.25})),
        "fb": (("twice", {"scale": 2}), ("by 2", {"scale": 2}), ("threefold", {"scale": 3}), ("four times", {"scale": 4}), ("2x", {"scale": 2}), ("3x", {"scale": 3})),
    }  # fmt: skip
    zh_table: dict[str, tuple[Worded, ...]] = {
        "fs": (("一半", {"scale": 0.5}), ("四分之一", {"scale": 0.25}), ("三分之一", {"scale": 0.33}), ("原来的一半", {"scale": 0.5}), ("50%", {"scale": 0.5})),
        "fb": (("两倍", {"scale": 2}), ("一倍", {"scale": 2}), ("三倍", {"scale": 3}), ("四倍", {"scale": 4}), ("2倍", {"scale": 2}), ("到两倍", {"scale": 2})),
    }  # fmt: skip
    return rng.choice(zh_table[key] if zh else table[key])


def turn(rng: random.Random, zh: bool, key: str) -> Worded:
    """An angle ("deg") or a direction ("way"), counter-clockwise degrees."""
    degrees = rng.choice((90, 90, 180, 180, 45, 30, 270, 60, 15, 10, 120, rng.randint(1, 359)))
    words = {
        90: "ninety",
        180: "a hundred and eighty",
        45: "forty-five",
        30: "thirty",
        60: "sixty",
        15: "fifteen",
        10: "ten",
    }
    if zh:
        zh_words = {90: "九十", 180: "一百八十", 45: "四十五", 30: "三十", 60: "六十"}
        name = zh_words.get(degrees, str(degrees)) if rng.random() < 0.4 else str(degrees)
        return f"{name}度", {"degrees": degrees}
    if key == "way":
        return rng.choice((
            ("upside down", {"degrees": 180}), ("to the left", {"degrees": 90}), ("to the right", {"degrees": -90}),
            ("clockwise", {"degrees": -90}), ("counterclockwise", {"degrees": 90}), ("sideways", {"degrees": 90}),
            ("a quarter turn", {"degrees": 90}), ("half way round", {"degrees": 180}), ("around", {"degrees": 180}),
            ("a quarter to the right", {"degrees": -90}), ("the other way up", {"degrees": 180}),
        ))  # fmt: skip
    name = words.get(degrees, str(degrees)) if rng.random() < 0.25 else str(degrees)
    return rng.choice((f"{name} degrees", f"{name} degrees", f"{degrees}°", f"{degrees} deg")), {
        "degrees": degrees
    }


def signed(text: str, params: Params) -> Params:
    """Degrees with the sign that "clockwise" or "to the right" in the whole clause gives them."""
    right = re.search(
        r"(?<!counter)(?<!anti)clockwise|to the right|(?<!逆)(?<!反)顺时针|[向往]右", text
    )
    degrees = abs(params.get("degrees", 0)) or _default_turn(text)
    return {"degrees": -degrees if right else degrees}


def _default_turn(text: str) -> int:
    half = (
        "upside down",
        "half turn",
        "180",
        "on its head",
        "round",
        "around",
        "颠倒",
        "倒",
        "翻",
        "半圈",
    )
    return 180 if any(word in text for word in half) else 90


def seconds(rng: random.Random, zh: bool) -> tuple[str, float]:
    """A length of time."""
    value: float = (
        rng.randint(1, 12)
        if rng.random() < 0.7
        else rng.choice((15, 20, 30, 40, 45, 60, 1.5, 2.5, 0.5))
    )
    if zh:
        word = (
            "两" if value == 2 else _ZH_NUMBERS[int(value)] if value in range(1, 11) else f"{value}"
        )
        return f"{word if rng.random() < 0.4 else value}秒{rng.choice(('', '', '钟'))}", value
    word = _EN_NUMBERS[int(value)] if value in range(1, 13) else f"{value}"
    name = word if rng.random() < 0.4 else f"{value}"
    return (
        f"{name} second{'' if value == 1 else 's'}" if rng.random() < 0.85 else f"{value}s"
    ), value


def span(rng: random.Random, zh: bool) -> Worded:
    """The start of something: "the first 3 seconds"."""
    words, value = seconds(rng, zh)
    if zh:
        return rng.choice(
            (
                f"前{words}",
                f"前面{words}",
                f"头{words}",
                f"开头{words}",
                f"开始的{words}",
                f"最开始的{words}",
            )
        ), {"end": value}
    return rng.choice(
        (f"first {words}", f"first {words}", f"opening {words}", f"initial {words}")
    ), {"end": value}


def stretch(rng: random.Random, zh: bool) -> Worded:
    """From one moment to another."""
    start = rng.randint(0, 20)
    end = start + rng.randint(1, 20)
    both = {"start": start, "end": end}
    if zh:
        return rng.choice(
            (
                f"第{start}秒到第{end}秒",
                f"{start}到{end}秒",
                f"从{start}秒到{end}秒",
                f"{start}秒至{end}秒",
                f"{start}-{end}秒",
                f"第{start}到{end}秒",
            )
        ), both
    return rng.choice((
        f"from {start} to {end} seconds", f"between {start} and {end} seconds", f"from second {start} to second {end}", f"from second {start} to {end}",
        f"from {start}s to {end}s", f"between second {start} and second {end}", f"from 0:{start:02d} to 0:{end:02d}", f"from {start} until {end} seconds",
        f"between 0:{start:02d} and 0:{end:02d}", f"from the {start}th to the {end}th second",
    )), both  # fmt: skip


def picture_format(rng: random.Random) -> Worded:
    """A picture's file format."""
    name = rng.choice(("png", "jpeg", "webp", "jpg"))
    return (name.upper() if rng.random() < 0.4 else name), {
        "format": "jpeg" if name == "jpg" else name
    }


def sound_format(rng: random.Random) -> Worded:
    """A sound's file format."""
    name = rng.choice(("wav", "flac", "mp3", "mp3", "ogg"))
    return (name.upper() if rng.random() < 0.4 else name), {"format": name}
