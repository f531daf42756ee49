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
from api.openai.asked import Asked, status_of
from api.openai.output import Output, Told
from api.openai.response_body import body_of
from api.openai.saying import Saying
from api.openai.steps import draws_one, outcome, read_aloud, speaks, was_cut
from medley.calls import call_id
from medley.status import DONE_STEP
from orchestrator.events import Event
from orchestrator.jobs import JobView, StepView

#: The bytes of an asset in base64, perhaps in another format.
Read = Callable[[str, str], str]
SOUND_PIECE = 64_000  #: characters of base64 in one event
_ENDED = frozenset({"step.completed", "step.cached", "step.failed", "step.canceled"})


@dataclass(slots=True)
class Narration:
    """Tells one job. Feed it every stored event in order, and what comes live in between."""

    job: JobView
    asked: Asked
    read: Read
    output: Output = field(default_factory=Output)
    ended: bool = False
    _saying: Saying = field(init=False)
    _begun: set[str] = field(default_factory=set)
    _show: set[str] = field(default_factory=set)
    _open: dict[str, int] = field(default_factory=dict)  # step -> place of its item
    _free: dict[str, tuple[int, int]] = field(default_factory=dict)  # step -> numbers kept free

    def __post_init__(self) -> None:
        self._saying = Saying(
            output=self.output,
            uuid=self.uuid,
            call_id=call_id(self.job.id),
            functions=self.asked.functions,
        )
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
            yield self.output.event(f"response.{kind}", response=shown)

    def hear(self, event: Event, job: JobView) -> Iterable[Told]:
        """What a stored event means; `job` is at least as new."""
        self.job = job
        step = self._step(event.step)
        if event.type in ("plan.ready", "plan.revised"):
            yield from self._planned(event)
        elif event.type == "job.waiting" and self.asked.steps:
            yield from self.output.add(
                {
                    "type": "medley:approval_request",
                    "id": f"approval_{self.uuid}_{event.seq}",
                    "status": "completed",
                    "for": event.data.get("for", "approval"),
                }
            )
        elif step is not None and event.type == "step.started" and speaks(step):
            self._begun.add(step.id)
            yield from self._saying.grow(step)
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
        if found is None or not speaks(found) or found.status in DONE_STEP:
            return
        if self._saying.hear(text, at) and step in self._begun:  # what came before it is told
            yield from self._saying.grow(found)

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
                **self.output.named(place),
                "partial_image_index": index,
                "partial_image_b64": data,
                "output_format": "jpeg",
            }

    def shown(self) -> Told:
        """The response as it stands."""
        cut = any(was_cut(step, self.job) for step in self.job.steps)
        status = status_of(self.job, cut=cut)
        return body_of(self.job, self.asked, self.output.items, status=status)

    def _step(self, name: str | None) -> StepView | None:
        return next((item for item in self.job.steps if item.id == name), None)

    def _shown(self, step: StepView) -> bool:
        return any(name.partition(".")[0] == step.id for name in self._show)

    def _planned(self, event: Event) -> Iterable[Told]:
        plan = event.data.get("plan") or {}
        self._show = set(plan.get("reply", {}).get("show", []))
        if self.asked.steps:
            name = f"plan_{self.uuid}_{event.data.get('revision', 1)}"
            yield from self.output.add(
                {"type": "medley:plan", "id": name, "status": "completed", "plan": plan}
            )

    def _started(self, step: StepView) -> Iterable[Told]:
        if speaks(step) or step.kind != "work" or step.id in self._open:
            return
        if self._shown(step) and draws_one(step):
            item = self._picture(step, "in_progress", None)
            self._open[step.id], told = self.output.begin(item)
            yield told
            named = self.output.named(self._open[step.id])
            yield self.output.event("response.image_generation_call.in_progress", **named)
            yield self.output.event("response.image_generation_call.generating", **named)
            count = self.asked.partial_images
            self._free[step.id] = (self.output.keep_free(count), count)
        elif self.asked.steps:
            self._open[step.id], told = self.output.begin(self._work(step, "in_progress"))
            yield told

    def _moved(self, step: StepView, progress: Mapping[str, Any]) -> Iterable[Told]:
        place = self._open.get(step.id)
        if place is not None and self.asked.steps:
            named = self.output.named(place)
            yield self.output.event("medley:step.progress", **named, progress=dict(progress))

    def _step_ended(self, step: StepView) -> Iterable[Told]:
        if speaks(step):
            if step.status in DONE_STEP:
                yield from self._saying.finish(step, cut=was_cut(step, self.job))
            return
        if step.kind != "work":
            return
        self._free.pop(step.id, None)
        pictures = self._assets(step, "image")
        place = self._open.pop(step.id, None)
        if place is not None and self.output.items[place]["type"].startswith("image"):
            yield from self._drawn(step, place, pictures)
        else:
            if place is not None:
                yield self.output.finish(place, self._work(step, outcome(step)))
            elif self.asked.steps:
                yield from self.output.add(self._work(step, outcome(step)))
            for number, asset in enumerate(pictures):
                yield from self.output.add(self._picture(step, "completed", asset, f"_{number}"))
        for asset in self._assets(step, "audio"):
            yield from self._sound(step, asset)

    def _drawn(self, step: StepView, place: int, pictures: list[str]) -> Iterable[Told]:
        if pictures:
            named = self.output.named(place)
            yield self.output.event("response.image_generation_call.completed", **named)
        done = self._picture(
            step, "completed" if pictures else "failed", pictures[0] if pictures else None
        )
        yield self.output.finish(place, done)

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
            yield self.output.event("response.audio.delta", delta=data[start : start + SOUND_PIECE])
        yield self.output.event("response.audio.done")
        if words := read_aloud(step, self.job):
            yield self.output.event("response.audio.transcript.delta", delta=words)
            yield self.output.event("response.audio.transcript.done")

    def _assets(self, step: StepView, modality: str) -> list[str]:
        return [
            part["asset"]
            for name, given in step.outputs.items()
            if f"{step.id}.{name}" in self._show
            for part in (given if isinstance(given, list) else [given])
            if part.get("type") == "asset" and part.get("modality") == modality
        ]

    def _end(self) -> Iterable[Told]:
        self.ended = True
        for place, item in enumerate(self.output.items):
            if item.get("status") == "in_progress":
                over = "failed" if item["type"].startswith(("image", "medley")) else "incomplete"
                self.output.items[place] = {**item, "status": over}
        shown = self.shown()
        kind = shown["status"] if shown["status"] in ("completed", "incomplete") else "failed"
        yield self.output.event(f"response.{kind}", response=shown)


def told_whole(job: JobView, asked: Asked, events: Iterable[Event], read: Read) -> Narration:
    """The whole story as it stands."""
    narration = Narration(job, asked, read)
    list(narration.begin())
    for event in events:
        list(narration.hear(event, job))
    return narration
