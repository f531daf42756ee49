"""One row of a hub's batch: its prompt as tokens, its guide, and what becomes of the text that it
wrote.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from hub import chat, compact
from hub.decoding import FreeGuide, GrammarGuide, Guide, PlanGuide
from hub.grammar import PlanGrammar, Words
from hub.reading import Reading, around_media
from hub.replies import chosen_reply, free_reply
from hub.streaming import ended, reply_text
from medley.backend import Request
from medley.errors import BadInput, HubError
from medley.media.values import Embedding
from medley.plain import to_show
from medley.plan import Plan
from medley.tasks import AnswerFacts, PlanTask, ReplyDraft
from medley.toolset import offered

PLAN_TOKENS, ANSWER_TOKENS, DESCRIBE_TOKENS = 3000, 1500, 160


@dataclass(slots=True, kw_only=True)
class Item:
    """One row. `before` and `after` are token ids around the soft tokens (K, hidden), if there are
    any. `shown` is what a processor made of media: tensors of a batch of one, by the names that the
    model knows them under.
    """

    before: list[int]
    guide: Callable[[], Guide]
    finish: Callable[[Guide], dict[str, Any]]
    limit: int
    after: list[int]
    soft: Any = None
    shown: Mapping[str, Any] = field(default_factory=dict)
    reading: Callable[[str], str] | None = (
        None  # of the text so far, what a reader sees; None: not streamed
    )
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    may_end_anywhere: bool = False  # what it wrote until its limit is a result

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        return (
            len(self.before)
            + len(self.after)
            + (0 if self.soft is None else int(self.soft.shape[0]))
        )


def plan_item(reading: Reading, request: Request) -> Item:
    """A request to plan. Raises `BadInput`."""
    task = _read(PlanTask, request.inputs.get("task"))
    tools = offered(task)
    tools = tools.only(name for name in tools if reading.knows(tools[name]))
    prompt = (
        compact.plan_prompt(task)
        if reading.compact
        else reading.chat(chat.plan_messages(task, tools))
    )
    words = (
        Words(source=compact.request_text(task.request))
        if reading.compact
        else Words(limit=reading.max_words)
    )

    def guide() -> Guide:
        chat_hub = not reading.compact  # one that was never trained on plans alone
        grammar = PlanGrammar(
            tools,
            task.assets,
            words,
            min(task.max_steps, reading.max_steps),
            reply=chat_hub,
            may_ask=chat_hub and task.may_ask,
            budget=task.max_steps,
        )
        return PlanGuide(reading.guided, grammar)

    # The same question would get the same plan again: a repair is drawn, not chosen.
    repairs = len(task.faults) > 0
    return Item(
        before=reading.tokens(prompt),
        after=[],
        guide=guide,
        finish=lambda done: {"plan": read_plan(done.text)},
        limit=least(PLAN_TOKENS, task.max_tokens),
        temperature=0.7 if repairs else 0.0,
        seed=request.seed + len(task.faults),
    )


def answer_item(reading: Reading, request: Request) -> Item:
    """A request to answer. Raises `BadInput`."""
    facts = _read(AnswerFacts, request.inputs.get("facts"))
    prompt = (
        compact.answer_prompt(facts)
        if reading.compact
        else reading.chat(chat.answer_messages(facts))
    )
    grammar = chosen_reply(facts) if reading.compact else free_reply(facts)
    return Item(
        before=reading.tokens(prompt),
        after=[],
        guide=lambda: GrammarGuide(reading.guided, grammar),
        finish=lambda done: {"reply": _draft(done, facts)},
        may_end_anywhere=facts.may_be_cut,
        limit=least(ANSWER_TOKENS + sum(len(step.text) for step in facts.steps), facts.max_tokens),
        reading=lambda written: ended(reply_text(written), facts.sampling.stop),
        temperature=facts.sampling.temperature or (0.7 if facts.faults else 0.0),
        top_p=facts.sampling.top_p,
        seed=request.seed + len(facts.faults),
    )


def _draft(done: Guide, facts: AnswerFacts) -> dict[str, Any]:
    if done.done:
        draft: ReplyDraft = _read(ReplyDraft, json.loads(done.text))
    else:
        draft = ReplyDraft(text=reply_text(done.text), show=to_show(facts))
    return {**draft.model_dump(), "text": ended(draft.text, facts.sampling.stop)}


def describe_item(reading: Reading, request: Request) -> Item:
    """An embedding to put into words. Raises `BadInput`."""
    import torch

    media = request.inputs.get("media")
    connector = reading.connector
    if connector is None:
        raise BadInput("This hub has no connector: it cannot read media.")
    if not isinstance(media, Embedding):
        raise BadInput("This hub reads embeddings; embed the media first.")
    if connector.config.space and media.space != connector.config.space:
        raise BadInput(f"This hub reads the space {connector.config.space!r}, not {media.space!r}.")
    if media.vector.shape != (connector.config.source,):
        raise BadInput(
            f"This hub reads vectors of {connector.config.source} numbers, "
            f"not {media.vector.shape}."
        )
    before, after = around_media(
        reading,
        str(request.params.get("question", "")),
        str(request.params.get("language", "auto")),
    )
    with torch.inference_mode():
        vector = torch.from_numpy(media.vector).unsqueeze(0).to(next(connector.parameters()).device)
        try:
            soft = connector(vector.float(), None, [media.of])[0]
        except ValueError as error:
            raise BadInput(f"This hub's connector cannot read that: {error}.") from error
    limit = least(DESCRIBE_TOKENS, request.params.get("max_tokens"))
    return Item(
        before=before,
        soft=soft,
        after=after,
        limit=limit,
        guide=lambda: FreeGuide(
            reading.guided, reading.ends, limit, reading.tokenizer.all_special_ids
        ),
        finish=lambda done: {"text": done.text.strip()},
        reading=str,
    )


def least(ours: int, asked: int | None) -> int:
    """The smaller of our limit and the caller's, in tokens, where there is one."""
    return ours if asked is None else min(ours, asked)


def read_plan(text: str) -> dict[str, Any]:
    """The plan, or the question, as plain JSON, quotations stripped. Raises `HubError`."""
    try:
        data = _stripped(json.loads(text))
        ask = {"ask": data.pop("ask")} if "ask" in data else {}
        return Plan.model_validate(data).to_json() | ask
    except ValueError as error:
        raise HubError(f"The hub wrote no plan: {error}") from error


def _stripped(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _stripped(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_stripped(item) for item in node]
    return node.strip() if isinstance(node, str) else node


def _read(shape: Any, data: Any) -> Any:
    try:
        return shape.model_validate(data)
    except ValidationError as error:
        raise BadInput(f"Not a {shape.__name__}: {error.errors()[0]['msg']}") from error
