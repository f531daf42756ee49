"""From a draft to a job: media are kept, what was said before is found, and the order is given, in
one transaction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from api import tracing
from api.ids import job_id
from api.openai import inline
from api.openai.asked import Asked, asked_of
from api.openai.faults import wrong
from api.openai.inline import Kept, Media
from api.openai.items import Said
from api.openai.steps import said_by
from api.openai.talk import Talk, order_of
from api.state import Service
from medley.calls import call_id
from medley.errors import NotFound
from medley.modality import Modality
from medley.parts import AssetPart, DataPart, TextPart
from medley.tasks import ChatCall, ChatMessage
from orchestrator import conversations, intake, jobs
from orchestrator.conversations import Message
from orchestrator.jobs import JobView


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A request that was read, before anything of it is in the database."""

    said: Sequence[Said]
    talk: Talk
    asked: Asked
    previous: str | None = None  # the response that it goes on from
    metadata: Mapping[str, str] = field(default_factory=dict)
    brought: Mapping[str, Kept] = field(default_factory=dict)  # from elsewhere, by their places

    def media(self) -> list[Media]:
        """All media of it, in order."""
        return [media for said in self.said for media in said.media()]


async def with_media(here: Service, draft: Draft) -> Draft:
    """The draft with what is named by addresses elsewhere. Raises `BadParameter`."""
    return replace(draft, brought=await inline.bring(here, draft.media()))


def submit(here: Service, tenant: str, draft: Draft, job: str) -> JobView:
    """Makes the job under this id. Raises `BadParameter`, `NotFound`, `InvalidPlan`, `QueueFull`,
    `QuotaExceeded`, `Unavailable`.
    """
    kept = inline.keep(here, draft.media(), draft.brought)
    with here.entering(inline.bytes_of(kept)) as conn:
        grant = here.admission.check(conn)
        assets = iter([inline.register(conn, tenant, one, here.caller.key) for one in kept])
        here.admission.check_bytes(conn)
        said = [item.kept(assets) for item in draft.said]
        before = list(_before(conn, tenant, draft))
        talk = replace(draft.talk, before=before, said=said)
        asked = draft.asked.model_copy(update={"before": before, "said": said})
        order = order_of(
            talk,
            tenant,
            id=job,
            metadata=dict(draft.metadata),
            grant=grant,
            asked=asked.model_dump(mode="json"),
        )
        tracing.belongs_to(conn, intake.submit(conn, order, here.rules))
        view = jobs.get(conn, tenant, job)
    here.changed(job)
    return view


def write(
    conn: Connection,
    here: Service,
    tenant: str,
    draft: Draft,
    kept: Sequence[Kept],
    job: str,
    priority: int = 0,
) -> None:
    """Writes the job in the caller's transaction; `kept` are the draft's media. Raises what
    `submit` raises.
    """
    grant = here.admission.check(conn)
    assets = iter([inline.register(conn, tenant, one, here.caller.key) for one in kept])
    here.admission.check_bytes(conn)
    said = [item.kept(assets) for item in draft.said]
    before = list(_before(conn, tenant, draft))
    asked = draft.asked.model_copy(update={"before": before, "said": said})
    order = order_of(
        replace(draft.talk, before=before, said=said),
        tenant,
        id=job,
        metadata=dict(draft.metadata),
        grant=grant,
        asked=asked.model_dump(mode="json"),
        priority=priority,
    )
    intake.submit(conn, order, here.rules)


def _before(conn: Connection, tenant: str, draft: Draft) -> Iterator[ChatMessage]:
    if draft.talk.conversation is not None:
        conversations.get(conn, tenant, draft.talk.conversation)
        for message in conversations.branch(conn, tenant, draft.talk.conversation):
            yield of_message(message)
    if draft.previous is not None:
        try:
            job = jobs.get(conn, tenant, job_id(draft.previous))
        except NotFound:
            raise NotFound("response", draft.previous) from None
        asked = asked_of(job)
        if not asked.stored:
            raise NotFound("response", draft.previous)
        if not job.ended:
            raise wrong("/previous_response_id", "This response is not finished yet.")
        yield from asked.before
        yield from asked.said
        yield from answered(job)


def answered(job: JobView) -> Iterator[ChatMessage]:
    """What a job answered, as a message: words or a call, and what it shows."""
    parts: list[TextPart | AssetPart] = []
    calls: list[ChatCall] = []
    for step in job.steps:
        if step.kind == "answer" or step.tool == "chat":
            text, call = said_by(step)
            parts += [TextPart(text=text)] if text else []
            if call is not None:
                name, arguments = call["name"], call["arguments"]
                calls.append(ChatCall(id=call_id(job.id), name=name, arguments=arguments))
            parts += _assets(step.outputs.get("reply"))
    if parts or calls:
        yield ChatMessage(role="assistant", parts=parts, calls=calls)


def _assets(reply: object) -> list[AssetPart]:
    found = reply if isinstance(reply, list) else []
    return [
        AssetPart(asset=part["asset"], modality=Modality(part["modality"]))
        for part in found
        if part.get("type") == "asset"
    ]


def of_message(message: Message) -> ChatMessage:
    """A message of a conversation as one of a chat."""
    parts = [part for part in message.parts if not isinstance(part, DataPart)]
    data = [part.data for part in message.parts if isinstance(part, DataPart)]
    for value in data:
        if value.get("type") == "function_call_output":
            output = TextPart(text=str(value["output"]))
            return ChatMessage(role="tool", parts=[*parts, output], call=value["call_id"])
    calls = [
        ChatCall(id=value["call_id"], name=value["name"], arguments=value["arguments"])
        for value in data
        if value.get("type") == "function_call"
    ]
    roles = {"developer": "system"}
    return ChatMessage(
        role=roles.get(message.role, message.role),  # type: ignore[arg-type]
        parts=parts,
        calls=calls,
    )
