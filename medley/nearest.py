"""Nearest: which tool or name was probably meant. Pure; word overlap and types, no weights.

A tool is near when its name is spelt alike, when its description shares words, and when it takes
and gives the same types. Words for the same thing count as one: a picture is an image.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Mapping

from medley.modality import Modality
from medley.tools import Port, Tool

LEAST = 0.55  #: a score below which nothing is suggested
MOST_NAMES = 24  #: names that a suggestion lists

_SAME = {
    "image": "picture photo photograph img pic png jpeg illustration",
    "audio": "sound wav mp3 speech voice music song noise",
    "video": "film movie clip animation",
    "text": "words word string txt sentence caption",
    "draw": "paint sketch render generate generation generator create make imagine diffusion",
    "speak": "say read pronounce tts aloud talk narrate synthesis",
    "describe": "explain caption captioning recognise recognize vqa see look",
    "search": "find lookup retrieve query nearest",
    "embed": "encode embedding vector vectorize embeddings",
    "resize": "scale shrink enlarge bigger smaller thumbnail",
    "trim": "cut stretch clip",
    "concat": "join append merge concatenate",
    "rotate": "turn flip",
    "collage": "grid montage sheet",
}
#: What the field calls a task, where our name for it is another one.
_TASKS = {
    "asr": "transcribe",
    "automatic_speech_recognition": "transcribe",
    "image_editing": "edit_image",
    "image_generation": "text_to_image",
    "image_to_image": "edit_image",
    "image_to_text": "describe",
    "object_detection": "detect",
    "ocr": "read_text",
    "speech_recognition": "transcribe",
    "speech_to_text": "transcribe",
    "text_to_music": "text_to_audio",
    "text_to_speech": "speak",
    "tts": "speak",
    "visual_question_answering": "describe",
    "vqa": "describe",
}
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "as",
        "at",
        "by",
        "for",
        "from",
        "in",
        "into",
        "is",
        "it",
        "of",
        "on",
        "or",
        "out",
        "tool",
        "that",
        "the",
        "to",
        "with",
    ]
)


def nearest_tool(
    wanted: str,
    tools: Mapping[str, Tool],
    *,
    like: Tool | None = None,
    given: Collection[frozenset[Modality]] = (),
) -> Tool | None:
    """The tool of these that comes nearest to the name `wanted`; None when none comes near.

    `like` is the declaration of a tool that cannot be used now; where there is none, `given` says
    what the step has at hand, one set of modalities for each input.
    """
    best = max(
        tools.values(),
        key=lambda tool: (_score(wanted, tool, like, given), tool.name),
        default=None,
    )
    return best if best is not None and _score(wanted, best, like, given) >= LEAST else None


def nearest_name(name: str, among: Iterable[str]) -> str:
    """A suggestion: the name that is spelt most alike, or the names that there are."""
    names = list(among)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"There are: {', '.join(sorted(names)[:MOST_NAMES])}." if names else "There are none."


def _score(
    wanted: str, tool: Tool, like: Tool | None, given: Collection[frozenset[Modality]]
) -> float:
    """Spelling, meaning and types, each from 0 to 1."""
    if _TASKS.get(re.sub(r"[\W_]+", "_", wanted.lower())) == tool.name:
        return 1.0
    spelling = difflib.SequenceMatcher(None, wanted.lower(), tool.name).ratio()
    words = _words(f"{wanted} {like.about if like else ''}")
    meant = _words(f"{tool.name} {tool.about} {' '.join(tool.outputs)}")
    few = min(len(words), len(meant)) if like else len(words)
    meaning = len(words & meant) / max(few, 1)
    if like is None:
        turned, taken = 2 * _turned(wanted, tool), _taken(given, tool)
        return min(0.99, 0.4 * (spelling + meaning) + 0.3 * max(taken, turned))
    gives = _alike(_kinds(like.outputs), _kinds(tool.outputs))
    takes = _alike(_kinds(like.inputs), _kinds(tool.inputs))
    return 0.2 * spelling + 0.4 * meaning + 0.3 * gives + 0.2 * takes if gives else 0.0


def _kinds(ports: Mapping[str, Port]) -> frozenset[Modality]:
    return frozenset(kind for port in ports.values() for kind in port.accepts)


def _alike(one: frozenset[Modality], other: frozenset[Modality]) -> float:
    return len(one & other) / max(len(one | other), 1)


def _taken(given: Collection[frozenset[Modality]], tool: Tool) -> float:
    """Which share of the values at hand the tool has a port for."""
    fitting = [
        any(kinds & port.accepts for port in tool.inputs.values()) for kinds in given if kinds
    ]
    return sum(fitting) / len(fitting) if fitting else 0.0


def _turned(wanted: str, tool: Tool) -> float:
    """1 for a name such as `image_to_text` and a tool that takes the one and gives the other."""
    before, turn, after = re.sub(r"2|_to_", " > ", wanted.lower()).partition(" > ")
    takes, gives = (_words(" ".join(_kinds(ports))) for ports in (tool.inputs, tool.outputs))
    return float(bool(turn and _words(before) & takes and _words(after) & gives))


def _words(text: str) -> set[str]:
    found = re.findall(r"[a-z]+|\d", text.lower())
    return {_ROOT.get(_stem(word), _stem(word)) for word in found if word not in _STOP} - {""}


def _stem(word: str) -> str:
    if word == "2":  # "text2image"
        return ""
    for ending in ("ing", "es", "ed", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


_ROOT = {
    _stem(word): _stem(root) for root, words in _SAME.items() for word in (root, *words.split())
}
