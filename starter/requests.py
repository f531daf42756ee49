"""Synthetic requests with their plans: what the starter hub learns planning from.

A scene of files is drawn, then one to four clauses, each a use of a tool (or a small habit such as
"describe it aloud") worded in one of many ways; they are joined, framed, misspelt a little, and
what was asked for is written down as steps. Free text in a plan is always a span of the request.
None of the held-out requests is used here.
"""

import random
import re
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from starter import requests_en, requests_slots, requests_words, requests_zh

_OPEN, _CLOSE = (
    0xE000,
    0xE001,
)  # private-use characters mark spans while the wording is still changed
MODALITIES = ("image", "audio", "video")
PREFIX = {"image": "i", "audio": "a", "video": "v"}


@dataclass(frozen=True)
class Sample:
    """One request, its files and the steps it asks for. Text bindings keep the space before their
    first word.
    """

    request: str
    language: str
    assets: list[dict[str, Any]]
    steps: list[dict[str, Any]]


@dataclass
class _Value:
    binding: dict[str, Any]
    modality: str
    made: bool = False
    word: str = ""
    name: str = ""
    turn: int = 0
    phrase: str = ""  #: what a value made on the way is called, once
    mentioned: bool = False


@dataclass
class _Clause:
    kind: str
    text: str


_INNER = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")


def expand(rng: random.Random, pattern: str) -> str:
    """One wording of a pattern in the notation of `starter.requests_en`."""
    while True:
        inner = _INNER.search(pattern)
        if inner is None:
            return re.sub(r" {2,}", " ", pattern) if "  " in pattern else pattern
        if inner.group(1) is not None:
            chosen = rng.choice(inner.group(1).split("|"))
        else:
            chosen = rng.choice(inner.group(2).split("|")) if rng.random() < 0.4 else ""
        pattern = pattern[: inner.start()] + chosen + pattern[inner.end() :]


def split_top(pattern: str) -> list[str]:
    """The alternatives at the top level of a pattern."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(pattern):
        depth += (char in "([") - (char in ")]")
        if char == "|" and depth == 0:
            parts.append(pattern[start:place])
            start = place + 1
    return [*parts, pattern[start:]]


_SPLIT: dict[str, list[str]] = {}


def pick(rng: random.Random, pattern: str) -> str:
    """One wording of one alternative."""
    options = _SPLIT.get(pattern)
    if options is None:
        options = _SPLIT[pattern] = split_top(
            re.sub(r'\[\\?"\](\{\w\})\[\\?"\]', r'(\1|"\1"|\1)', pattern)
        )
    return expand(rng, rng.choice(options))


@dataclass
class Writer:
    """Writes one request: keeps what exists so far, the steps, and the words."""

    rng: random.Random
    language: str
    assets: list[_Value] = field(default_factory=list)
    made: list[_Value] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    spans: int = 0
    focus: list[_Value] = field(default_factory=list)

    @property
    def zh(self) -> bool:
        """Whether the request is Chinese."""
        return self.language == "zh"

    @property
    def pack(self) -> ModuleType:
        """The wordings of the language."""
        return requests_zh if self.zh else requests_en

    def of(self, modality: str) -> list[_Value]:
        """The caller's files of one modality."""
        return [value for value in self.assets if value.modality == modality]

    def results(self, modality: str) -> list[_Value]:
        """What steps have made so far of one modality."""
        return [value for value in self.made if value.modality == modality]

    def mark(self, text: str) -> tuple[dict[str, Any], str]:
        """Makes a piece of the request quotable: a text binding, and the piece with its marks."""
        number = self.spans
        self.spans += 1
        return {"text": number}, f"{chr(_OPEN + 2 * number)}{text}{chr(_CLOSE + 2 * number)}"

    def add(
        self,
        tool: str,
        inputs: dict[str, Any],
        params: dict[str, Any] | None = None,
        gives: str = "",
    ) -> _Value:
        """Appends a step; `gives` is "port:modality" of its main output."""
        step_id = f"s{len(self.steps) + 1}"
        step: dict[str, Any] = {"id": step_id, "tool": tool, "inputs": inputs}
        if params:
            step["params"] = params
        self.steps.append(step)
        port, _, modality = gives.partition(":")
        value = _Value({"from": f"{step_id}.{port}"}, modality or port, made=True)
        self.made.append(value)
        return value

    # -- how things are referred to

    def noun(self, modality: str) -> str:
        """A noun for a modality, of no other modality in the scene."""
        nouns: list[str] = self.pack.REFS[modality].split("|")
        others = {value.modality for value in self.assets} - {modality}
        taken = {word for name in others for word in self.pack.REFS[name].split("|")}
        return self.rng.choice([word for word in nouns if word not in taken])

    def _fill(self, form: str, modality: str, **more: str) -> str:
        measure = self.rng.choice(requests_zh.MEASURES[modality].split("|")) if self.zh else ""
        return form.replace("{n}", self.noun(modality)).replace("{m}", measure).format(**more)

    def refer(self, value: _Value) -> str:
        """Words for one value."""
        value.mentioned = True
        if value.phrase:
            phrase, value.phrase = value.phrase, ""
            return phrase
        rng, pack = self.rng, self.pack
        if value.made:
            rivals = bool(self.of(value.modality)) or len(self.results(value.modality)) > 1
            words = pick(rng, pack.RESULTS[value.modality])
            plain = (
                f"the {value.modality}",
                "the picture",
                "the drawing",
                "图",
                "图片",
                "画",
                "声音",
                "录音",
                "视频",
                "这张图",
                "the recording",
                "the clip",
            )
            return (
                rng.choice(("结果", "它") if self.zh else ("it", "the result"))
                if rivals and words in plain
                else words
            )
        same = self.of(value.modality)
        if value.name and rng.random() < (0.35 if len(same) == 1 else 0.6):
            form = rng.choice(
                ("{w}", "{w}{n}", "{w}那{m}", "{f}", "{f}")
                if self.zh
                else ("the {w} {n}", "{f}", "{f}", "the {w} one", "the {n} {f}", "{w}")
            )
            return self._fill(
                form.replace("{w}", value.word).replace("{f}", value.name), value.modality
            )
        if len(same) == 1:
            alone = len(self.assets) == 1 and not self.made
            pronoun = (alone and rng.random() < 0.4) or (
                self.focus == [value] and rng.random() < 0.6
            )
            return self._fill(
                pick(rng, pack.PRONOUNS if pronoun else pack.DEFINITE), value.modality
            )
        return self._among(value, same)

    def _among(self, value: _Value, same: list[_Value]) -> str:
        rng, pack = self.rng, self.pack
        if len(same) == 2 and same[1 - same.index(value)].mentioned and rng.random() < 0.2:
            return self._fill(pick(rng, pack.OTHER_FORMS), value.modality)
        turns = {item.turn for item in same}
        if len(turns) > 1 and value.turn == min(turns):
            return self._fill(pick(rng, pack.NEWEST_FORMS), value.modality)
        place = same.index(value)
        if place == len(same) - 1 and rng.random() < 0.3:
            return self._fill(pick(rng, pack.LAST_FORMS), value.modality)
        if len(same) == 3 and place == 1 and rng.random() < 0.3:
            return self._fill(pick(rng, pack.MIDDLE_FORMS), value.modality)
        ordinal = rng.choice(pack.ORDINALS[place].split("|"))
        return self._fill(
            pick(rng, pack.ORDINAL_FORMS),
            value.modality,
            o=ordinal,
            k=str(place + 1),
            w=requests_en.NUMBER_WORDS[place],
        )

    def refer_all(self, values: list[_Value]) -> str:
        """Words for several values at once."""
        for value in values:
            value.mentioned = True
        rng, pack = self.rng, self.pack
        kinds = {value.modality for value in values}
        whole = len(kinds) == 1 and (
            values == self.of(values[0].modality) or values == self.results(values[0].modality)
        )
        if whole and rng.random() < 0.85:
            form = pick(rng, pack.PAIR if len(values) == 2 else pack.GROUP)
            return self._fill(form, values[0].modality, w=pack.NUMBER_WORDS[len(values) - 1])
        if len(values) == 2 and len(kinds) == 2 and values == self.assets and rng.random() < 0.75:
            one, two = (value.modality for value in values)
            names = {"n1": self.noun(one), "n2": self.noun(two)}
            if self.zh:
                names |= {"m1": requests_zh.MEASURES[one][0], "m2": requests_zh.MEASURES[two][0]}
            return pick(rng, pack.MIXED).format(**names)
        if len(kinds) == 2 == len(values) and values[1].made and rng.random() < 0.75:
            return pick(rng, pack.TOGETHER)
        if len(values) == 2 and not values[0].made and values[1].made and rng.random() < 0.6:
            plain = values[0].modality != "image"
            if self.zh:
                first = rng.choice(
                    ("原来的", "我发的", "原件")
                    if plain
                    else ("原图", "原来的", "我的图", "原来那张")
                )
            else:
                first = rng.choice(
                    (
                        "the original",
                        "the original one",
                        "the old one",
                        "mine",
                        "the one I sent",
                        "what I sent",
                    )
                    + (() if plain else ("my picture", "the original", "the first version"))
                )
            joint = rng.choice(("和", "跟", "与") if self.zh else (" and ", " with ", " next to "))
            return f"{first}{joint}{self.refer(values[1])}"
        words = [self.refer(value) for value in values]
        if self.zh:
            return "、".join(words[:-1]) + rng.choice(("和", "跟", "与", "、")) + words[-1]
        return (
            ", ".join(words[:-1])
            + rng.choice((" and ", " and ", " with ", " plus ", " & "))
            + words[-1]
        )


def draw_assets(rng: random.Random, language: str, kinds: str) -> list[_Value]:
    """Files of a scene: "iia" is two pictures and a sound; digits after a letter are turns ago."""
    named = rng.random() < 0.36
    assets: list[_Value] = []
    for letter, turn in re.findall(r"([iav])(\d?)", kinds):
        modality = next(name for name in MODALITIES if PREFIX[name] == letter)
        name, word = requests_words.file_name(rng, language, modality) if named else ("", "")
        if turn and modality == "image" and rng.random() < 0.5:
            name, word = requests_words.drawn(rng, language)
        if any(word and word == other.word for other in assets):
            name = word = ""
        assets.append(
            _Value(
                {"asset": f"a{len(assets) + 1}"},
                modality,
                word=word,
                name=name,
                turn=int(turn or 0),
            )
        )
    return assets


def finish(writer: Writer, text: str) -> Sample:
    """Turns marks into spans: text bindings become what the final request says there, with the
    space before. A LookupError where a piece is missing or stands twice.
    """
    plain: list[str] = []
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for char in text:
        code = ord(char)
        if _OPEN <= code < _OPEN + 2 * writer.spans:
            side = starts if (code - _OPEN) % 2 == 0 else ends
            if (code - _OPEN) // 2 in side:
                raise LookupError("a quotable piece stands twice in the request")
            side[(code - _OPEN) // 2] = len(plain)
        else:
            plain.append(char)
    request = "".join(plain)

    def quoted(number: int) -> str:
        start, end = starts[number], ends[number]
        start -= start > 0 and request[start - 1] == " "
        return request[start:end]

    def resolve(node: Any) -> Any:
        if isinstance(node, dict):
            if set(node) == {"text"} and isinstance(node["text"], int):
                return {"text": quoted(node["text"])}
            return {
                key: quoted(value["text"]) if key == "question" else resolve(value)
                for key, value in node.items()
            }
        return [resolve(item) for item in node] if isinstance(node, list) else node

    assets = [
        {
            "id": value.binding["asset"],
            "modality": value.modality,
            "about": value.name,
            "turn": value.turn,
        }
        for value in writer.assets
    ]
    return Sample(request, writer.language, assets, resolve(writer.steps))


__all__ = ["Sample", "Writer", "draw_assets", "expand", "finish", "pick", "requests_slots"]
