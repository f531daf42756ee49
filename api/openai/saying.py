"""What an answer ends with, words or the call of a function, told as it grows. Only what `Output`
holds changes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from api.openai import items
from api.openai.output import Output, Told
from api.openai.pieces import pieces, unmarked
from api.openai.steps import said_by
from medley.calls import Called, Words, read_message
from medley.tasks import ChatCall
from orchestrator.jobs import StepView


@dataclass(slots=True, kw_only=True)
class Saying:
    """Tells one step's words or call after the other's. `uuid`: what the ids of the items have in
    common.
    """

    output: Output
    uuid: str
    call_id: str
    functions: Collection[str]  # those that may be called
    written: str = ""  # heard so far, without a gap
    sent: str = ""  # told so far
    place: int | None = None  # of the item

    def hear(self, text: str, at: int) -> bool:
        """Words just written, `at` so many characters from the beginning. False where something
        was missed before them: the rest comes with the finished text.
        """
        if at not in (0, len(self.written)):
            return False
        self.written = self.written[:at] + text
        return True

    def grow(self, step: StepView) -> Iterable[Told]:
        """What can be told of the words that were heard."""
        if step.kind == "answer":
            yield from self._tell(Words(unmarked(self.written, whole=False)), whole=False)
        else:
            found = read_message(self.written, self.functions, whole=False)
            yield from self._tell(found, whole=False)

    def finish(self, step: StepView, *, cut: bool) -> Iterable[Told]:
        """The finished words, or the call, of a step; `cut`: they ended at a budget."""
        text, call = said_by(step)
        found = Words(text) if call is None else Called(call["name"], call["arguments"])
        yield from self._tell(found, whole=True)
        if self.place is None:
            return
        item = {**self.output.items[self.place], "status": "incomplete" if cut else "completed"}
        called = item["type"] == "function_call"
        yield from self._call_done(item) if called else self._words_done(item, text)
        yield self.output.finish(self.place, item)
        self.written, self.sent, self.place = "", "", None

    def _tell(self, found: Words | Called | None, *, whole: bool) -> Iterable[Told]:
        if isinstance(found, Words) and (found.text or self.place is not None):
            yield from self._words(found.text, whole=whole)
        elif isinstance(found, Called):
            yield from self._call(found, whole=whole)

    def _words(self, text: str, *, whole: bool) -> Iterable[Told]:
        if self.place is None:
            item: Told = {
                "type": "message",
                "id": f"msg_{self.uuid}",
                "role": "assistant",
                "status": "in_progress",
                "content": [],
            }
            self.place, told = self.output.begin(item)
            yield told
            part = {"content_index": 0, "part": items.output_text("")}
            yield self._event("response.content_part.added", **part)
        # Where the hub began anew, the finished text says what holds.
        for piece in self._rest(text, whole=whole):
            told = {"content_index": 0, "delta": piece, "logprobs": []}
            yield self._event("response.output_text.delta", **told)

    def _call(self, found: Called, *, whole: bool) -> Iterable[Told]:
        if self.place is None:
            call = ChatCall(id=self.call_id, name=found.name, arguments="")
            item = items.call_item(f"fc_{self.uuid}", call, "in_progress")
            self.place, told = self.output.begin(item)
            yield told
        for piece in self._rest(found.arguments, whole=whole):
            yield self._event("response.function_call_arguments.delta", delta=piece)

    def _rest(self, text: str, *, whole: bool) -> Iterable[str]:
        """The pieces that follow on what was told, where the text goes on from there."""
        if text.startswith(self.sent):
            for piece in pieces(text, len(self.sent), whole=whole):
                self.sent += piece
                yield piece

    def _words_done(self, item: Told, text: str) -> Iterable[Told]:
        part = items.output_text(text)
        item["content"] = [part]
        told = {"content_index": 0, "text": text, "logprobs": []}
        yield self._event("response.output_text.done", **told)
        yield self._event("response.content_part.done", content_index=0, part=part)

    def _call_done(self, item: Told) -> Iterable[Told]:
        item["arguments"] = self.sent
        told = {"arguments": self.sent, "name": item["name"]}
        yield self._event("response.function_call_arguments.done", **told)

    def _event(self, kind: str, **members: object) -> Told:
        """An event about the item."""
        assert self.place is not None
        return self.output.event(kind, **self.output.named(self.place), **members)
