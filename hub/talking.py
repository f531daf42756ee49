"""Chatting: the next message of a chat as free words, as JSON of a form, or as the call of one of
the caller's functions.

Functions and forms are guided: the model chooses what to say, the grammar that it can be read. What
comes back is checked against the caller's schema all the same, whoever decoded it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from pydantic import ValidationError

from hub.chat import FAMILIAR, Message
from hub.decoding import GrammarGuide, bit_of
from hub.forms import arguments_of, call_schema, check, message_grammar
from hub.grammar import dumps
from hub.items import Item
from hub.prompting import cleaned, render, untrusted
from hub.reading import Reading
from hub.showing import chat_shown, placeholders
from hub.streaming import ended
from medley.backend import Request
from medley.calls import Called, head, read_message
from medley.errors import BackendError, BadInput
from medley.parts import AssetPart
from medley.tasks import ChatMessage, Function
from medley.toolset.hub import ChatParams

CHAT_TOKENS = 1024  #: of a message where the caller says nothing
FORM_TOKENS = 4000  #: of one that has to come to an end of its own
ROOM = 128  #: tokens that are left for the message where others are left out


class Spoken(TypedDict):
    """One message of a chat: words, and between them media as values."""

    role: str
    content: list[Any]


@dataclass(frozen=True, slots=True)
class Talk:
    """One request to chat, and what its answer is made into. `seen`: the media of its messages in
    their order, or words about them.
    """

    params: ChatParams
    seen: Sequence[Any]

    @classmethod
    def of(cls, request: Request) -> "Talk":
        """Raises `BadInput`."""
        try:
            params = ChatParams.model_validate(dict(request.params))
        except ValidationError as error:
            raise BadInput(f"This is no chat: {error.errors()[0]['msg']}") from error
        seen: Any = request.inputs.get("seen") or ()
        talk = cls(params, list(seen))
        names = [item.name for item in params.functions]
        if len(set(names)) < len(names):
            raise BadInput("Two functions have the same name.")
        if params.choice not in ("auto", "none", "required", *names):
            raise BadInput(f"There is no function {params.choice!r} to choose.")
        return talk

    @property
    def functions(self) -> list[Function]:
        """The functions that may be called now."""
        choice = self.params.choice
        if choice == "none":
            return []
        named = [item for item in self.params.functions if item.name == choice]
        return named or list(self.params.functions)

    @property
    def may_talk(self) -> bool:
        """Whether the message may be anything but a call."""
        return not self.functions or self.params.choice == "auto"

    @property
    def guided(self) -> bool:
        """Whether there is anything to keep to."""
        return bool(self.functions) or self.params.form is not None

    @property
    def only_counts(self) -> bool:
        """Whether nothing is to be written."""
        return self.params.max_tokens == 0

    def grammar(self, words: int) -> str:
        """Lark. Raises `BadInput`."""
        return message_grammar(
            self.functions, self.params.form, may_talk=self.may_talk, words=words
        )

    def schema(self) -> dict[str, Any] | None:
        """For servers that decode under a schema; None where words are allowed, too."""
        calls = [call_schema(item) for item in self.functions]
        if self.may_talk and self.params.form is None:
            return None
        forms = [dict(self.params.form)] if self.may_talk and self.params.form else []
        every = [*forms, *calls]
        return every[0] if len(every) == 1 else {"anyOf": every}

    def prompt(self) -> list[Spoken]:
        """The chat as system, user and assistant messages, no two of one speaker in a row. Only a
        user's show media: those of an answer stand in front of what is said next.
        """
        told = [item.text for item in self.params.messages if item.role == "system"]
        system = "\n\n".join(filter(None, [*told, *self._rules()]))
        said: list[Spoken] = [{"role": "system", "content": [system]}] if system else []
        seen, shown = iter(self.seen), list[Any]()
        for message in self.params.messages:
            pieces = list(self._pieces(message, seen))
            if message.role in ("user", "tool"):
                _say(said, "user", [*shown, *pieces])
                shown = []
                continue
            shown += [piece for piece in pieces if not isinstance(piece, str)]
            if message.role == "assistant":
                _say(said, "assistant", [piece for piece in pieces if isinstance(piece, str)])
        if shown:
            _say(said, "user", shown)
        for item in said:
            item["content"] = [
                cleaned(piece, FAMILIAR) if isinstance(piece, str) else piece
                for piece in item["content"]
            ]
        return said

    def _rules(self) -> Iterator[str]:
        if self.functions:
            lines = (
                f"- {item.name} {dumps(arguments_of(item))} {item.about}".rstrip()
                for item in self.functions
            )
            must = "" if self.may_talk else "You have to call one now."
            yield render("chat_calls", functions="\n".join(lines), must=must)
        if self.params.form is not None and self.may_talk:
            yield render("chat_form", schema=dumps(self.params.form))

    def _pieces(self, message: ChatMessage, seen: Iterator[Any]) -> Iterator[Any]:
        if is_result := message.role == "tool":
            name = re.sub(r"[^\w-]", "", message.call)
            yield untrusted(message.text, f"function {name}")
        for part in message.parts:
            if isinstance(part, AssetPart):
                found = next(seen, "")
                about = isinstance(found, str)
                yield untrusted(found, part.modality.value) if about else found
            elif not is_result:
                yield part.text
        for call in message.calls:
            yield f'{{"call":{json.dumps(call.name)},"arguments":{call.arguments}}}'

    def outputs(self, written: str, *, cut: bool) -> dict[str, Any]:
        """The outputs of the tool. Raises `HubError` for what does not keep to the form."""
        if self.only_counts:
            return _outputs("", [], "length")
        text = ended(written, self.params.sampling.stop) if not self.guided else written
        names = [item.name for item in self.functions]
        if cut and read_message(text, names, whole=False) is None:
            return _outputs("", [], "length")  # the beginning of a call is nothing to read
        found = read_message(text, names, whole=True)
        if not isinstance(found, Called):
            found = _call_in(text, names) or found
        if isinstance(found, Called):
            function = next(item for item in self.functions if item.name == found.name)
            if not cut:
                check(found.arguments, arguments_of(function), f"The call of {found.name}")
            call = {"name": found.name, "arguments": found.arguments}
            return _outputs("", [call], "length" if cut else "calls")
        if self.params.form is not None and not cut:
            check(text, self.params.form, "The message")
        return _outputs(text, [], "length" if cut else "stop")


def _say(said: list[Spoken], role: str, pieces: Iterable[Any]) -> None:
    content = _joined(pieces, "\n")
    if said and said[-1]["role"] == role:
        content = _joined([*said.pop()["content"], *content], "\n\n")
    said.append({"role": role, "content": content})


def _joined(pieces: Iterable[Any], gap: str) -> list[Any]:
    """The pieces without empty ones, and words that follow each other as one."""
    found: list[Any] = []
    for piece in pieces:
        if not isinstance(piece, str):
            found.append(piece)
        elif piece and found and isinstance(found[-1], str):
            found[-1] += gap + piece
        elif piece:
            found.append(piece)
    return found


def has_media(said: Iterable[Spoken]) -> bool:
    """Whether any of these messages shows or plays something."""
    return any(not isinstance(piece, str) for item in said for piece in item["content"])


def words_of(said: Iterable[Spoken]) -> list[Message]:
    """The messages without their media."""
    return [
        {
            "role": item["role"],
            "content": "\n".join(piece for piece in item["content"] if isinstance(piece, str)),
        }
        for item in said
    ]


def chat_item(reading: Reading, request: Request) -> Item:
    """A chat to go on with. Raises `BadInput`, `BrokenMedia`."""
    talk = Talk.of(request)
    before, shown = _fitting(reading, talk)
    room = max(reading.context - len(before) - 1, 1)
    usual = FORM_TOKENS if talk.guided else CHAT_TOKENS
    asked = talk.params.max_tokens
    limit = min(room, usual if asked is None else max(asked, 0))
    stops = talk.params.sampling.stop if not talk.guided else []
    grammar = talk.grammar(reading.max_words * 5) if talk.guided else ""
    if grammar:
        _refuse_wrong_forms(reading, grammar)
    return Item(
        before=before,
        after=[],
        shown=shown,
        guide=lambda: MessageGuide(reading, grammar, stops),
        finish=lambda done: talk.outputs(done.text, cut=not done.done),
        limit=limit,
        reading=lambda written: ended(written, stops),
        temperature=talk.params.sampling.temperature,
        top_p=talk.params.sampling.top_p,
        seed=request.seed,
        may_end_anywhere=True,
    )


def _fitting(reading: Reading, talk: Talk) -> tuple[list[int], dict[str, Any]]:
    """The chat as tokens, and what the model reads beside them; without its oldest messages where
    they do not fit and may be left out.
    """
    prompt = talk.prompt()
    tokens, shown = _read(reading, prompt)
    kept = [item for item in prompt if item["role"] == "system"]
    rest = [item for item in prompt if item["role"] != "system"]
    while talk.params.may_forget and len(tokens) + ROOM > reading.context and len(rest) > 1:
        rest = rest[1:]
        tokens, shown = _read(reading, [*kept, *rest])
    return tokens, shown


def _read(reading: Reading, said: Sequence[Spoken]) -> tuple[list[int], dict[str, Any]]:
    words = words_of(said)
    if not has_media(said):
        return reading.tokens(reading.chat(words)), {}
    if reading.senses is None:
        raise BadInput("This hub reads words alone: have the media described.")
    folds = reading.template.folds(words)
    return chat_shown(reading, [(item["role"], item["content"]) for item in said], folds=folds)


class MessageGuide:
    """A guide that may stop wherever the message is whole: at any end token, or before a word that
    is to end it.
    """

    def __init__(self, reading: Reading, grammar: str, stops: Sequence[str]) -> None:
        self._inner = GrammarGuide(reading.guided, grammar) if grammar else None
        self._tokenizer = reading.guided
        self._ends = frozenset(reading.ends)
        marks = placeholders(reading.senses.processor) if reading.senses else ()
        self._banned = {*reading.tokenizer.all_special_ids, *marks} - self._ends
        self._stops = list(stops)
        self._tokens: list[int] = []
        self.done = False

    @property
    def text(self) -> str:
        """What was written so far."""
        return str(self._tokenizer.decode_str(self._tokens))

    def mask(self, bitmask: Any, row: int) -> None:
        """See `Guide`."""
        if self._inner is None:
            bitmask[row].fill_(-1)
            for token in self._banned:
                bitmask[row, token // 32] &= ~bit_of(token)
            return
        self._inner.mask(bitmask, row)
        if self._inner.may_end:
            for token in self._ends:
                bitmask[row, token // 32] |= bit_of(token)

    def take(self, token: int) -> None:
        """See `Guide`."""
        if token in self._ends:
            self.done = True
            return
        self._tokens.append(token)
        if self._inner is not None:
            self._inner.take(token)
            self.done = self._inner.done
        elif self._stops:
            written = self.text
            self.done = any(stop in written for stop in self._stops)


def _refuse_wrong_forms(reading: Reading, grammar: str) -> None:
    """A form that no grammar can be made of is the caller's mistake. Raises `BadInput`."""
    try:
        GrammarGuide(reading.guided, grammar)
    except BackendError as error:
        raise BadInput(f"The form cannot be used: {error.message}") from error


def _call_in(text: str, names: Sequence[str]) -> Called | None:
    """A call that a server wrote in an order of its own."""
    try:
        data = json.loads(text)
        if isinstance(data, dict) and data.keys() == {"call", "arguments"}:
            arguments = json.dumps(data["arguments"], ensure_ascii=False, allow_nan=False)
            if data["call"] in names and not text.startswith(head(data["call"])):
                return Called(data["call"], arguments)
    except (ValueError, TypeError, RecursionError):
        pass
    return None


def _outputs(text: str, calls: list[dict[str, Any]], end: str) -> dict[str, Any]:
    return {"text": text, "said": {"calls": calls, "end": end}}
