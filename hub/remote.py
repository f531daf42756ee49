"""The remote hub: any server that speaks the OpenAI chat protocol (vLLM, SGLang, Ollama, hosted
ones).

It is asked with `response_format: json_schema`; what comes back is data until it has been checked
again. Media go as parts of the message: pictures and frames as data URLs, sound as `input_audio`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hub import chat
from hub.client import ChatServer
from hub.mediaparts import media_parts
from hub.schema import plan_schema, reply_schema
from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, BadInput, HubError, MedleyError
from medley.foreign_values import read_json
from medley.tasks import AnswerFacts, PlanTask, ReplyDraft
from medley.toolset import toolbox


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much a server may write: steps of a plan, characters of a text argument."""

    steps: int = 24
    words: int = 800


class RemoteHub:
    """`plan`, `answer` and `describe` by a server; `source` is its URL up to and with `/v1`.

    Options: `model`, `api_key`, `timeout_s` (120), `retries` (3), `max_tokens` (4096), `max_steps`
    (24), `max_words` (800).
    """

    tools = frozenset({"plan", "answer", "describe"})

    def __init__(self) -> None:
        self._server: ChatServer | None = None
        self._limits = Bounds()

    def load(self, model: ModelSpec, device: str) -> None:
        """Opens the connection and learns the model's name where none is given. Raises
        `Unavailable`.
        """
        del device
        options = model.options
        server = ChatServer(
            url=model.source,
            model=str(options.get("model", "")),
            key=str(options.get("api_key", "")),
            timeout=float(options.get("timeout_s", 120)),
            retries=int(options.get("retries", 3)),
            max_tokens=int(options.get("max_tokens", 4096)),
        )
        try:
            server.find_model()
        except MedleyError:
            server.close()
            raise
        self._server = server
        self._limits = Bounds(int(options.get("max_steps", 24)), int(options.get("max_words", 800)))

    def unload(self) -> None:
        """Closes the connection."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        """One result per request, in order. Raises `StepStopped` within one token of a stop."""
        server = self._server
        if server is None:
            raise BackendError("The hub is not loaded.")
        results = []
        for place, request in enumerate(batch):
            control.tick(place, len(batch))
            try:
                results.append(_one(server, self._limits, request, control, alone=len(batch) == 1))
            except MedleyError as error:
                results.append(Result(error=error))
        return results


def _one(
    server: ChatServer, bounds: Bounds, request: Request, control: Control, *, alone: bool
) -> Result:
    if request.tool == "plan":
        task = _read(PlanTask, request.inputs.get("task"))
        tools = toolbox(test_tools=True).only(task.tools).planned()
        schema = plan_schema(tools, task.assets, min(task.max_steps, bounds.steps), bounds.words)
        said = server.ask(
            list(chat.plan_messages(task, tools)),
            control,
            name="plan",
            schema=schema,
            max_tokens=task.max_tokens,
        )
        return Result(outputs={"plan": read_json(said.text)}, usage=said.usage)
    if request.tool == "answer":
        facts = _read(AnswerFacts, request.inputs.get("facts"))
        said = server.ask(
            list(chat.answer_messages(facts)),
            control,
            name="reply",
            schema=reply_schema(facts, bounds.words * 5),
            heard=control.delta if alone else None,
            max_tokens=facts.max_tokens,
        )
        return Result(outputs={"reply": _draft(said.text, facts)}, usage=said.usage)
    if request.tool == "describe":
        text = chat.describe_text(
            "", str(request.params.get("question", "")), str(request.params.get("language", "auto"))
        )
        parts = media_parts(request.inputs.get("media"))
        message = {"role": "user", "content": [*parts, {"type": "text", "text": text.strip()}]}
        said = server.ask(
            [message],
            control,
            heard=control.delta if alone else None,
            max_tokens=request.params.get("max_tokens"),
        )
        return Result(outputs={"text": said.text.strip()}, usage=said.usage)
    raise BadInput(f"A hub does not serve {request.tool!r}.")


def _draft(text: str, facts: AnswerFacts) -> dict[str, Any]:
    try:
        draft = ReplyDraft.model_validate(read_json(text))
    except ValueError as error:
        raise HubError(f"The hub wrote no reply: {error}") from error
    known = {asset.id for asset in facts.assets}
    return ReplyDraft(
        text=draft.text, show=[name for name in dict.fromkeys(draft.show) if name in known]
    ).model_dump()


def _read(shape: type[BaseModel], data: Any) -> Any:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"Not a {shape.__name__}: {error.errors()[0]['msg']}") from error
