"""The hook of `answer`: the facts that the hub sees, and the checked reply that the caller gets."""

from medley.errors import MedleyError
from medley.parts import DataPart
from medley.plain import compose
from medley.plan import Plan
from medley.tasks import AnswerFacts, Sampling
from orchestrator import answerer
from orchestrator.context import JobContext, Made, load_context, load_made
from orchestrator.database import Raw
from orchestrator.engine import Commit, Lease
from orchestrator.engine.bindings import Inputs
from orchestrator.hooks.base import Parts, Prepared
from orchestrator.register import Register


class AnswerHook:
    """Asks the hub for a reply; a reply that is not true is mended once, then composed from the
    facts.
    """

    def prepare(self, conn: Raw, lease: Lease, inputs: Inputs) -> Prepared:
        """The first question."""
        _, _, facts = _read(conn, lease)
        return _ask(facts, round_=0)

    def complete(
        self, conn: Raw, lease: Lease, outputs: Parts, prepared: Prepared
    ) -> Commit | Prepared:
        """The reply as message parts, or the next question."""
        context, register, facts = _read(conn, lease)
        part = outputs["reply"]
        draft = answerer.read_draft(part.data) if isinstance(part, DataPart) else None
        wrong = (
            answerer.untruths(draft, facts) if draft else ["The reply is not in the agreed form."]
        )
        if wrong and prepared.state < answerer.MAX_REPAIRS:
            return _ask(facts.model_copy(update={"faults": wrong}), round_=prepared.state + 1)
        if draft is None or wrong:
            draft = compose(facts)
        return _commit(context, answerer.to_reply(draft, register))

    def rescue(self, conn: Raw, lease: Lease, error: MedleyError) -> Commit | None:
        """When the hub itself cannot answer, the plain reply is given."""
        context, register, facts = _read(conn, lease)
        return _commit(context, answerer.to_reply(compose(facts), register))


def _ask(facts: AnswerFacts, *, round_: int) -> Prepared:
    return Prepared(inputs={"facts": DataPart(data=facts.model_dump(mode="json"))}, state=round_)


def _read(conn: Raw, lease: Lease) -> tuple[JobContext, Register, AnswerFacts]:
    context = load_context(conn, lease.job)
    made = load_made(conn, lease.job, lease.tenant)
    register = Register([*context.given, *made.entries])
    return context, register, _facts(context, made, register)


def _facts(context: JobContext, made: Made, register: Register) -> AnswerFacts:
    return AnswerFacts(
        request=context.words,
        assets=register.known(),
        steps=register.shortened(made.told),
        show=_shown(context, made, register),
        history=context.history,
        max_tokens=context.options.get("max_answer_tokens")
        or context.options.get("max_output_tokens"),
        may_be_cut="max_answer_tokens" in context.options,
        sampling=Sampling.model_validate(context.options.get("sampling") or {}),
    )


def _shown(context: JobContext, made: Made, register: Register) -> list[str]:
    """What the plan wants shown; where it says nothing, what no other step went on to use."""
    plan = Plan.model_validate(context.plan) if context.plan else Plan(steps=[])
    wanted = {shown.partition(".")[0] for shown in plan.reply.show}
    if not wanted:
        wanted = {step.id for step in plan.steps} - {
            need for step in plan.steps for need in step.needs()
        }
    found = [
        register.short(entry.asset)
        for entry in made.entries
        if entry.step in wanted and entry.modality != "embedding"
    ]
    return list(dict.fromkeys(found))


def _commit(context: JobContext, reply: answerer.Reply) -> Commit:
    parts = [part.model_dump(mode="json") for part in reply.parts]
    return Commit(outputs={"reply": parts}, message=context.reply(parts))
