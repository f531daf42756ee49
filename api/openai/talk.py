"""From a chat in OpenAI's form to an order: which job gives the answer. Pure.

Two kinds of job answer. The whole service plans: plan, tools, answer. A chat with one hub is a plan
that stands already: the hub says the next message, and where a voice is wanted it is spoken. The
second is chosen where the caller's own functions or a form decide what the next message may be,
where a voice is wanted, or where the model is a hub by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.openai.faults import unsupported, wrong
from medley.modality import Modality
from medley.parts import AssetPart, Part, TextPart
from medley.plan import Plan
from medley.tasks import ChatMessage, Function, Sampling
from orchestrator.order import Order

CHAT = "chat"  #: the step that says the next message
MAX_MESSAGES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A chat so far, and what is wanted next."""

    before: Sequence[ChatMessage] = ()  # said in earlier turns
    said: Sequence[ChatMessage] = ()  # said now
    instructions: str = ""
    hub: str | None = None  # None: the whole service
    functions: Sequence[Function] = ()
    choice: str = "auto"  # none | required | the name of a function
    form: Mapping[str, Any] | None = None
    sampling: Sampling = field(default_factory=Sampling)
    max_tokens: int | None = None
    seed: int | None = None
    may_forget: bool = False
    outputs: Sequence[Modality] = ()  # wanted besides words
    draw: Mapping[str, Any] = field(default_factory=dict)  # parameters of every drawing
    voice: Mapping[str, Any] | None = None  # parameters of `speak`
    approve: bool = False
    max_steps: int | None = None  # of a plan
    counts: bool = False  # the tokens of the chat are counted, and nothing is said
    conversation: str | None = None
    at: str = "/input"  # where the request says what is said now

    @property
    def chats(self) -> bool:
        """Whether one hub's next message is the answer."""
        guided = bool(self.functions) or self.form is not None or self.voice is not None
        answers_call = any(message.role == "tool" for message in self.said)
        return self.counts or guided or answers_call or (self.hub is not None and not self.outputs)


def order_of(talk: Talk, tenant: str, **more: Any) -> Order:
    """The order. Raises `BadParameter`, `Unsupported`."""
    if not (talk.said or talk.before):
        raise wrong(talk.at, "There is nothing to answer.")
    if len(talk.before) + len(talk.said) >= MAX_MESSAGES:
        raise wrong(talk.at, f"A chat has at most {MAX_MESSAGES} messages.")
    return (_chat if talk.chats else _planned)(talk, tenant, more)


def _planned(talk: Talk, tenant: str, more: Mapping[str, Any]) -> Order:
    told = [item.text for item in (*talk.before, *talk.said) if item.role == "system"]
    spoken = [item for item in talk.said if item.role != "system"]
    first = next(
        (place + 1 for place, item in reversed(list(enumerate(spoken))) if item.role != "user"), 0
    )
    asked: list[Part] = [part for item in spoken[first:] for part in item.parts]
    if not asked:
        raise wrong(talk.at, "The last message has to be a user's.")
    earlier = [item for item in (*talk.before, *spoken[:first]) if item.role != "system"]
    models = {"plan": talk.hub, "answer": talk.hub} if talk.hub else {}
    options = {
        "ask": False,
        "approve": "plan" if talk.approve else "auto",
        "models": models,
        "seed": talk.seed,
        "sampling": talk.sampling.model_dump(),
        "max_answer_tokens": talk.max_tokens,
        "draw": dict(talk.draw),
        "max_steps": talk.max_steps,
    }
    return Order(
        tenant=tenant,
        parts=asked,
        instructions="\n\n".join(filter(None, [*told, talk.instructions])),
        outputs=list(talk.outputs),
        conversation=talk.conversation,
        options={name: value for name, value in options.items() if value not in (None, {})},
        history=[] if talk.conversation else earlier,
        **more,
    )


def _chat(talk: Talk, tenant: str, more: Mapping[str, Any]) -> Order:
    if talk.outputs:
        reason = "Pictures are drawn where neither functions nor a form nor a voice are asked for."
        raise unsupported("/tools", reason)
    if talk.voice is not None and talk.functions:
        raise unsupported("/modalities", "An answer that may call functions is not spoken.")
    if talk.approve:
        raise unsupported("/tools", "A chat with one hub has no plan to approve.")
    messages = [*talk.before, *talk.said]
    if talk.instructions:
        told = TextPart(text=talk.instructions)
        messages = [ChatMessage(role="system", parts=[told]), *messages]
    spoken: list[Part] = [
        part for item in talk.said if item.role in ("user", "tool") for part in item.parts
    ]
    return Order(
        tenant=tenant,
        parts=spoken,
        plan=Plan.model_validate(_plan(talk, messages)),
        conversation=talk.conversation,
        options={"seed": talk.seed} if talk.seed is not None else {},
        **more,
    )


def _plan(talk: Talk, messages: Sequence[ChatMessage]) -> dict[str, Any]:
    media = [
        {"asset": part.asset}
        for message in messages
        for part in message.parts
        if isinstance(part, AssetPart)
    ]
    params: dict[str, Any] = {
        "messages": [item.model_dump(mode="json") for item in messages],
        "functions": [item.model_dump(mode="json") for item in talk.functions],
        "choice": talk.choice,
        "form": talk.form,
        "sampling": talk.sampling.model_dump(),
        "may_forget": talk.may_forget,
    }
    if talk.max_tokens is not None:
        params["max_tokens"] = talk.max_tokens
    say: dict[str, Any] = {
        "id": CHAT,
        "tool": "chat",
        "inputs": {"seen": media} if media else {},
        "params": params,
        "model": talk.hub,
    }
    steps, show = [say], [f"{CHAT}.text"]
    if talk.voice is not None:
        heard = {"text": {"from": f"{CHAT}.text"}}
        voice: dict[str, Any] = {
            "id": "speech",
            "tool": "speak",
            "inputs": heard,
            "params": dict(talk.voice),
        }
        steps, show = [*steps, voice], [*show, "speech.audio"]
    return {"steps": steps, "reply": {"show": show}}
