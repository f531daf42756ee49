"""Advice: what to do about a value of the wrong shape, from what pydantic says is wrong."""

from collections.abc import Mapping
from typing import Any

BINDING = 'A binding is {"asset": "…"}, {"from": "s1.image"}, {"text": "…"} or {"input": "…"}.'
SHAPE = 'A plan is {"steps": [{"id": "s1", "tool": "…", "inputs": {…}}], "reply": {…}}.'
#: Where foreign plans list their edges, outside of the steps.
LINKS = ("task_links", "links", "edges")
LINK = 'Write into the step what it reads, {"from": "s1.image"}, or what it waits for, "after".'
UPLOAD = "Upload the file first, or name one that is there."
_BY_KIND = {
    "missing": "Add it.",
    "extra_forbidden": "Leave it out.",
    "finite_number": "Give a finite number.",
    "json_invalid": "Send well-formed JSON.",
    "string_too_long": "Make it shorter.",
    "string_too_short": "Make it longer.",
    "too_long": "Give fewer.",
    "too_short": "Give more.",
    "multiple_of": "Round it.",
}
_BY_ENDING = (
    (("greater_than", "greater_than_equal"), "Give a larger number."),
    (("less_than", "less_than_equal"), "Give a smaller number."),
    (("_type", "_parsing"), "Give a value of this type."),
    (("_from_float",), "Round it."),
)


def advice(found: Mapping[str, Any]) -> str:
    """One sentence for an entry of pydantic's `errors()`; never empty."""
    kind = str(found.get("type", ""))
    if kind == "string_pattern_mismatch" and "pattern" in found.get("ctx", {}):
        return f"Write it so that it matches {found['ctx']['pattern']}."
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    for endings, words in _BY_ENDING:
        if kind.endswith(endings):
            return words
    return "See the schema in /openapi.json."
