"""What was said, as OpenAI's items and messages: read from requests, shown in answers.

Read by hand rather than by a model: items come in many forms, and each refusal names its place.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from api.openai import inline
from api.openai.faults import unsupported, wrong
from api.openai.inline import Media
from medley.modality import Modality
from medley.parts import MAX_TEXT, AssetPart, TextPart
from medley.tasks import ChatCall, ChatMessage

Role = Literal["system", "user", "assistant", "tool"]
OLDER = "Not this older form: functions go into `tools` and `tool_choice`."
MAX_ITEMS = 512
MAX_PARTS = 256
MAX_ARGUMENTS = 1 << 20
_ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_SOUNDS = frozenset({"wav", "mp3", "flac", "ogg"})
#: Items of an earlier answer that say nothing to a hub here.
_PASSED_OVER = frozenset({"reasoning"})


@dataclass(slots=True, kw_only=True)
class Said:
    """One message of a request; its media are not in the store yet."""

    role: Role
    parts: list[TextPart | Media] = field(default_factory=list)
    calls: list[ChatCall] = field(default_factory=list)
    call: str = ""

    def media(self) -> list[Media]:
        """Its media, in order."""
        return [part for part in self.parts if isinstance(part, Media)]

    def kept(self, assets: Iterator[AssetPart]) -> ChatMessage:
        """The message with these assets in the places of its media."""
        parts = [next(assets) if isinstance(part, Media) else part for part in self.parts]
        return ChatMessage(role=self.role, parts=parts, calls=self.calls, call=self.call)


def read_input(given: Any) -> list[Said]:
    """The `input` of a response. Raises `BadParameter`, `Unsupported`."""
    if given is None:
        return []
    if isinstance(given, str):
        return [Said(role="user", parts=[_words("/input", given)])] if given.strip() else []
    return [item for item, _ in read_items(given, "/input")]


def read_items(given: Any, at: str) -> list[tuple[Said, Mapping[str, Any]]]:
    """Items, each with the object that it was read from."""
    if not isinstance(given, list) or len(given) > MAX_ITEMS:
        raise wrong(at, f"Words, or a list of at most {MAX_ITEMS} items, are wanted.")
    found = []
    for place, item in enumerate(given):
        here = f"{at}/{place}"
        if not isinstance(item, Mapping):
            raise wrong(here, "An item is an object.")
        said = _item(item, here)
        if said is not None:
            found.append((said, item))
    return found


def _item(item: Mapping[str, Any], at: str) -> Said | None:
    match item.get("type", "message"):
        case "message":
            return _message(item, at)
        case "function_call":
            call = _call(item, at, str(item.get("call_id", "")))
            return Said(role="assistant", calls=[call])
        case "function_call_output":
            parts = list(_parts(item.get("output"), f"{at}/output"))
            return Said(role="tool", parts=parts, call=_name(item.get("call_id"), f"{at}/call_id"))
        case "image_generation_call":
            if not item.get("result"):
                return None
            data = inline.of_base64(f"{at}/result", item["result"])
            drawn = Media(at=f"{at}/result", data=data, wanted=Modality.IMAGE)
            return Said(role="assistant", parts=[drawn])
        case kind if kind in _PASSED_OVER or str(kind).startswith("medley:"):
            return None
        case kind:
            raise unsupported(f"{at}/type", f"Items of type {kind!r} are not read here.")


def _message(item: Mapping[str, Any], at: str) -> Said:
    role = _ROLES.get(str(item.get("role")))
    if role is None:
        raise wrong(f"{at}/role", f"A role is one of {', '.join(_ROLES)}.")
    return Said(role=role, parts=list(_parts(item.get("content"), f"{at}/content")))


def _parts(content: Any, at: str) -> Iterator[TextPart | Media]:
    if isinstance(content, str):
        yield _words(at, content)
    else:
        yield from _content(content, at)


def _content(content: Any, at: str) -> Iterator[TextPart | Media]:
    if not isinstance(content, list) or len(content) > MAX_PARTS:
        raise wrong(at, f"Words, or a list of at most {MAX_PARTS} parts, are wanted.")
    for place, part in enumerate(content):
        if not isinstance(part, Mapping):
            raise wrong(f"{at}/{place}", "A part is an object.")
        yield _part(part, f"{at}/{place}")


def _part(part: Mapping[str, Any], at: str) -> TextPart | Media:
    match part.get("type"):
        case "input_text" | "output_text" | "text" | "refusal":
            name = "refusal" if part["type"] == "refusal" else "text"
            return _words(f"{at}/{name}", part.get(name))
        case "input_image":
            if part.get("file_id") is not None:
                return inline.named(f"{at}/file_id", part["file_id"], Modality.IMAGE)
            return inline.of_url(f"{at}/image_url", part.get("image_url"), Modality.IMAGE)
        case "image_url":
            image = part.get("image_url")
            url = image.get("url") if isinstance(image, Mapping) else image
            return inline.of_url(f"{at}/image_url/url", url, Modality.IMAGE)
        case "input_audio":
            return _sound(part.get("input_audio"), f"{at}/input_audio")
        case "input_file":
            return _file(part, at)
        case "file":
            file = part.get("file")
            return _file(file if isinstance(file, Mapping) else {}, f"{at}/file")
        case kind:
            raise unsupported(f"{at}/type", f"Parts of type {kind!r} are not read here.")


def _sound(given: Any, at: str) -> Media:
    if not isinstance(given, Mapping):
        raise wrong(at, "An object with `data` and `format` is wanted.")
    if given.get("format") not in _SOUNDS:
        raise wrong(f"{at}/format", f"A format is one of {', '.join(sorted(_SOUNDS))}.")
    data = inline.of_base64(f"{at}/data", given.get("data"))
    return Media(at=f"{at}/data", data=data, wanted=Modality.AUDIO)


def _file(given: Mapping[str, Any], at: str) -> TextPart | Media:
    name = str(given.get("filename") or "")
    if given.get("file_id") is not None:
        return inline.named(f"{at}/file_id", given["file_id"])
    if given.get("file_url") is not None:
        return inline.of_url(f"{at}/file_url", given["file_url"])
    data = given.get("file_data")
    if data is None:
        raise wrong(at, "A file has a `file_id` or `file_data`.")
    if isinstance(data, str) and data.startswith("data:"):
        found = inline.of_url(f"{at}/file_data", data)
    else:
        raw = inline.of_base64(f"{at}/file_data", data)
        found = Media(at=f"{at}/file_data", data=raw)
    if isinstance(found, Media):
        return replace(found, name=name)
    return found


def _call(item: Mapping[str, Any], at: str, name_of_call: str) -> ChatCall:
    name, arguments = item.get("name"), item.get("arguments")
    if not isinstance(name, str) or not 1 <= len(name) <= 64:
        raise wrong(f"{at}/name", "The name of a function is wanted.")
    if not isinstance(arguments, str) or len(arguments) > MAX_ARGUMENTS:
        raise wrong(f"{at}/arguments", "Arguments are JSON as a string.")
    return ChatCall(id=name_of_call[:128], name=name, arguments=arguments)


def _name(value: Any, at: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 128:
        raise wrong(at, "The id of a call is wanted.")
    return value


def _words(at: str, text: Any) -> TextPart:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise wrong(at, f"Words of at most {MAX_TEXT} characters are wanted.")
    return TextPart(text=text)


def read_messages(given: Any) -> list[Said]:
    """The `messages` of a chat completion. Raises `BadParameter`, `Unsupported`."""
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_ITEMS:
        raise wrong("/messages", f"A list of 1 to {MAX_ITEMS} messages is wanted.")
    found = []
    for place, message in enumerate(given):
        at = f"/messages/{place}"
        if not isinstance(message, Mapping):
            raise wrong(at, "A message is an object.")
        if message.get("role") == "function":
            raise unsupported(f"{at}/role", OLDER)
        if message.get("function_call") is not None:
            raise unsupported(f"{at}/function_call", OLDER)
        if message.get("role") == "tool":
            call = _name(message.get("tool_call_id"), f"{at}/tool_call_id")
            parts = list(_parts(message.get("content"), f"{at}/content"))
            found.append(Said(role="tool", parts=parts, call=call))
            continue
        calls = list(_tool_calls(message.get("tool_calls"), f"{at}/tool_calls"))
        content = message.get("content")
        if content is None and (calls or message.get("audio") or message.get("images")):
            content = _transcript(message.get("audio"))
        said = _message({**message, "content": content}, at)
        said.calls = calls
        said.parts += list(_images(message.get("images"), f"{at}/images"))
        found.append(said)
    return found


def _transcript(audio: Any) -> str:
    found = audio.get("transcript") if isinstance(audio, Mapping) else ""
    return found if isinstance(found, str) else ""


def _images(given: Any, at: str) -> Iterator[TextPart | Media]:
    """Pictures of an earlier answer, sent back as they came."""
    if given:
        yield from _content(given, at)


def _tool_calls(given: Any, at: str) -> Iterator[ChatCall]:
    if given is None:
        return
    if not isinstance(given, list) or len(given) > 128:
        raise wrong(at, "A list of at most 128 calls is wanted.")
    for place, call in enumerate(given):
        here = f"{at}/{place}"
        if not isinstance(call, Mapping) or not isinstance(call.get("function"), Mapping):
            raise wrong(here, "Only calls of functions are read here.")
        yield _call(call["function"], f"{here}/function", str(call.get("id", "")))


def shown(messages: Sequence[ChatMessage], uuid: str) -> list[dict[str, Any]]:
    """What was said, as items with ids."""
    items: list[dict[str, Any]] = []
    for message in messages:
        if message.role == "tool":
            output = {"call_id": message.call, "output": message.text, "status": "completed"}
            items.append({"type": "function_call_output", "id": "", **output})
            continue
        if message.parts or not message.calls:
            items.append(message_item("", message))
        items += [call_item("", call) for call in message.calls]
    prefix = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}
    for place, item in enumerate(items):
        item["id"] = f"{prefix[item['type']]}_{uuid}_in{place}"
    return items


def message_item(name: str, message: ChatMessage) -> dict[str, Any]:
    """A message as an item."""
    ours = message.role == "assistant"
    content = [content_part(part, ours=ours) for part in message.parts]
    return {
        "type": "message",
        "id": name,
        "role": message.role,
        "status": "completed",
        "content": content,
    }


def content_part(part: TextPart | AssetPart, *, ours: bool) -> dict[str, Any]:
    """A part of a message as OpenAI writes it; `ours`: of an answer."""
    if isinstance(part, TextPart):
        return output_text(part.text) if ours else {"type": "input_text", "text": part.text}
    if part.modality is Modality.IMAGE:
        named = {"file_id": part.asset, "image_url": None}
        return {"type": "input_image", "detail": "auto", **named}
    return {"type": "input_file", "file_id": part.asset, "filename": None}


def output_text(text: str) -> dict[str, Any]:
    """Words of an answer."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(name: str, call: ChatCall, status: str = "completed") -> dict[str, Any]:
    """A call as an item."""
    named = {"call_id": call.id, "name": call.name, "arguments": call.arguments}
    return {"type": "function_call", "id": name, **named, "status": status}
