"""The remote hub: any server that speaks the OpenAI chat protocol (vLLM, SGLang, Ollama, hosted
ones).

It is asked with `response_format: json_schema`; what comes back is data until it has been checked
again. Media go as parts of the message: pictures and frames as data URLs, sound as `input_audio`.
"""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hub import chat
from hub.client import ChatServer
from hub.mediaparts import media_parts, message_content
from hub.schema import plan_schema, reply_schema
from hub.streaming import ended
from hub.talking import Talk
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, HubError, MedleyError
from medley.foreign_values import read_json
from medley.tasks import AnswerFacts, PlanTask, ReplyDraft
from medley.toolset import offered

LOOK_S = 0.2  #: how often a stop is looked for while the server says nothing


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a server may write: steps of a plan, characters of a text argument."""

    steps: int = 24
    words: int = 800


class RemoteHub:
    """`plan`, `answer`, `chat` and `describe` by a server; `source` is its URL with `/v1`.

    Options: `model`, `api_key`, `timeout_s` (120), `retries` (3), `max_tokens` (4096), `max_steps`
    (24), `max_words` (800).
    """

    tools = frozenset({"plan", "answer", "chat", "describe"})

    def __init__(self) -> None:
        self._server: ChatServer | None = None
        self._loop: asyncio.Runner | None = None
        self._limits = Bounds()

    def load(self, model: ModelSpec, device: str) -> None:
        """Opens the connection and learns the model's name where none is given. Raises
        `Unavailable`.
        """
        del device
        options = model.options
        self._server = ChatServer(
            url=model.source,
            model=str(options.get("model", "")),
            key=str(options.get("api_key", "")),
            timeout=float(options.get("timeout_s", 120)),
            retries=int(options.get("retries", 3)),
            max_tokens=int(options.get("max_tokens", 4096)),
        )
        self._loop = asyncio.Runner()
        self._limits = Bounds(int(options.get("max_steps", 24)), int(options.get("max_words", 800)))
        try:
            self._loop.run(self._server.find_model())
        except MedleyError:
            self.unload()
            raise

    def unload(self) -> None:
        """Closes the connection."""
        if self._loop is not None and self._server is not None:
            self._loop.run(self._server.close())
            self._loop.close()
        self._server = self._loop = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order; the server is asked for all of them at once. Raises
        `StepStopped` within one token of a stop, or soon where the server says nothing.
        """
        if self._server is None or self._loop is None:
            raise BackendError("The hub is not loaded.")
        return self._loop.run(_together(self._server, self._limits, batch, control))


async def _together(
    server: ChatServer, bounds: Bounds, batch: Sequence[Request], control: Control
) -> list[Result]:
    """Asks for all at once. All that touches the control runs in this one thread."""
    asked = [
        asyncio.ensure_future(_one(server, bounds, request, control, place))
        for place, request in enumerate(batch)
    ]
    waiting = set(asked)
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            for task in done:
                if not task.cancelled():
                    task.result()  # raises a stop of everything
            if not done:
                control.tick(len(asked) - len(waiting), len(asked))
            for place, task in enumerate(asked):
                if control.stopped(place):
                    task.cancel()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
    stopped = Result(error=BackendError("The step had to stop."))
    return [stopped if task.cancelled() else task.result() for task in asked]


async def _one(
    server: ChatServer, bounds: Bounds, request: Request, control: Control, place: int
) -> Result:
    try:
        return await _result(server, bounds, request, control, place)
    except MedleyError as error:
        return Result(error=error)


async def _result(
    server: ChatServer, bounds: Bounds, request: Request, control: Control, place: int
) -> Result:
    def heard(text: str) -> None:
        control.delta(text, place)

    if request.tool == "plan":
        task = _read(PlanTask, request.inputs.get("task"))
        tools = offered(task)
        most = min(task.max_steps, bounds.steps)
        schema = plan_schema(tools, task.assets, most, bounds.words, may_ask=task.may_ask)
        said = await server.ask(
            list(chat.plan_messages(task, tools)),
            control,
            name="plan",
            schema=schema,
            max_tokens=task.max_tokens,
        )
        return Result(outputs={"plan": read_json(said.text)}, usage=said.usage)
    if request.tool == "answer":
        facts = _read(AnswerFacts, request.inputs.get("facts"))
        said = await server.ask(
            list(chat.answer_messages(facts)),
            control,
            name="reply",
            schema=reply_schema(facts, bounds.words * 5),
            heard=heard,
            max_tokens=facts.max_tokens,
            sampling=facts.sampling,
            seed=request.seed,
        )
        return Result(outputs={"reply": _draft(said.text, facts)}, usage=said.usage)
    if request.tool == "chat":
        talk = Talk.of(request)
        said = await server.ask(
            [{**said, "content": message_content(said["content"])} for said in talk.prompt()],
            control,
            name="message",
            schema=talk.schema(),
            heard=heard,
            max_tokens=1 if talk.only_counts else talk.params.max_tokens,
            sampling=talk.params.sampling,
            seed=request.seed,
            as_written=True,
        )
        return Result(outputs=talk.outputs(said.text, cut=said.cut), usage=said.usage)
    if request.tool == "describe":
        text = chat.describe_text(
            "", str(request.params.get("question", "")), str(request.params.get("language", "auto"))
        )
        parts = media_parts(request.inputs.get("media"))
        message = {"role": "user", "content": [*parts, {"type": "text", "text": text.strip()}]}
        most = request.params.get("max_tokens")
        said = await server.ask([message], control, heard=heard, max_tokens=most)
        return Result(outputs={"text": said.text.strip()}, usage=said.usage)
    raise BadInput(f"A hub does not serve {request.tool!r}.")


def _draft(text: str, facts: AnswerFacts) -> dict[str, Any]:
    try:
        draft = ReplyDraft.model_validate(read_json(text))
    except ValueError as error:
        raise HubError(f"The hub wrote no reply: {error}") from error
    known = {asset.id for asset in facts.assets}
    return ReplyDraft(
        text=ended(draft.text, facts.sampling.stop),
        show=[name for name in dict.fromkeys(draft.show) if name in known],
    ).model_dump()


def _read(shape: type[BaseModel], data: Any) -> Any:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"Not a {shape.__name__}: {error.errors()[0]['msg']}") from error
