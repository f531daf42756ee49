"""Names that clients of OpenAI hard-code, and what serves them here.

A client asks for `gpt-image-1` and means "whatever draws". Such a name chooses a tool, and routing
chooses its model; the id of a model of this installation chooses that model.
"""

from collections.abc import Mapping

from medley.backend import ModelSpec
from medley.errors import CallerError
from orchestrator.checking import Rules
from orchestrator.routing import Policy, candidates

#: Any model of this installation that can do what is asked.
ANY = "medley"
#: By tool, the names of OpenAI's models that do the same; whoever answers stands for the whole.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "text_to_image": (
        *("gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "gpt-image-2"),
        *("chatgpt-image-latest", "dall-e-2", "dall-e-3"),
    ),
    "speak": ("tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
    "transcribe": ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
    "embed": ("text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"),
    "text_to_video": ("sora-2", "sora-2-pro"),
    "answer": (
        *("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"),
        *("gpt-5", "gpt-5-mini", "gpt-5-nano", ANY),
    ),
}
#: Tools that are asked for by the names of another one.
_SAME = {
    "edit_image": "text_to_image",
    "inpaint": "text_to_image",
    "image_to_video": "text_to_video",
    "embed_list": "embed",
}


class ModelNotFound(CallerError):
    """No model of this name does what is asked, or none does at all."""

    code, status = "model_not_found", 404

    def __init__(self, reason: str, suggestion: str = "") -> None:
        fault = {"pointer": "/model", "reason": reason}
        if suggestion:
            fault["suggestion"] = suggestion
        super().__init__(f"{reason} {suggestion}".strip(), errors=[fault])


def aliases_of(tool: str) -> tuple[str, ...]:
    """The names under which clients of OpenAI ask for this tool."""
    return ALIASES.get(_SAME.get(tool, tool), ())


def pinned(rules: Rules, tool: str, name: str | None) -> str | None:
    """The model that a caller means by this name; None: whichever routing chooses.

    Raises `ModelNotFound`.
    """
    if name is None or name == ANY or name in aliases_of(tool):
        return None
    spec = rules.models.get(name)
    if spec is not None and tool in spec.tools:
        return spec.id
    known = [item.id for item in candidates(tool, rules.models.values(), Policy())]
    what = "does not do this here" if spec is not None else "is not known here"
    usable = [*aliases_of(tool)[:1], *known] if known else []
    remedy = f"Use one of: {', '.join(usable)}." if usable else f"Nothing here serves {tool!r}."
    raise ModelNotFound(f"The model {name!r} {what}.", remedy)


def chosen(rules: Rules, tool: str, pin: str | None) -> ModelSpec | None:
    """The model that would serve a tool, were its worker live; None where there is none."""
    if pin is not None:
        return rules.models.get(pin)
    found = candidates(tool, rules.models.values(), rules.policy({}))
    return found[0] if found else None


def aliases_by_model(rules: Rules) -> dict[str, list[str]]:
    """Which of OpenAI's names lead to which model of this installation."""
    found: dict[str, list[str]] = {}
    for tool, names in ALIASES.items():
        spec = chosen(rules, tool, None)
        if spec is not None:
            found.setdefault(spec.id, []).extend(names)
    return found


def model_behind(rules: Rules, name: str) -> str | None:
    """The model that one of OpenAI's names leads to; None for any other name."""
    for model, names in aliases_by_model(rules).items():
        if name in names:
            return model
    return None
