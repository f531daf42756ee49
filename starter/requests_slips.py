"""Slips of the hand and of style in English requests: typing errors, chat spelling, missing
articles and commas, stray fillers. They come last, so a quotation is made of what is then there.
"""

import random
import re

_FILLERS = (
    "please just simply now maybe perhaps kindly quickly actually basically also really "
    "possibly directly carefully somehow then literally nicely"
).split()
_CHAT = {
    "you": "u", "are": "r", "please": "plz", "picture": "pic", "pictures": "pics", "for": "4", "your": "ur",
    "thanks": "thx", "because": "cuz", "want to": "wanna", "going to": "gonna", "and": "&", "what": "wat", "okay": "ok",
    "the": "da", "photo": "foto", "something": "sth", "with": "w/", "video": "vid", "to": "2", "see": "c",
}  # fmt: skip
_FULL = {
    "what's": "what is", "i'd": "I would", "don't": "do not", "can't": "cannot", "it's": "it is", "i'm": "I am",
    "that's": "that is", "let's": "let us", "doesn't": "does not", "i've": "I have", "there's": "there is",
}  # fmt: skip
_SHORT = {full.lower(): short for short, full in _FULL.items()}
_NEAR = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk", "k": "jl",
    "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb",
    "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip


def slip(rng: random.Random, text: str) -> str:
    """The request as somebody in a hurry may type it; most often as it is."""
    if rng.random() < 0.04:
        text = _insert(rng, text)
    if rng.random() < 0.04:
        text = _replace(rng, text, _CHAT, 0.5)
    if rng.random() < 0.05:
        text = _replace(rng, text, _FULL if rng.random() < 0.5 else _SHORT, 1.0)
    if rng.random() < 0.03:
        text = re.sub(r"\b(the|a|an|my|this) ", "", text)
    text = _cased(rng, text)
    if rng.random() < 0.1:
        text = re.sub(r"[?.!]+(?=[\ue000-\uefff]*$)", "", text)
    if rng.random() < 0.04:
        text = re.sub(r",(?= )", "", text)
    if rng.random() < 0.03:
        text = re.sub(r", ", ",", text)
    if rng.random() < 0.1:
        text = text.replace("'", rng.choice(("", "’")))
    if rng.random() < 0.05:
        text = text.replace('"', "'") if "'" not in text else text
    if rng.random() < 0.02:
        text = re.sub(r"[.!?]$", rng.choice(("...", "!!", "??", " :)", " !", "…", ";")), text)
    if rng.random() < 0.09:
        text = _typos(rng, text)
    return text


def _cased(rng: random.Random, text: str) -> str:
    roll = rng.random()
    if roll < 0.17:
        return text.lower()
    if roll < 0.18:
        return text.upper()
    if roll > 0.2:
        text = re.sub(
            r"(^[\ue000-\uefff]*|[.?!] +|\n)([a-z])",
            lambda found: found.group(1) + found.group(2).upper(),
            text,
        )
    return re.sub(r"\bi\b(?!')", "I", text)


def _insert(rng: random.Random, text: str) -> str:
    """A filler at the start of a clause."""
    places = [found.end() for found in re.finditer(r"^|, (then |and )?|\. ", text)]
    place = rng.choice(places)
    filler = rng.choice(_FILLERS)
    return f"{text[:place]}{filler} {text[place:]}"


def _replace(rng: random.Random, text: str, table: dict[str, str], share: float) -> str:
    def other(found: re.Match[str]) -> str:
        word = found.group(0)
        return table.get(word.lower(), word) if rng.random() < share else word

    keys = "|".join(re.escape(key) for key in table)
    return re.sub(rf"(?<![\w'])({keys})(?![\w'])", other, text, flags=re.IGNORECASE)


def _typos(rng: random.Random, text: str) -> str:
    """One to three letters swapped, doubled, dropped or mistaken, inside words."""
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3))):
        places = [found.start() for found in re.finditer(r"(?<=[a-z])[a-z](?=[a-z])", text)]
        if not places:
            return text
        place = rng.choice(places)
        before, char, after = text[:place], text[place], text[place + 1 :]
        action = rng.random()
        if action < 0.4:
            text = before + after[0] + char + after[1:]
        elif action < 0.6:
            text = before + char + char + after
        elif action < 0.8:
            text = before + after
        else:
            text = before + rng.choice(_NEAR[char]) + after
    return text
