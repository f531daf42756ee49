"""Prompts: files in `hub/prompts/`, filled strictly. Every gap must be given, and what fills one is
never a template.

Whatever a person or a file wrote is cleaned of the model's own control words before it fills a gap,
so that no text can pose as the end of a section or as another speaker.
"""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from string import Template

FOLDER = Path(__file__).parent / "prompts"
UNTRUSTED = re.compile(r"<\s*/?\s*untrusted", re.IGNORECASE)


@cache
def template(name: str) -> Template:
    """The prompt file of this name. Raises `FileNotFoundError`."""
    return Template((FOLDER / f"{name}.txt").read_text(encoding="utf-8").rstrip("\n"))


def render(name: str, **values: str) -> str:
    """A prompt with its gaps filled. Raises `KeyError` for a gap without a value, `ValueError` for
    a value without a gap.
    """
    prompt = template(name)
    unknown = set(values) - set(prompt.get_identifiers())
    if unknown:
        raise ValueError(f"prompt {name!r} has no gap {', '.join(sorted(unknown))}")
    return prompt.substitute(values)


def cleaned(text: str, control: Iterable[str] = ()) -> str:
    """Text that cannot pose as a control word of the model: `<|end|>` becomes `< |end|>`."""
    for word in sorted(set(control), key=len, reverse=True):
        if len(word) > 1:
            text = text.replace(word, f"{word[0]} {word[1:]}")
    return text.replace("<|", "< |")


def untrusted(text: str, source: str) -> str:
    """A quoted section for words out of media, files or tools: data, never instruction."""
    inside = UNTRUSTED.sub("<(untrusted", text)
    return f'<untrusted source="{source}">\n{inside}\n</untrusted>'


def one_line(text: str, limit: int) -> str:
    """Text on one line without quotation marks, cut to `limit` characters."""
    flat = re.sub(r"[\s\"“”]+", " ", text).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
