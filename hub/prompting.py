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

from medley.lookalikes import replaced, visible

FOLDER = Path(__file__).parent / "prompts"
_OPENING = r"(?:<|&lt;?|&#0*60;?|&#x0*3c;?|%3c|\\u003c|\\x3c)"  # of a tag, also as it is escaped
_SECTION = re.compile(_OPENING + r"[^\w<>]{0,8}" + r"[\s_.-]{0,2}".join("untrusted"))


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
    """Text that cannot pose as a control word of the model, not even by signs that look alike:
    `<|end|>` becomes `< |end|>`. What no reader sees is left out.
    """
    words = sorted({word.lower() for word in control if len(word) > 1}, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(word) for word in (*words, "<|")))
    return replaced(pattern, visible(text), lambda found: f"{found[0]} {found[1:]}")


def defused(text: str) -> str:
    """Text that cannot pose as the beginning or the end of a quoted section."""
    return replaced(_SECTION, visible(text), lambda found: f"({found[1:]}")


def untrusted(text: str, source: str) -> str:
    """A quoted section for words out of media, files or tools: data, never instruction."""
    return f'<untrusted source="{source}">\n{defused(text)}\n</untrusted>'


def one_line(text: str, limit: int) -> str:
    """Text on one line without quotation marks, cut to `limit` characters."""
    flat = re.sub(r"[\s\"“”„‟\uff02″]+", " ", visible(text)).strip()
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
