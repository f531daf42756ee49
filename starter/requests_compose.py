"""Whole requests: a scene, clauses joined by connectors, a frame around them, and a few slips of
the hand.
"""

import itertools
import random
import re
from collections.abc import Iterator

from starter.requests import Sample, Writer, _Clause, draw_assets, finish, pick
from starter.requests_chains import CHAINS
from starter.requests_habits import HABITS
from starter.requests_ops import DESCRIBE, DRAW, OPS, chat
from starter.requests_slips import slip

SCENES = {
    "": 36, "i": 20, "a": 15, "v": 8, "ii": 9, "ia": 18, "ai": 8, "aa": 8, "va": 9, "iv": 4, "iii": 4, "iiii": 1.5, "iia": 8,
    "iaa": 3, "aaa": 2, "vv": 4, "i1": 7, "a1": 4, "v1": 2, "i1i": 3, "i1i1": 5, "i1i1i1": 1.5, "i2i1i": 0.7, "a1i1": 0.7, "i2i1": 1.5, "i1a": 2, "iiiii": 0.5, "iiia": 1.4, "vi": 2, "va1": 1,
}  # fmt: skip

TOGETHER = 0.28  #: share of scenes with unlike files in which each is asked about
HABIT = 0.22  #: share of requests that are one of the usual sequences

_NEEDS = {
    needs: tuple((letter, needs.count(letter)) for letter in set(needs))
    for _, _, needs in (*OPS, *CHAINS)
}


def generate(rng: random.Random, language: str) -> Sample:
    """One synthetic request in "en" or "zh"."""
    while True:
        try:
            sample = _attempt(rng, language)
        except LookupError:  # a wording without room for its argument
            continue
        if sample is not None:
            return sample


def stream(seed: int, chinese: float = 0.4) -> Iterator[Sample]:
    """Requests without end."""
    rng = random.Random(seed)
    while True:
        yield generate(rng, "zh" if rng.random() < chinese else "en")


def _attempt(rng: random.Random, language: str) -> Sample | None:
    kinds = rng.choices(list(SCENES), list(SCENES.values()))[0]
    writer = Writer(rng, language, draw_assets(rng, language, kinds))
    if rng.random() < (0.1 if not kinds else 0.01):
        clause = chat(writer)
        return finish(writer, _polish(writer, clause.text)) if clause else None
    if rng.random() < TOGETHER and len({value.modality for value in writer.assets}) > 1:
        return _together(writer)
    if rng.random() < HABIT:
        return _habit(writer)
    total = rng.choices((1, 2, 3, 4), (66, 26, 7, 1))[0]
    clauses: list[_Clause] = []
    for _ in range(total * 3):
        if len(clauses) == total or len(writer.steps) > 5:
            break
        steps, made = len(writer.steps), len(writer.made)
        clause = _clause(writer, bool(clauses))
        if clause is None:
            del writer.steps[steps:], writer.made[made:]
            continue
        clauses.append(clause)
    if len(clauses) < total or len(writer.steps) > 8:
        return None
    text = _join(writer, clauses)
    text = _ignoring(writer, text)
    return finish(writer, _polish(writer, text))


def _habit(writer: Writer) -> Sample | None:
    """One of the usual sequences, on the files that there are."""
    have = {
        "i": len(writer.of("image")),
        "a": len(writer.of("audio")),
        "v": len(writer.of("video")),
    }
    fitting = [
        (ops, weight * (0.25 if writer.assets and not needs else 1))
        for needs, weight, ops in HABITS
        if all(have[letter] >= needs.count(letter) for letter in needs)
    ]
    chosen = writer.rng.choices([ops for ops, _ in fitting], [weight for _, weight in fitting])[0]
    clauses: list[_Clause] = []
    for op in chosen:
        clause = op(writer)
        if clause is None:
            return None
        clauses.append(clause)
    return finish(writer, _polish(writer, _ignoring(writer, _join(writer, clauses))))


def _together(writer: Writer) -> Sample | None:
    """Questions about several files of unlike kinds, each told by its kind; then perhaps a drawing of one."""
    rng = writer.rng
    firsts = {value.modality: value for value in rng.sample(writer.assets, len(writer.assets))}
    targets = rng.sample(list(firsts.values()), len(firsts))
    if rng.random() < 0.6:
        targets.sort(key=lambda value: writer.assets.index(value))
    clauses = []
    if rng.random() < 0.15 and len(writer.assets) == len(targets):
        clauses.append(DESCRIBE(writer, list(writer.assets)))
    else:
        for target in targets[: rng.choice((1, 2, 2, 2, 3))]:
            clauses.append((DRAW if rng.random() < 0.12 else DESCRIBE)(writer, [target]))
    if rng.random() < 0.55:
        writer.focus = []
        clauses.append((DESCRIBE if rng.random() < 0.1 else DRAW)(writer, [rng.choice(targets)]))
    known = [clause for clause in clauses if clause is not None]
    if len(known) < len(clauses):
        return None
    return finish(writer, _polish(writer, _ignoring(writer, _join(writer, known))))


def _clause(writer: Writer, more: bool) -> _Clause | None:
    have = {
        letter: len(writer.of(name)) + len(writer.results(name))
        for letter, name in (("i", "image"), ("a", "audio"), ("v", "video"))
    }
    have["t"] = len(writer.results("text"))
    have["m"] = have["i"] + have["a"] + have["v"]
    fitting = []
    for op, weight, needs in (*OPS, *CHAINS):
        if any(have[letter] < wanted for letter, wanted in _NEEDS[needs]):
            continue
        # With files at hand, people mostly ask about them; without, they ask for something new.
        if not needs and writer.assets and not more:
            weight *= 0.35
        if len(needs) == 2:
            weight *= 1.4
        fitting.append((op, weight))
    mixed = len({value.modality for value in writer.assets}) > 1
    if mixed and not more and writer.rng.random() < 0.3:
        return DESCRIBE(writer)
    return writer.rng.choices([op for op, _ in fitting], [weight for _, weight in fitting])[0](
        writer
    )


def _say(writer: Writer, clause: _Clause, frame: float) -> str:
    rng, pack = writer.rng, writer.pack
    if clause.kind == "v":
        return (
            pick(rng, pack.WRAP_V).replace("{v}", clause.text)
            if rng.random() < frame
            else clause.text
        )
    if clause.kind == "n":
        return pick(rng, pack.WRAP_N).replace("{n}", clause.text)
    if clause.kind == "q":
        asking = re.match(r".?(what|which|who|how|where)", clause.text) is not None
        if writer.zh and rng.random() < 0.3:
            return (
                rng.choice(
                    (
                        "请问",
                        "告诉我",
                        "你知道",
                        "我想知道",
                        "说说",
                        "请告诉我",
                        "想问一下",
                        "回答我：",
                        "那么",
                    )
                )
                + clause.text
            )
        if not writer.zh and asking and rng.random() < 0.22:
            lead = rng.choice(
                (
                    "tell me ",
                    "please tell me ",
                    "say ",
                    "I want to know ",
                    "can you tell me ",
                    "do you know ",
                    "could you tell me ",
                    "I'd like to know ",
                    "explain ",
                    "let me know ",
                    "please say ",
                    "and ",
                )
            )
            return lead + clause.text
        return clause.text + rng.choice(
            ("？", "？", "？", "", "?") if writer.zh else ("?", "?", "?", "?", "")
        )
    return clause.text


def _join(writer: Writer, clauses: list[_Clause]) -> str:
    rng, pack = writer.rng, writer.pack
    text = _say(writer, clauses[0], 0.75)
    if len(clauses) > 1 and clauses[0].kind == "v" and rng.random() < 0.18:
        text = pick(rng, pack.FIRST).replace("{c}", clauses[0].text)
    for before, clause in itertools.pairwise(clauses):
        both = before.kind == clause.kind == "q"
        joint = pick(rng, pack.QUESTION_AND if both and rng.random() < 0.8 else pack.THEN)
        if joint[0] in ",;，； " or joint.startswith("?"):
            text = text.rstrip("?？!.。")
        elif joint[0] in ".。" and text[-1:] in "?？!":
            joint = joint[1:]
        elif joint[0] in "\n{":
            text = text.rstrip(".")
        text += joint.replace("{c}", _say(writer, clause, 0.25))
    return text


def _ignoring(writer: Writer, text: str) -> str:
    used = {str(step) for step in writer.steps}
    unused = [
        value for value in writer.assets if not any(repr(value.binding) in step for step in used)
    ]
    if not unused or writer.rng.random() > (0.5 if len(unused) == len(writer.assets) else 0.12):
        return text
    words = writer.refer_all(unused) if len(unused) > 1 else writer.refer(unused[0])
    remark = pick(writer.rng, writer.pack.IGNORE).replace("{a}", words)
    stop = "。" if writer.zh else ". "
    comma = "，" if writer.zh else ", "
    if writer.rng.random() < 0.5:
        return f"{remark}{writer.rng.choice((stop, comma))}{text}"
    return f"{text.rstrip('.。')}{writer.rng.choice((stop, comma))}{remark}"


def _polish(writer: Writer, text: str) -> str:
    rng, pack, zh = writer.rng, writer.pack, writer.zh
    if rng.random() < 0.03 and writer.assets:
        noun = writer.noun(writer.assets[0].modality)
        remark = pick(rng, pack.CHATTER).replace("{a}", f"一个{noun}" if zh else f"a {noun}")
        text = f"{remark}{'。' if zh else '. '}{text}"
    if rng.random() < 0.1:
        text = f"{pick(rng, pack.FRONT)}{rng.choice(('，', '，', '！', '。')) if zh else rng.choice((', ', ', ', '! ', '. ', ' '))}{text}"
    text = re.sub(r" +([.,;?!])", r"\1", re.sub(r" {2,}", " ", text)).strip()
    if not re.search(r"[?？!！.。]$", text) and rng.random() < 0.6:
        text += rng.choice(("。", "。", "！", "。")) if zh else rng.choice((".", ".", ".", "!"))
    if rng.random() < 0.06:
        text = (
            f"{text} {pick(rng, pack.BACK)}"
            if not zh
            else f"{text.rstrip('。')}，{pick(rng, pack.BACK)}"
        )
    if zh:
        return text.replace("？", "?").replace("，", ",") if rng.random() < 0.04 else text
    return slip(rng, text)
