"""A job told as the events of a response, the same way each time. Only `read` has effects.

The items of the answer, their order and the numbers of the events follow from what is stored: the
events of the job and the outputs of its steps. What comes live, words as they are written and
pictures as they take shape, only comes earlier that way: words in pieces that the finished text
has, too, and pictures under numbers that are kept free for them. So any replica goes on behind any
number.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from api.ids import uuid_of
from api.openai import items
from api.openai.asked import Asked, status_of
from api.openai.pieces import pieces, unmarked
from api.openai.response_body import body_of
from medley.calls import Called, Words, call_id, read_message
from medley.status import DONE_STEP
from medley.tasks import ChatCall
from orchestrator.events import Event
from orchestrator.jobs import JobView, StepView

Told = dict[str, Any]
#: The bytes of an asset in base64, perhaps in another format.
Read = Callable[[str, str], str]
SOUND_PIECE = 64_000  #: characters of base64 in one event
_ENDED = frozenset({"step.completed", "step.cached", "step.failed", "step.canceled"})


@dataclass(slots=True)
class Speech:
    """The words, or the call, that the answer ends with, as they grow."""

    written: str = ""  # heard so far, without a gap
    sent: str = ""  # told so far
    place: int | None = None  # of the item
    called: str = ""  # the function, where it is a call


@dataclass(slots=True)
class Narration:
    """Tells one job. Feed it every stored event in order, and what comes live in between."""

    job: JobView
    asked: Asked
    read: Read
    output: list[Told] = field(default_factory=list)
    number: int = 0
    ended: bool = False
    _speech: Speech = field(default_factory=Speech)
    _begun: set[str] = field(default_factory=set)
    _show: set[str] = field(default_factory=set)
    _open: dict[str, int] = field(default_factory=dict)  # step -> place of its item
    _free: dict[str, tuple[int, int]] = field(default_factory=dict)  # step -> numbers kept free

    def __post_init__(self) -> None:
        if self.job.kind != "request" and self.job.plan:
            self._show = set(self.job.plan.get("reply", {}).get("show", []))

    @property
    def uuid(self) -> str:
        """What the ids of all items have in common."""
        return uuid_of(self.job.id)

    def begin(self) -> Iterable[Told]:
        """The first two events."""
        for kind in ("created", "in_progress"):
            state = "queued" if self.asked.background and kind == "created" else "in_progress"
            shown = body_of(self.job, self.asked, [], status=state)
            yield self._event(f"response.{kind}", response=shown)

    def hear(self, event: Event, job: JobView) -> Iterable[Told]:
        """What a stored event means; `job` is at least as new."""
        self.job = job
        step = self._step(event.step)
        if event.type in ("plan.ready", "plan.revised"):
            yield from self._planned(event)
        elif event.type == "job.waiting" and self.asked.steps:
            yield from self._item(
                {
                    "type": "medley:approval_request",
                    "id": f"approval_{self.uuid}_{event.seq}",
                    "status": "completed",
                    "for": event.data.get("for", "approval"),
                }
            )
        elif step is not None and event.type == "step.started" and _speaks(step):
            self._begun.add(step.id)
            yield from self._say(step, self._speech.written, whole=False)
        elif step is not None and event.type == "step.started":
            yield from self._started(step)
        elif step is not None and event.type == "step.progress":
            yield from self._moved(step, event.data)
        elif step is not None and event.type in _ENDED:
            yield from self._step_ended(step)
        elif event.type.startswith("job.") and job.ended and event.type == f"job.{job.status}":
            yield from self._end()

    def write(self, step: str, text: str, at: int) -> Iterable[Told]:
        """Words that a step has just written, `at` so many characters from its beginning."""
        found = self._step(step)
        if found is None or not _speaks(found) or found.status in DONE_STEP:
            return
        speech = self._speech
        if at == 0:
            speech.written = text
        elif at == len(speech.written):
            speech.written += text
        else:
            return  # something was missed: the rest comes with the finished text
        if step in self._begun:  # what came before it is told
            yield from self._say(found, speech.written, whole=False)

    def preview(self, step: str, data: str) -> Iterable[Told]:
        """What a picture looks like so far, as base64, while it may be told."""
        first, left = self._free.get(step, (0, 0))
        if left and step in self._open:
            self._free[step] = (first + 1, left - 1)
            place = self._open[step]
            index = self.asked.partial_images - left
            yield {
                "type": "response.image_generation_call.partial_image",
                "sequence_number": first,
                "item_id": self.output[place]["id"],
                "output_index": place,
                "partial_image_index": index,
                "partial_image_b64": data,
                "output_format": "jpeg",
            }

    def shown(self) -> Told:
        """The response as it stands."""
        cut = any(was_cut(step, self.job) for step in self.job.steps)
        status = status_of(self.job, cut=cut)
        return body_of(self.job, self.asked, self.output, status=status)

    def _event(self, kind: str, **members: Any) -> Told:
        told = {"type": kind, "sequence_number": self.number, **members}
        self.number += 1
        return told

    def _step(self, name: str | None) -> StepView | None:
        return next((item for item in self.job.steps if item.id == name), None)

    def _shown(self, step: StepView) -> bool:
        return any(name.partition(".")[0] == step.id for name in self._show)

    def _planned(self, event: Event) -> Iterable[Told]:
        plan = event.data.get("plan") or {}
        self._show = set(plan.get("reply", {}).get("show", []))
        if self.asked.steps:
            name = f"plan_{self.uuid}_{event.data.get('revision', 1)}"
            yield from self._item(
                {"type": "medley:plan", "id": name, "status": "completed", "plan": plan}
            )

    def _item(self, item: Told) -> Iterable[Told]:
        """An item that is there at once."""
        place = len(self.output)
        self.output.append(item)
        yield self._event("response.output_item.added", output_index=place, item=dict(item))
        yield self._event("response.output_item.done", output_index=place, item=dict(item))

    def _begin_item(self, item: Told) -> tuple[int, Told]:
        place = len(self.output)
        self.output.append(item)
        return place, self._event("response.output_item.added", output_index=place, item=dict(item))

    def _started(self, step: StepView) -> Iterable[Told]:
        if _speaks(step) or step.kind != "work" or step.id in self._open:
            return
        if self._shown(step) and _draws_one(step):
            item = self._picture(step, "in_progress", None)
            self._open[step.id], told = self._begin_item(item)
            yield told
            named = {"item_id": item["id"], "output_index": self._open[step.id]}
            yield self._event("response.image_generation_call.in_progress", **named)
            yield self._event("response.image_generation_call.generating", **named)
            self._free[step.id] = (self.number, self.asked.partial_images)
            self.number += self.asked.partial_images
        elif self.asked.steps:
            self._open[step.id], told = self._begin_item(self._work(step, "in_progress"))
            yield told

    def _moved(self, step: StepView, progress: Mapping[str, Any]) -> Iterable[Told]:
        place = self._open.get(step.id)
        if place is not None and self.asked.steps:
            named = {"item_id": self.output[place]["id"], "output_index": place}
            yield self._event("medley:step.progress", **named, progress=dict(progress))

    def _step_ended(self, step: StepView) -> Iterable[Told]:
        if _speaks(step):
            if step.status in DONE_STEP:
                yield from self._spoken(step)
            return
        if step.kind != "work":
            return
        self._free.pop(step.id, None)
        pictures = self._assets(step, "image")
        if step.id in self._open and self.output[self._open[step.id]]["type"].startswith("image"):
            yield from self._drawn(step, pictures)
        else:
            if step.id in self._open:
                yield from self._close(step, self._work(step, _outcome(step)))
            elif self.asked.steps:
                yield from self._item(self._work(step, _outcome(step)))
            for number, asset in enumerate(pictures):
                yield from self._item(self._picture(step, "completed", asset, f"_{number}"))
        for asset in self._assets(step, "audio"):
            yield from self._sound(step, asset)

    def _drawn(self, step: StepView, pictures: list[str]) -> Iterable[Told]:
        place = self._open[step.id]
        if pictures:
            named = {"item_id": self.output[place]["id"], "output_index": place}
            yield self._event("response.image_generation_call.completed", **named)
        done = self._picture(
            step, "completed" if pictures else "failed", pictures[0] if pictures else None
        )
        yield from self._close(step, done)

    def _close(self, step: StepView, item: Told) -> Iterable[Told]:
        place = self._open.pop(step.id)
        self.output[place] = item
        yield self._event("response.output_item.done", output_index=place, item=dict(item))

    def _picture(self, step: StepView, status: str, asset: str | None, nth: str = "") -> Told:
        prompt = step.inputs.get("prompt")
        words = prompt.get("text") if isinstance(prompt, Mapping) else None
        return {
            "type": "image_generation_call",
            "id": f"ig_{self.uuid}_{step.id}{nth}",
            "status": status,
            "result": self.read(asset, self.asked.image_format) if asset else None,
            "revised_prompt": words,
            "output_format": self.asked.image_format,
        }

    def _work(self, step: StepView, status: str) -> Told:
        return {
            "type": "medley:step",
            "id": f"step_{self.uuid}_{step.id}",
            "status": status,
            "step": step.id,
            "tool": step.tool,
            "model": step.model,
            "error": dict(step.error) if step.error else None,
        }

    def _sound(self, step: StepView, asset: str) -> Iterable[Told]:
        data = self.read(asset, self.asked.audio_format)
        for start in range(0, len(data), SOUND_PIECE):
            yield self._event("response.audio.delta", delta=data[start : start + SOUND_PIECE])
        yield self._event("response.audio.done")
        if words := _spoken_words(step, self.job):
            yield self._event("response.audio.transcript.delta", delta=words)
            yield self._event("response.audio.transcript.done")

    def _assets(self, step: StepView, modality: str) -> list[str]:
        return [
            part["asset"]
            for name, given in step.outputs.items()
            if f"{step.id}.{name}" in self._show
            for part in (given if isinstance(given, list) else [given])
            if part.get("type") == "asset" and part.get("modality") == modality
        ]

    def _spoken(self, step: StepView) -> Iterable[Told]:
        """The finished words, or the call, of a step."""
        text, call = said_by(step)
        yield from self._say(step, text, whole=True, call=call)
        speech = self._speech
        if speech.place is None:
            return
        item, place = dict(self.output[speech.place]), speech.place
        cut = was_cut(step, self.job)
        item["status"] = "incomplete" if cut else "completed"
        named = {"item_id": item["id"], "output_index": place}
        if item["type"] == "function_call":
            item["arguments"] = speech.sent
            yield self._event(
                "response.function_call_arguments.done",
                **named, arguments=speech.sent, name=item["name"],
            )  # fmt: skip
        else:
            part = items.output_text(text)
            item["content"] = [part]
            named |= {"content_index": 0}
            yield self._event("response.output_text.done", **named, text=text, logprobs=[])
            yield self._event("response.content_part.done", **named, part=part)
        self.output[place] = item
        yield self._event("response.output_item.done", output_index=place, item=item)
        self._speech = Speech()

    def _say(
        self, step: StepView, written: str, *, whole: bool, call: Mapping[str, Any] | None = None
    ) -> Iterable[Told]:
        found: Words | Called | None
        if call is not None:
            found = Called(call["name"], call["arguments"])
        elif whole:
            found = Words(written)
        elif step.kind == "answer":
            found = Words(unmarked(written, whole=False))
        else:
            found = read_message(written, self.asked.functions, whole=False)
        if isinstance(found, Words) and (found.text or self._speech.place is not None):
            yield from self._words(found.text, whole=whole)
        elif isinstance(found, Called):
            yield from self._calls(found, whole=whole)

    def _words(self, text: str, *, whole: bool) -> Iterable[Told]:
        speech = self._speech
        if speech.place is None:
            item = {
                "type": "message",
                "id": f"msg_{self.uuid}",
                "role": "assistant",
                "status": "in_progress",
                "content": [],
            }
            speech.place, told = self._begin_item(item)
            yield told
            yield self._event(
                "response.content_part.added",
                item_id=item["id"], output_index=speech.place, content_index=0,
                part=items.output_text(""),
            )  # fmt: skip
        if not text.startswith(speech.sent):
            return  # the hub began anew: the finished text says what holds
        named = {"item_id": self.output[speech.place]["id"], "output_index": speech.place}
        for piece in pieces(text, len(speech.sent), whole=whole):
            speech.sent += piece
            yield self._event(
                "response.output_text.delta", **named, content_index=0, delta=piece, logprobs=[]
            )

    def _calls(self, found: Called, *, whole: bool) -> Iterable[Told]:
        speech = self._speech
        if speech.place is None:
            call = ChatCall(id=call_id(self.job.id), name=found.name, arguments="")
            item = items.call_item(f"fc_{self.uuid}", call, "in_progress")
            speech.place, told = self._begin_item(item)
            yield told
        if not found.arguments.startswith(speech.sent):
            return
        named = {"item_id": self.output[speech.place]["id"], "output_index": speech.place}
        for piece in pieces(found.arguments, len(speech.sent), whole=whole):
            speech.sent += piece
            yield self._event("response.function_call_arguments.delta", **named, delta=piece)

    def _end(self) -> Iterable[Told]:
        self.ended = True
        for place, item in enumerate(self.output):
            if item.get("status") == "in_progress":
                over = "failed" if item["type"].startswith(("image", "medley")) else "incomplete"
                self.output[place] = {**item, "status": over}
        shown = self.shown()
        kind = shown["status"] if shown["status"] in ("completed", "incomplete") else "failed"
        yield self._event(f"response.{kind}", response=shown)


def _speaks(step: StepView) -> bool:
    return step.kind == "answer" or step.tool == "chat"


def _draws_one(step: StepView) -> bool:
    """Whether it makes one picture, as far as its tool says: the usual drawing tools."""
    return step.lane == "generate" and (step.tool.endswith("_to_image") or "image" in step.tool)


def _outcome(step: StepView) -> str:
    return "completed" if step.status in DONE_STEP else "failed"


def said_by(step: StepView) -> tuple[str, Mapping[str, Any] | None]:
    """The words that a step which answers has said, or its call."""
    if step.kind == "answer":
        reply = step.outputs.get("reply") or []
        parts = reply if isinstance(reply, list) else [reply]
        return "\n".join(part["text"] for part in parts if part.get("type") == "text"), None
    said = (step.outputs.get("said") or {}).get("data") or {}
    calls = said.get("calls") or []
    return str((step.outputs.get("text") or {}).get("text", "")), calls[0] if calls else None


def was_cut(step: StepView, job: JobView) -> bool:
    """Whether its words ended at a budget."""
    if step.tool == "chat":
        said = (step.outputs.get("said") or {}).get("data") or {}
        return bool(said.get("end") == "length")
    most = job.options.get("max_answer_tokens")
    if step.kind != "answer" or most is None:
        return False
    return bool(step.usage.get("output_tokens", 0) >= most)


def _spoken_words(step: StepView, job: JobView) -> str:
    """What a step that speaks says: its words, or those of the step that it reads."""
    bound = step.inputs.get("text")
    if not isinstance(bound, Mapping):
        return ""
    if "text" in bound:
        return str(bound["text"])
    name, _, port = str(bound.get("from", "")).partition(".")
    made = next((item for item in job.steps if item.id == name), None)
    part = made.outputs.get(port) if made is not None else None
    return str(part.get("text", "")) if isinstance(part, Mapping) else ""


def told_whole(job: JobView, asked: Asked, events: Iterable[Event], read: Read) -> Narration:
    """The whole story as it stands."""
    narration = Narration(job, asked, read)
    list(narration.begin())
    for event in events:
        list(narration.hear(event, job))
    return narration
