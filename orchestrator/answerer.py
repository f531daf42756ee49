"""The answerer: the hub writes the reply from what really exists, and the reply is checked against
it. Pure.

A reply may name only assets of the register. If the hub does not manage a truthful one,
`medley.plain` writes one from the facts. No answer ever claims what was not made.
"""

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from medley.lookalikes import visible
from medley.parts import AssetPart, Part, TextPart
from medley.sayable import unsayable
from medley.tasks import AnswerFacts, ReplyDraft
from orchestrator.register import MARK, Register

MAX_REPAIRS = 1  #: how often the hub may mend a reply

_FAILURE = re.compile(
    r"\b(not|fail\w*|unable|cannot|error|wrong|impossible)\b|n't\b|没|无法|失败|不能|错",
    re.IGNORECASE,
)
_MARKS = re.compile(rf"\s*{MARK.pattern}")
_FILE = re.compile(
    r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{1,80}\.(?:png|jpe?g|gif|webp|bmp|svg|wav|mp3|flac|ogg|m4a|mp4|"
    r"mov|avi|webm|mkv|pdf|docx?|xlsx?|pptx?|zip|txt|csv|json|html?|exe|sh|py)(?![A-Za-z0-9])"
    r"|(?<!\S)(?:~?/|[A-Za-z]:\\)[\w.-]+[/\\][\w./\\-]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A checked reply: parts with real ids, ready to be a message."""

    parts: list[Part]


def read_draft(data: Any) -> ReplyDraft | None:
    """The hub's draft, or None when it has another shape."""
    try:
        return ReplyDraft.model_validate(data)
    except ValidationError:
        return None


def untruths(draft: ReplyDraft, facts: AnswerFacts) -> list[str]:
    """What the draft says that is not so; an empty list lets it through."""
    known = {asset.id: asset for asset in facts.assets}
    found = [
        f"There is no asset [{name}]."
        for name in sorted({*MARK.findall(draft.text), *draft.show})
        if name not in known
    ]
    found += unsayable(draft.text)
    told = _told(facts)
    found += [f"There is no file {name}." for name in _FILE.findall(draft.text) if name not in told]
    failed = [step for step in facts.steps if step.status == "failed"]
    if failed and not _FAILURE.search(draft.text):
        found.append(f"The reply must say that {failed[0].tool} failed: {failed[0].error}")
    if not draft.text.strip() and not draft.show:
        found.append("The reply is empty.")
    missing = [name for name in facts.show if name in known and name not in draft.show]
    found += [f"The reply must show [{name}]." for name in missing]
    return found


def _told(facts: AnswerFacts) -> str:
    """All words that the facts hold: a reply may repeat them."""
    steps = [f"{step.about} {step.text} {step.error}" for step in facts.steps]
    return "\n".join([facts.request, *(asset.about for asset in facts.assets), *steps])


def to_reply(draft: ReplyDraft, register: Register) -> Reply:
    """The draft as message parts. Expects a draft without untruths."""
    words = visible(_MARKS.sub("", draft.text)).strip()
    parts: list[Part] = [TextPart(text=words)] if words else []
    for name in dict.fromkeys(draft.show):
        entry = register.entry(name)
        if entry is not None:
            parts.append(AssetPart(asset=entry.asset, modality=entry.modality))
    return Reply(parts)
