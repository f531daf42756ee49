"""Sayable: what an answer may hold. Pure.

No links and nothing else that a client might follow or load, in whatever spelling; no ids of the
database; no control words of a model.
"""

import re

from medley.lookalikes import found, replaced, visible

_TAGS = (
    "a|img|image|iframe|frame|script|svg|video|audio|source|object|embed|form|link|meta|base|"
    "style|body|input|button|html|picture|track"
)
_LINK = re.compile(
    r"!?\[(?!a\d+\])[^\[\]]{0,200}\]\([^)]{0,2000}\)?"  # [words](target); not [a3] (words)
    r"|(?<!\d)\]\([^)]{0,2000}\)?"  # its end, where brackets are nested
    r"|\[(?!a\d+\])[^\[\]]{1,200}\]:\s?\S+"  # [1]: target
    r"|!?\[(?!a\d+\])[^\[\]]{1,200}\]\[[^\[\]]{0,200}\]"  # [words][1]
    r"|\b[a-z][a-z0-9+.-]{1,20}:[/\\]{1,3}\S+"  # https://…
    r"|\b(?:javascript|vbscript|blob|view-source):\S+|\bdata:[a-z]+/\S+"
    r"|\bmailto:\S+|\btel:\+?\d\S*"
    r"|\bwww\d?\.\S+"
    r"|(?<![\w.@-])(?:[a-z0-9-]+\.)+[a-z]{2,24}/\S+"  # example.org/path
    r"|(?<![:\w/])//[a-z0-9-]+\.\S+"  # //example.org
    rf"|<\s{{0,4}}/?\s{{0,4}}(?:{_TAGS})\b[^>]{{0,2000}}>?",
    re.IGNORECASE,
)


_ID = re.compile(r"\b(?:asset|job|msg|conv|wf|worker|req)_[0-9a-f]{12,}")
_CONTROL = re.compile(r"<\||\|>|(?:<[^\w<>]{0,8}){1,8}untrusted")


def unsayable(text: str) -> list[str]:
    """What a text holds that no answer may, one sentence for each."""
    reasons = [f"Links are not allowed: {link}" for link in found(_LINK, text)]
    reasons += [f"Ids may not be named: {name}" for name in found(_ID, text)]
    return [*reasons, *(f"Control words are not allowed: {word}" for word in found(_CONTROL, text))]


def sayable(text: str) -> str:
    """The words of others as an answer may repeat them: without all that, and nothing unseen."""
    plain = replaced(_ID, replaced(_LINK, visible(text), lambda _: "(link)"), lambda _: "(id)")
    return replaced(_CONTROL, plain, lambda word: f"({re.sub(r'[^a-z]', '', word.lower())} ")
