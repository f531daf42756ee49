"""Tools, their choice, and forms, as requests in OpenAI's form name them. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from api.openai.faults import unsupported, wrong
from api.openai.files_out import IMAGE_FORMATS
from medley.modality import Modality
from medley.tasks import Function

_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
#: Denoising steps of a drawing.
_QUALITY = {"low": 15, "medium": 30, "high": 50, "xhigh": 75, "max": 100}
_OFFERED = "function, image_generation and medley:plan are offered."
MAX_PARTIAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The tools of a request, and which of them are to be used."""

    functions: Sequence[Function] = ()
    choice: str = "auto"
    outputs: Sequence[Modality] = ()
    image: bool = False  # the tool is offered
    draw: Mapping[str, Any] = field(default_factory=dict)
    mask: Mapping[str, Any] | None = None
    image_format: str = "png"
    partial_images: int = 0
    plan: bool = False
    approve: bool = False


def read_tools(tools: Sequence[Mapping[str, Any]], at: str) -> Chosen:
    """The tools of a response. Raises `BadParameter`, `Unsupported`."""
    chosen = Chosen()
    for place, tool in enumerate(tools):
        here = f"{at}/{place}"
        match tool.get("type"):
            case "function":
                functions = [*chosen.functions, _function(tool, here)]
                chosen = replace(chosen, functions=functions)
            case "image_generation":
                chosen = _image(chosen, tool, here)
            case "medley:plan":
                approve = tool.get("approve", "auto")
                if approve not in ("auto", "plan"):
                    raise wrong(f"{here}/approve", "`auto` or `plan` is wanted.")
                chosen = replace(chosen, plan=True, approve=approve == "plan")
            case kind:
                reason = f"There is no tool {kind!r} here; {_OFFERED}"
                raise unsupported(f"{here}/type", reason)
    _distinct(chosen.functions, at)
    if chosen.functions and (chosen.image or chosen.plan):
        reason = "Functions and tools of the service do not go together in one request."
        raise unsupported(at, reason)
    return chosen


def read_chat_tools(tools: Sequence[Mapping[str, Any]], at: str) -> Chosen:
    """The tools of a chat completion: functions alone. Raises `BadParameter`, `Unsupported`."""
    functions = []
    for place, tool in enumerate(tools):
        here = f"{at}/{place}"
        if tool.get("type") != "function" or not isinstance(tool.get("function"), Mapping):
            reason = f"There is no tool {tool.get('type')!r} here; functions are offered."
            raise unsupported(f"{here}/type", reason)
        functions.append(_function(tool["function"], f"{here}/function"))
    _distinct(functions, at)
    return Chosen(functions=functions)


def _distinct(functions: Sequence[Function], at: str) -> None:
    names = [item.name for item in functions]
    if len(set(names)) < len(names):
        raise wrong(at, "Two functions have the same name.")


def read_choice(given: Any, chosen: Chosen, at: str) -> Chosen:
    """What is to be used of the tools. Raises `BadParameter`, `Unsupported`."""
    if given is None or given == "auto":
        return chosen
    if given == "none":
        return replace(chosen, choice="none", functions=(), image=False)
    if given == "required":
        if chosen.functions:
            return replace(chosen, choice="required")
        if chosen.image:
            return replace(chosen, outputs=[Modality.IMAGE])
        raise wrong(at, "There is no tool that could be used.")
    if not isinstance(given, Mapping):
        raise wrong(at, "`auto`, `none`, `required` or one of the tools is wanted.")
    match given.get("type"):
        case "function":
            named = given.get("function")
            name = named.get("name") if isinstance(named, Mapping) else given.get("name")
            if name not in {item.name for item in chosen.functions}:
                raise wrong(at, f"There is no function {name!r} among the tools.")
            return replace(chosen, choice=str(name))
        case "image_generation" if chosen.image:
            return replace(chosen, outputs=[Modality.IMAGE])
        case "allowed_tools":
            return _allowed(given, chosen, at)
        case kind:
            raise unsupported(at, f"A choice of {kind!r} is not offered here.")


def _allowed(given: Mapping[str, Any], chosen: Chosen, at: str) -> Chosen:
    inner = given.get("allowed_tools")
    given = inner if isinstance(inner, Mapping) else given
    tools = given.get("tools")
    if not isinstance(tools, list) or not all(isinstance(tool, Mapping) for tool in tools):
        raise wrong(f"{at}/tools", "A list of tools is wanted.")
    names = {(tool.get("function") or tool).get("name") for tool in tools}
    kept = [item for item in chosen.functions if item.name in names]
    if not kept:
        raise wrong(f"{at}/tools", "None of these functions is among the tools.")
    mode = "required" if given.get("mode") == "required" else "auto"
    return replace(chosen, functions=kept, choice=mode)


def read_form(given: Any, at: str) -> dict[str, Any] | None:
    """The schema of a message; None for plain words. Raises `BadParameter`."""
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise wrong(at, "An object with a `type` is wanted.")
    match given.get("type"):
        case "text":
            return None
        case "json_object":
            return {"type": "object"}
        case "json_schema":
            inner = given.get("json_schema", given)
            schema = inner.get("schema") if isinstance(inner, Mapping) else None
            if not isinstance(schema, Mapping):
                raise wrong(f"{at}/schema", "A JSON schema is wanted.")
            return dict(schema)
        case kind:
            raise wrong(f"{at}/type", f"text, json_object or json_schema, not {kind!r}.")


def _function(given: Mapping[str, Any], at: str) -> Function:
    try:
        return Function(
            name=given.get("name"),  # type: ignore[arg-type]
            about=given.get("description") or "",
            parameters=given.get("parameters") or {},
        )
    except ValidationError as error:
        found = error.errors()[0]
        name = {"about": "description"}.get(str(found["loc"][0]), str(found["loc"][0]))
        raise wrong(f"{at}/{name}", found["msg"]) from None


def _image(chosen: Chosen, tool: Mapping[str, Any], at: str) -> Chosen:
    draw: dict[str, Any] = {}
    size = tool.get("size") or "auto"
    if size != "auto":
        found = _SIZE.fullmatch(str(size))
        if found is None or any(
            int(side) % 8 or not 16 <= int(side) <= 2048 for side in found.groups()
        ):
            raise wrong(
                f"{at}/size", "`auto`, or sides from 16 to 2048 that 8 divides, as 512x512."
            )
        draw |= {"width": int(found[1]), "height": int(found[2])}
    quality = tool.get("quality") or "auto"
    if quality != "auto":
        if quality not in _QUALITY:
            raise wrong(f"{at}/quality", f"auto, {', '.join(_QUALITY)}.")
        draw["steps"] = _QUALITY[quality]
    image_format = tool.get("output_format") or "png"
    if image_format not in IMAGE_FORMATS:
        raise wrong(f"{at}/output_format", f"One of {', '.join(IMAGE_FORMATS)}.")
    partial = tool.get("partial_images") or 0
    if isinstance(partial, bool) or not isinstance(partial, int) or not 0 <= partial <= MAX_PARTIAL:
        raise wrong(f"{at}/partial_images", f"0 to {MAX_PARTIAL}.")
    if tool.get("action") not in (None, "auto", "generate", "edit"):
        raise wrong(f"{at}/action", "auto, generate or edit.")
    if tool.get("background") == "transparent":
        raise unsupported(f"{at}/background", "Pictures here are opaque.")
    mask = tool.get("input_image_mask")
    if mask is not None and not isinstance(mask, Mapping):
        raise wrong(f"{at}/input_image_mask", "An object with image_url or file_id is wanted.")
    return replace(
        chosen,
        image=True,
        draw=draw,
        mask=mask,
        image_format=image_format,
        partial_images=partial,
    )
