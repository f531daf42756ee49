"""Which hub a model's name stands for in a chat.

`medley` is the whole service: the hub plans, tools run, the hub answers. The id of a hub in the
catalogue is that hub alone. Names that clients of OpenAI have built in stand for `medley`.
"""

import re

from api.openai.faults import UnknownModel
from orchestrator.checking import Rules

WHOLE = "medley"
_BUILT_IN = re.compile(r"(gpt-|chatgpt-|o[1-9](-|$)|codex-|computer-use)")


def hub_of(model: str, rules: Rules, at: str = "/model") -> str | None:
    """The id of the hub that is meant; None for the whole service. Raises `UnknownModel`."""
    if model in (WHOLE, "auto", "default") or _BUILT_IN.match(model):
        return None
    spec = rules.models.get(model)
    if spec is not None and "chat" in spec.tools:
        return model
    chatting = sorted(name for name, found in rules.models.items() if "chat" in found.tools)
    names = ", ".join([WHOLE, *chatting])
    reason = f"The model {model!r} does not chat here. These do: {names}."
    raise UnknownModel(reason, errors=[{"pointer": at, "reason": reason}])
