"""Grammars of a reply: only assets that exist can be named, whatever the model would like to say.

A small hub chooses among true wordings of each fact; a large one writes freely, but `[` can only
begin the name of an asset that exists.
"""

from hub.grammar import dumps, literal
from medley.plain import Language, sayings, to_show
from medley.tasks import AnswerFacts

MAX_REPLY = 4000


def chosen_reply(facts: AnswerFacts) -> str:
    """Lark: the true wordings of `medley.plain`, in one language throughout, and what is shown."""
    lines = [f'start: ("{{\\"text\\":\\"" (en | zh) {literal(_tail(facts))})']
    languages: tuple[Language, Language] = ("en", "zh")
    for language in languages:
        parts = []
        for place, options in enumerate(sayings(facts, language)):
            spelt = [literal(dumps((" " if place else "") + option)[1:-1]) for option in options]
            parts.append(f"({' | '.join(spelt)})")
        lines.append(f"{language}: {' '.join(parts)}")
    return "\n".join(lines) + "\n"


def free_reply(facts: AnswerFacts) -> str:
    """Lark: any words; names in square brackets and shown assets must exist."""
    known = [asset.id for asset in facts.assets]
    mark = " | ".join(literal(f"[{name}]") for name in known)
    plain = f'PLAIN: /([^\\[\\]"\\\\\\x00-\\x1f\\x7f]|\\\\["\\\\n]){{1,{MAX_REPLY}}}/'
    # The text starts with words, so that a reply is never empty.
    lines = [
        'start: "{\\"text\\":\\"" PLAIN '
        + ("(mark PLAIN?){0,64} " if known else "")
        + shown(facts),
        plain,
    ]
    if known:
        lines.append(f"mark: {mark}")
        lines.append("name: " + " | ".join(literal(f'"{name}"') for name in known))
    return "\n".join(lines) + "\n"


def shown(facts: AnswerFacts) -> str:
    """The end of a free reply: what must be shown is written out, else any known assets may be
    listed.
    """
    if to_show(facts) or not facts.assets:
        return literal(_tail(facts))
    return '"\\",\\"show\\":[" (name ("," name){0,15})? "]}"'


def _tail(facts: AnswerFacts) -> str:
    return f'","show":{dumps(to_show(facts))}}}'
