"""Clauses of synthetic requests: for each operation, its arguments, its steps and its wording."""

import random
import re
from collections.abc import Callable
from typing import Any

from starter import requests_slots as slots
from starter import requests_words as words
from starter.requests import Writer, _Clause, _Value, pick

Op = Callable[..., _Clause | None]
MEDIA = ("image", "audio", "video")


def worded(
    writer: Writer,
    key: str,
    x: str | None,
    params: dict[str, Any],
    fixed: dict[str, str] | None = None,
    pattern: str = "",
    must: bool = False,
) -> _Clause | None:
    """A wording of an operation; `x` None: only wordings that need no reference; `must`: only
    wordings that have one. Slots add to `params`. A pattern given stands in for those of the key.
    """
    for _ in range(12):
        raw = pick(writer.rng, pattern or writer.pack.OPS[key])
        if (x is None and "{x}" in raw) or (must and "{x}" not in raw):
            continue
        kind, text = raw[0], raw[2:]
        found: dict[str, str] = dict(fixed or {})
        found["x"] = x or ""
        for slot in re.findall(r"\{(\w+)\}", text):
            if slot not in found:
                found[slot], more = _slot(writer, slot)
                params.update(more)
        return _Clause(kind, text.format(**found))
    return None


def _slot(writer: Writer, slot: str) -> tuple[str, dict[str, Any]]:
    rng, zh = writer.rng, writer.zh
    if slot in ("side", "anti"):
        table = writer.pack.SIDES if slot == "side" else writer.pack.OPPOSITE
        names = rng.choice(list(table))
        return rng.choice(names.split("|")), dict(table[names])
    if slot in ("fw", "fv", "fs", "fb"):
        return slots.times(rng, zh, slot)
    if slot == "k":
        word, value = slots.count(rng, zh)
        return word, {"count": value}
    if slot == "sec":
        word, seconds = slots.seconds(rng, zh)
        return word, {"end": seconds}
    makers: dict[str, Callable[[], tuple[str, dict[str, Any]]]] = {
        "size": lambda: slots.size(rng, zh), "f": lambda: slots.factor(rng), "deg": lambda: slots.turn(rng, zh, "deg"),
        "way": lambda: slots.turn(rng, zh, "way"), "span": lambda: slots.span(rng, zh), "range": lambda: slots.stretch(rng, zh),
        "nd": lambda: (words.noun(rng, writer.language), {}),
    }  # fmt: skip
    return makers[slot]()


def choose(writer: Writer, *modalities: str) -> list[_Value] | None:
    """Arguments of an operation that takes one value: mostly one, now and then all of a modality."""
    rng = writer.rng
    fresh = [v for v in writer.assets if v.modality in modalities and not v.mentioned]
    if fresh and len(fresh) < len(writer.assets) and rng.random() < 0.3:
        return [rng.choice(fresh)]
    recent = [value for value in writer.focus if value.modality in modalities]
    if recent and rng.random() < 0.75:
        return [recent[-1]]
    made = [value for value in writer.made if value.modality in modalities]
    if made and rng.random() < 0.5:
        return [made[-1]]
    assets = [value for value in writer.assets if value.modality in modalities]
    if not assets:
        return [made[-1]] if made else None
    modality = rng.choice(assets).modality
    same = writer.of(modality)
    if len(same) > 1 and rng.random() < 0.35:
        return same
    mixed = {value.modality for value in writer.assets}
    if len(mixed) == 2 == len(writer.assets) and mixed <= set(modalities) and rng.random() < 0.3:
        return list(writer.assets)
    return [rng.choice(same)]


def words_for(writer: Writer, values: list[_Value]) -> str | None:
    """A reference, or None where leaving it out says the same."""
    if len(values) > 1:
        return writer.refer_all(values)
    value = values[0]
    alone = (
        not value.made
        and len(writer.of(value.modality)) == 1
        and not writer.results(value.modality)
    )
    return None if alone and writer.rng.random() < 0.3 else writer.refer(value)


def needs_words(writer: Writer, values: list[_Value]) -> bool:
    """Whether a request must say what it is about, as something else could be meant."""
    if len(values) > 1 or values[0].phrase:
        return True
    rivals = len(writer.of(values[0].modality)) + len(writer.results(values[0].modality))
    latest = values[0].made and values == writer.made[-1:]
    return rivals > 1 and not (latest and writer.focus == values)


def unary(tool: str, key: str, port: str, gives: str, *modalities: str) -> Op:
    """An operation on one value; a group of values becomes one step for each."""

    def op(writer: Writer, given: list[_Value] | None = None) -> _Clause | None:
        values = given or choose(writer, *modalities)
        if values is None:
            return None
        params: dict[str, Any] = {}
        fixed = _fixed(writer, tool, values, params)
        name = f"{key}.{values[0].modality}" if key in ("describe", "e2i") else key
        kinds = {value.modality for value in values}
        if len(kinds) > 1:
            name = f"{key}.image" if key in ("describe", "e2i") else key
        must = needs_words(writer, values)
        mixed = len({value.modality for value in writer.assets}) > 1
        if mixed and name in ("describe.image", "describe.video") and writer.rng.random() < 0.85:
            must = True  # "What is this?" could be about anything there
        clause = worded(writer, name, words_for(writer, values), params, fixed, must=must)
        clause = clause or worded(
            writer,
            name,
            writer.refer_all(values) if len(values) > 1 else writer.refer(values[0]),
            params,
            fixed,
            must=must,
        )
        if clause is None:
            return None
        _adjust(tool, clause.text, params)
        if tool == "describe":
            params["question"], clause.text = writer.mark(clause.text)
        result = [
            writer.add(
                tool, {port: value.binding}, dict(params), gives.replace("?", values[0].modality)
            )
            for value in values
        ]
        writer.focus = result if gives.split(":")[1] in MEDIA else values
        return clause

    return op


def _fixed(
    writer: Writer, tool: str, values: list[_Value], params: dict[str, Any]
) -> dict[str, str]:
    rng = writer.rng
    if tool == "search":
        return search_words(writer, params)
    if tool in ("convert_image", "convert_audio"):
        word, more = (
            slots.picture_format(rng) if tool == "convert_image" else slots.sound_format(rng)
        )
        params.update(more)
        return {"fmt": word}
    return {}


def search_words(writer: Writer, params: dict[str, Any]) -> dict[str, str]:
    """What kind of thing to search for, and how many."""
    rng = writer.rng
    modality = rng.choice(("", "", "image", "image", "image", "audio", "video"))
    many = rng.choice(writer.pack.MEDIA_WORDS[modality].split("|"))
    single = rng.choice(writer.pack.MEDIA_WORD[modality or "image"].split("|"))
    if modality:
        params["modalities"] = [modality]
    if rng.random() < 0.2:
        word, value = slots.count(rng, writer.zh, 2, 12)
        params["limit"] = value
        many = (
            f"{word}个{many}"
            if writer.zh
            else f"{rng.choice(('', 'the top ', 'the best '))}{word} {many}"
        )
    return {"mm": many, "m1": single}


def _adjust(tool: str, text: str, params: dict[str, Any]) -> None:
    if tool == "rotate":
        params.update(slots.signed(text, params))
    if tool == "resize" and not params:
        larger = re.search(
            r"bigger|larger|enlarge|upscale|scale up|blow|magnify|increase|huge|放大|扩大|大一|变大|弄大|改大",
            text,
        )
        params["scale"] = 2 if larger else 0.5
    if tool == "speak" and re.search(r"slowly|慢", text):
        params["speed"] = 0.7
    if tool == "speak" and re.search(r"quickly|fast", text):
        params["speed"] = 1.4


def text_to_image(writer: Writer) -> _Clause | None:
    """Draws something that is named."""
    rng, pack = writer.rng, writer.pack
    binding, marked = writer.mark(words.thing(rng, writer.language))
    kind = rng.choice("vvvnnns")
    text = pick(rng, {"v": pack.T2I_V, "n": pack.T2I_N, "s": pack.T2I_S}[kind])
    if "{t}" not in text:
        text, kind = ("画{t}" if writer.zh else "draw {t}"), "v"
    clause = _Clause(
        kind, text.replace("{t}", marked).replace("{nd}", words.noun(rng, writer.language))
    )
    writer.focus = [writer.add("text_to_image", {"prompt": binding}, gives="image:image")]
    return clause


def _from_words(
    tool: str, key: str, port: str, gives: str, make: Callable[[random.Random, str], str], slot: str
) -> Op:
    def op(writer: Writer) -> _Clause | None:
        binding, marked = writer.mark(make(writer.rng, writer.language))
        params: dict[str, Any] = {}
        fixed = {slot: marked, **(search_words(writer, params) if tool == "search" else {})}
        clause = worded(writer, key, None, params, fixed)
        if clause is None or marked not in clause.text:
            return None
        if tool == "search" and fixed["mm"] not in clause.text:
            params = {}
        _adjust(tool, clause.text, params)
        result = writer.add(tool, {port: binding}, params, gives)
        if gives.split(":")[1] in MEDIA:
            writer.focus = [result]
        return clause

    return op


def caption(writer: Writer, given: list[_Value] | None = None) -> _Clause | None:
    """Writes given words onto a picture."""
    values = given or choose(writer, "image")
    if values is None:
        return None
    binding, marked = writer.mark(words.caption(writer.rng, writer.language))
    params: dict[str, Any] = {}
    clause = worded(
        writer,
        "caption",
        writer.refer_all(values) if len(values) > 1 else writer.refer(values[0]),
        params,
        {"u": marked},
        must=needs_words(writer, values),
    )
    if clause is None or marked not in clause.text:
        return None
    if re.search(r" at the top| on top\b| above\b|顶部|上方", clause.text):
        params["place"] = "top"
    writer.focus = [
        writer.add(
            "caption", {"image": value.binding, "text": binding}, dict(params), "image:image"
        )
        for value in values
    ]
    return clause


def caption_from(writer: Writer) -> _Clause | None:
    """Writes what an earlier step said onto a picture."""
    said, pictures = writer.results("text"), [*writer.of("image"), *writer.results("image")]
    if not said or not pictures:
        return None
    target = pictures[-1]
    clause = worded(
        writer,
        "caption_from",
        writer.refer(target),
        {},
        {"y": pick(writer.rng, writer.pack.RESULTS["text"])},
    )
    writer.focus = [
        writer.add(
            "caption", {"image": target.binding, "text": said[-1].binding}, gives="image:image"
        )
    ]
    return clause


def speak_from(writer: Writer) -> _Clause | None:
    """Says aloud what an earlier step said."""
    said = writer.results("text")
    if len(said) != 1:
        return None
    clause = worded(
        writer, "speak_from", None, {}, {"y": pick(writer.rng, writer.pack.RESULTS["text"])}
    )
    writer.focus = [writer.add("speak", {"text": said[0].binding}, gives="audio:audio")]
    return clause


def listed(tool: str, key: str, port: str, modality: str) -> Op:
    """An operation on a list: all files of a modality, all results, or a file and a result."""

    def op(writer: Writer) -> _Clause | None:
        values = several(writer, modality)
        if values is None:
            return None
        params: dict[str, Any] = {}
        clause = worded(writer, key, writer.refer_all(values), params, {"mus": ""})
        params = {"columns": params["count"]} if "count" in params and tool == "collage" else {}
        gives = {
            "collage": "image:image",
            "slideshow": "video:video",
            "concat_video": "video:video",
        }.get(tool, "audio:audio")
        writer.focus = [
            writer.add(tool, {port: [value.binding for value in values]}, params, gives)
        ]
        return clause

    return op


def several(writer: Writer, modality: str) -> list[_Value] | None:
    """Two or more values of a modality that belong together."""
    assets, results, rng = writer.of(modality), writer.results(modality), writer.rng
    options = [group for group in (assets, results) if len(group) > 1]
    if len(assets) >= 1 and len(results) == 1:
        options.append([assets[0], results[0]])
    if not options:
        return None
    values = rng.choice(options)
    return rng.sample(values, 2) if len(values) > 2 and rng.random() < 0.15 else values


def slideshow_music(writer: Writer) -> _Clause | None:
    """Pictures to a video, with a sound."""
    pictures = several(writer, "image") or [*writer.of("image"), *writer.results("image")][-1:]
    sounds = [*writer.of("audio"), *writer.results("audio")]
    if not pictures or not sounds:
        return None
    sound = sounds[-1]
    inputs = {"images": [value.binding for value in pictures], "audio": sound.binding}
    if len(pictures) > 1 or writer.rng.random() < 0.2:
        joint = (
            ("，配上", "，用", "，加上", "，配")
            if writer.zh
            else (
                " with ",
                " with ",
                " using ",
                ", the sound is ",
                ", with music: ",
                " and use ",
                " accompanied by ",
            )
        )
        music = writer.rng.choice(joint) + writer.refer(sound)
        x = writer.refer_all(pictures) if len(pictures) > 1 else writer.refer(pictures[0])
        clause = worded(writer, "slideshow", x, {}, {"mus": music})
    else:
        both = [pictures[0], sound]
        p = (
            writer.refer_all(both)
            if pictures[0].made == sound.made or writer.rng.random() < 0.4
            else f"{writer.refer(pictures[0])}{'和' if writer.zh else ' and '}{writer.refer(sound)}"
        )
        clause = worded(
            writer,
            "slideshow_pair",
            None,
            {},
            {"p": p, "i": writer.refer(pictures[0]), "a": writer.refer(sound)},
        )
    writer.focus = [writer.add("slideshow", inputs, gives="video:video")]
    return clause


def mux(writer: Writer) -> _Clause | None:
    """A new sound track for a video."""
    videos, sounds = (
        [*writer.of("video"), *writer.results("video")],
        [*writer.of("audio"), *writer.results("audio")],
    )
    if not videos or not sounds:
        return None
    clause = worded(
        writer, "mux", None, {}, {"v": writer.refer(videos[-1]), "a": writer.refer(sounds[-1])}
    )
    inputs = {"video": videos[-1].binding, "audio": sounds[-1].binding}
    writer.focus = [writer.add("mux", inputs, gives="video:video")]
    return clause


def combine(end: str) -> Op:
    """A mix in the shared space, then drawn, searched with, or left as it is; some with words or
    with a minus.
    """

    def op(writer: Writer) -> _Clause | None:
        rng = writer.rng
        values = list(writer.assets)
        if (
            not 1 <= len(values) <= 4
            or (end == "minus" and len(values) != 2)
            or (writer.made and rng.random() < 0.7)
        ):
            return None
        bindings = [value.binding for value in values]
        x = writer.refer_all(values) if len(values) > 1 else ""
        if len(values) == 1 or (end != "minus" and len(values) == 2 and rng.random() < 0.15):
            binding, marked = writer.mark(
                words.thing(rng, writer.language)
                if rng.random() < 0.6
                else words.noun(rng, writer.language)
            )
            bindings.append(binding)
            word = _idea(rng, writer.zh).format(marked)
            joint = rng.choice(
                ("和", "与", "跟", "加上") if writer.zh else (" and ", " with ", " plus ")
            )
            x = f"{x or writer.refer(values[0])}{joint}{word}"
        params: dict[str, Any] = {"weights": [1, -1]} if end == "minus" else {}
        extra: dict[str, Any] = {}
        fixed = search_words(writer, extra) if end == "search" else {}
        if end == "minus":
            clause = worded(
                writer,
                "combine_minus",
                None,
                {},
                {"a": writer.refer(values[0]), "b": writer.refer(values[1])},
            )
        else:
            clause = worded(writer, f"combine_{end}", x, {}, fixed)
        mix = writer.add("embed_combine", {"embeddings": bindings}, params, "embedding:embedding")
        if end in ("draw", "minus"):
            writer.focus = [
                writer.add("embedding_to_image", {"embedding": mix.binding}, gives="image:image")
            ]
        if end == "search":
            shown = clause is not None and fixed["mm"] in clause.text
            writer.add("search", {"query": mix.binding}, extra if shown else {}, "assets:assets")
        return clause

    return op


def _idea(rng: random.Random, zh: bool) -> str:
    if zh:
        return rng.choice(("{}", "{}", "“{}”", "{}的感觉", "{}的意思", "“{}”这个词", "{}这个概念"))
    return rng.choice(
        (
            "{}",
            "{}",
            "{}",
            '"{}"',
            "the word {}",
            'the word "{}"',
            "the idea of {}",
            "the concept of {}",
            "the words {}",
            "the meaning of {}",
        )
    )


def describe_then(key: str) -> Op:
    """Describes something, and says it aloud or writes it onto the picture."""

    def op(writer: Writer) -> _Clause | None:
        values = choose(writer, *(("image",) if key == "describe_caption" else MEDIA))
        if values is None or len(values) > 1:
            return None
        clause = worded(writer, key, writer.refer(values[0]), {})
        if clause is None:
            return None
        question, clause.text = writer.mark(clause.text)
        said = writer.add(
            "describe", {"media": values[0].binding}, {"question": question}, "text:text"
        )
        if key == "describe_caption":
            writer.focus = [
                writer.add(
                    "caption",
                    {"image": values[0].binding, "text": said.binding},
                    gives="image:image",
                )
            ]
        else:
            writer.focus = [writer.add("speak", {"text": said.binding}, gives="audio:audio")]
        return clause

    return op


def frames_collage(writer: Writer) -> _Clause | None:
    """A contact sheet of a video's frames."""
    videos = writer.of("video")
    if len(videos) != 1:
        return None
    params: dict[str, Any] = {}
    clause = worded(writer, "frames_collage", writer.refer(videos[0]), params)
    frames = writer.add("extract_frames", {"video": videos[0].binding}, params, "images:images")
    writer.focus = [writer.add("collage", {"images": frames.binding}, gives="image:image")]
    return clause


def chat(writer: Writer) -> _Clause | None:
    """Small talk: nothing to do."""
    return worded(writer, "chat", None, {})


DESCRIBE = unary("describe", "describe", "media", "text:text", *MEDIA)
DRAW = unary("embedding_to_image", "e2i", "embedding", "image:image", *MEDIA)
#: Operation, weight, and what it needs: letters of modalities, files or results.
OPS: list[tuple[Op, float, str]] = [
    (text_to_image, 6, ""),
    (_from_words("speak", "speak", "text", "audio:audio", words.sentence, "u"), 4.5, ""),
    (_from_words("search", "search_text", "query", "assets:assets", words.thing, "t"), 4, ""),
    (_from_words("embed", "embed_text", "media", "embedding:embedding", words.thing, "t"), 0.6, ""),
    (DESCRIBE, 9, "m"),
    (DRAW, 8, "m"),
    (unary("embed", "embed", "media", "embedding:embedding", *MEDIA), 1.2, "m"),
    (unary("search", "search", "query", "assets:assets", *MEDIA), 4, "m"),
    (unary("resize", "resize", "image", "image:image", "image"), 3, "i"),
    (unary("crop", "crop", "image", "image:image", "image"), 2, "i"),
    (unary("rotate", "rotate", "image", "image:image", "image"), 2.4, "i"),
    (unary("convert_image", "convert_image", "image", "image:image", "image"), 1.5, "i"),
    (caption, 2.6, "i"),
    (caption_from, 4, "it"),
    (speak_from, 5, "t"),
    (unary("convert_audio", "convert_audio", "audio", "audio:audio", "audio"), 2, "a"),
    (unary("trim_audio", "trim", "audio", "audio:audio", "audio"), 2.4, "a"),
    (unary("waveform", "waveform", "audio", "image:image", "audio"), 2, "a"),
    (unary("spectrogram", "spectrogram", "audio", "image:image", "audio"), 2, "a"),
    (unary("trim_video", "trim", "video", "video:video", "video"), 3, "v"),
    (unary("extract_frames", "extract_frames", "video", "images:images", "video"), 3, "v"),
    (unary("extract_audio", "extract_audio", "video", "audio:audio", "video"), 3.5, "v"),
    (frames_collage, 2, "v"),
    (listed("collage", "collage", "images", "image"), 5, "ii"),
    (listed("slideshow", "slideshow", "images", "image"), 4, "ii"),
    (listed("concat_audio", "concat_audio", "audios", "audio"), 5, "aa"),
    (listed("mix_audio", "mix_audio", "audios", "audio"), 5, "aa"),
    (listed("concat_video", "concat_video", "videos", "video"), 7, "vv"),
    (slideshow_music, 5, "ia"),
    (mux, 7, "va"),
    (combine("draw"), 5, "m"),
    (combine("minus"), 1, "mm"),
    (combine("only"), 0.7, "mm"),
    (combine("search"), 1, "mm"),
    (describe_then("describe_speak"), 2.5, "m"),
    (describe_then("describe_caption"), 1.6, "i"),
]
