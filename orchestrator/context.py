"""What the hub may know about a job, read from the database: the request, its assets, the turns
before, what was made.

Everything is read once, before any media is looked at; the tools and the policy of a job do not
depend on its media.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import Cursor
from psycopg.rows import namedtuple_row

from medley.errors import NotFound
from medley.modality import STORED, Modality
from medley.status import DONE_STEP
from medley.tasks import StepFact, Turn
from orchestrator.database import Raw
from orchestrator.engine import NewMessage
from orchestrator.register import Entry
from orchestrator.revising import Ran

MAX_TURNS = 12  #: how many earlier messages the hub sees
MAX_TURN_TEXT = 2000  #: characters of each
MAX_ANCESTORS = 400  #: messages above this one that are looked at
MAX_OLD_TEXT = 120  #: characters of each message before those, in the summary of them
MAX_SUMMARY = 2000  #: characters of that summary
PLUMBING = frozenset({"index", "spread", "gather", "redraw"})  #: tools that nobody asked for
MAX_ASSETS = 64  #: how many assets of earlier turns can be named
MAX_STEP_TEXT = 4000  #: characters of a step's words in the facts

_ANCESTORS = """
WITH RECURSIVE up AS (
    SELECT id, parent, role, parts, 0 AS depth FROM messages
    WHERE id = %(message)s AND tenant = %(tenant)s
    UNION ALL
    SELECT m.id, m.parent, m.role, m.parts, up.depth + 1 FROM messages m JOIN up ON m.id = up.parent
    WHERE up.depth < %(most)s
)
SELECT role, parts, depth FROM up WHERE depth > 0 ORDER BY depth
"""
_STEPS = """
SELECT id, tool, status, inputs, params, outputs, error, round, map IS NOT NULL AS item,
    ARRAY(SELECT e.src FROM edges e JOIN steps p ON p.job = e.job AND p.id = e.src
          WHERE e.job = s.job AND e.dst = s.id AND p.map IS NULL) AS needs
FROM steps s
WHERE job = %(job)s AND tenant = %(tenant)s AND kind = 'work' ORDER BY round, position, id
"""
_ASSETS = "SELECT id, modality, origin FROM assets WHERE tenant = %(tenant)s AND id = ANY(%(ids)s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """One job, as the planner and the answerer need it."""

    job: str
    tenant: str
    words: str
    given: list[Entry]  # assets of earlier turns, oldest first, then those of this message
    history: list[Turn]  # oldest first
    request: Mapping[str, Any]
    options: Mapping[str, Any]
    plan: Mapping[str, Any] | None
    conversation: str | None
    message: str | None  # the last thing that the caller said
    questions: int  # how often the hub has asked

    @property
    def may_ask(self) -> bool:
        """Whether the hub may ask back: not in a dry run, nor where the caller does not want it."""
        return bool(self.options.get("ask", True)) and not self.options.get("dry_run")

    def reply(self, parts: list[dict[str, Any]]) -> NewMessage | None:
        """What the service says, as the next message of the conversation, if there is one."""
        if self.conversation is None:
            return None
        return NewMessage(conversation=self.conversation, parent=self.message, parts=parts)

    @property
    def outputs(self) -> list[Modality]:
        """What the caller asked to get back, when it was said."""
        return [Modality(name) for name in self.request.get("outputs") or []]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the steps of a job came to: facts about each, and the assets they made."""

    facts: list[StepFact]  # their `assets` and `about` still hold real ids
    entries: list[Entry]
    ran: list[Ran]

    @property
    def told(self) -> list[StepFact]:
        """The facts without failures that a later plan has made up for with the same tool."""
        plans = {step.id: step.round for step in self.ran}
        mended = {(fact.tool, plans[fact.id]) for fact in self.facts if fact.status == "succeeded"}
        return [
            fact
            for fact in self.facts
            if fact.status == "succeeded"
            or not any(tool == fact.tool and n > plans[fact.id] for tool, n in mended)
        ]


def load_context(conn: Raw, job_id: str) -> JobContext:
    """Reads a job with the conversation above it. Raises `NotFound`."""
    job = _query(conn, "SELECT * FROM jobs WHERE id = %(job)s", job=job_id).fetchone()
    if job is None:
        raise NotFound("job", job_id)
    dialogue = job.request.get("dialogue") or []
    replies = [part for turn in dialogue if turn["role"] == "user" for part in turn["parts"]]
    first = _parts(job.request.get("input"))
    parts = [*first, *replies]
    before = _before(conn, job.tenant, job.message) or [
        (said["role"], said["parts"]) for said in reversed(job.request.get("history") or [])
    ]
    turns = [(0, parts), *((place + 1, turn_parts) for place, (_, turn_parts) in enumerate(before))]
    asked = [(turn["role"], turn["parts"]) for turn in dialogue]
    said = [*reversed(before), *([("user", first), *asked[:-1]] if asked else ())]
    return JobContext(
        job=job.id,
        tenant=job.tenant,
        words="\n".join(filter(None, (_words(parts), job.request.get("instructions")))),
        given=_entries(conn, job.tenant, turns),
        history=_history(said),
        request=job.request,
        options=job.options,
        plan=job.plan,
        conversation=job.conversation,
        message=next((t["message"] for t in reversed(dialogue) if t.get("message")), job.message),
        questions=sum(turn["role"] == "assistant" for turn in dialogue),
    )


def load_made(conn: Raw, job_id: str, tenant: str) -> Made:
    """Reads what became of the job's work steps, in the order of the plan."""
    rows = _query(conn, _STEPS, job=job_id, tenant=tenant).fetchall()
    parts = {
        row.id: [part for given in (row.outputs or {}).values() for part in _listed(given)]
        for row in rows
    }
    entries = [
        Entry(
            asset=part["asset"],
            modality=Modality(part["modality"]),
            made_by=row.tool,
            step=row.id,
        )
        for row in rows
        for part in parts[row.id]
        if part["type"] == "asset"
    ]
    facts = {row.id: _fact(row, parts[row.id]) for row in rows}
    unchosen, sure = _judged(rows)
    read = {name.partition(".")[0] for fact in facts.values() for name in _references(fact, facts)}
    # The index, and an embedding that another step went on to read, are plumbing: nobody asked
    # for them.
    hidden = {
        fact.id
        for fact in facts.values()
        if fact.tool in PLUMBING or (fact.tool == "embed" and fact.id in read)
    }
    hidden |= unchosen | sure
    silent = sure | {fact.id for fact in facts.values() if fact.tool == "gather"}
    return Made(
        facts=[_followed(fact, facts) for fact in facts.values() if fact.id not in hidden],
        entries=[entry for entry in entries if entry.step not in hidden - silent],
        ran=[
            Ran(
                id=row.id,
                tool=row.tool,
                inputs=row.inputs,
                params=row.params,
                needs=frozenset(row.needs),
                done=row.status in DONE_STEP,
                error=str((row.error or {}).get("message", "")),
                round=row.round,
            )
            for row in rows
        ],
    )


def _judged(rows: Sequence[Any]) -> tuple[set[str], set[str]]:
    """Steps whose results a judge has not taken, and judges that do not doubt their choice."""
    unchosen: set[str] = set()
    sure: set[str] = set()
    for row in rows:
        if row.tool == "judge" and row.status in DONE_STEP:
            verdict = row.outputs["verdict"]["data"]
            made = verdict["steps"]
            unchosen |= set(made) - {made[verdict["best"]]}
            sure |= {row.id} if verdict["passed"] else set()
    return unchosen, sure


def _query(conn: Raw, query: LiteralString, **values: Any) -> Cursor[Any]:
    return conn.cursor(row_factory=namedtuple_row).execute(query, values)


def _references(fact: StepFact, facts: Mapping[str, StepFact]) -> list[str]:
    values = [value for given in fact.about.values() for value in _listed(given)]
    return [name for name in values if isinstance(name, str) and name.partition(".")[0] in facts]


def _followed(fact: StepFact, facts: Mapping[str, StepFact]) -> StepFact:
    """The fact with references to other steps replaced by what stands behind them."""
    about = {
        port: [_behind(item, facts) for item in given]
        if isinstance(given, list)
        else _behind(given, facts)
        for port, given in fact.about.items()
    }
    return fact.model_copy(update={"about": about})


def _behind(name: Any, facts: Mapping[str, StepFact]) -> Any:
    """Of `s1.image`: the asset, or the words, or what was embedded; anything else as it is."""
    fact = facts.get(name.partition(".")[0]) if isinstance(name, str) and "." in name else None
    if fact is None:
        return name
    if fact.tool == "embed":
        return _behind(fact.about.get("media"), facts)
    return fact.assets[0] if fact.assets else fact.text


def _fact(row: Any, parts: Sequence[Mapping[str, Any]]) -> StepFact:
    done = row.status in DONE_STEP
    error = (row.error or {}).get("message", row.status)
    return StepFact(
        id=row.id,
        tool=row.tool,
        status="succeeded" if done else "failed",
        about={name: _short(bound) for name, bound in row.inputs.items()},
        text=_words(parts)[:MAX_STEP_TEXT] if done else "",
        assets=[part["asset"] for part in parts if part["type"] == "asset"] if done else [],
        error="" if done else str(error),
    )


def _short(bound: Any) -> Any:
    """A binding as one word: the asset, the step it reads, or the words themselves."""
    if isinstance(bound, list):
        return [_short(item) for item in bound]
    if not isinstance(bound, Mapping):
        return bound
    return bound.get("asset") or bound.get("from") or bound.get("text") or bound.get("input") or ""


def _before(conn: Raw, tenant: str, message: str | None) -> list[tuple[Any, list[dict[str, Any]]]]:
    """Roles and parts of the messages above this one, newest first."""
    if message is None:
        return []
    rows = _query(conn, _ANCESTORS, message=message, tenant=tenant, most=MAX_ANCESTORS)
    return [(row.role, _parts(row.parts)) for row in rows]


def _history(said: Sequence[tuple[Any, list[dict[str, Any]]]]) -> list[Turn]:
    """What was said, oldest first: the last turns as they were, those before them in short."""
    turns = [(role, " ".join(_words(parts).split()), parts) for role, parts in said]
    turns = [turn for turn in turns if turn[1] and turn[0] in ("user", "assistant")]
    recent = [
        Turn(role=role, text=_words(parts)[:MAX_TURN_TEXT]) for role, _, parts in turns[-MAX_TURNS:]
    ]
    lines: list[str] = []
    room = MAX_SUMMARY
    for role, words, _ in reversed(turns[:-MAX_TURNS]):
        line = f"{role}: {words[:MAX_OLD_TEXT]}"
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    if not lines:
        return recent
    left_out = len(turns) - MAX_TURNS - len(lines)
    before = f"({left_out} messages before these are left out)\n" if left_out else ""
    return [Turn(role="summary", text=before + "\n".join(reversed(lines))), *recent]


def _entries(
    conn: Raw, tenant: str, turns: Iterable[tuple[int, list[dict[str, Any]]]]
) -> list[Entry]:
    named = [
        (turn, part["asset"])
        for turn, parts in turns
        for part in parts
        if part.get("type") == "asset"
    ]
    found = _query(conn, _ASSETS, tenant=tenant, ids=list({asset for _, asset in named}))
    rows = {row.id: row for row in found}
    entries = [
        Entry(
            asset=asset,
            modality=Modality(rows[asset].modality),
            about=str(rows[asset].origin.get("name") or rows[asset].origin.get("words") or "")[
                :120
            ],
            made_by=str(rows[asset].origin.get("tool") or ""),
            turn=turn,
        )
        for place, (turn, asset) in enumerate(named)
        if (place < MAX_ASSETS or turn == 0)
        and asset in rows
        and Modality(rows[asset].modality) in STORED
    ]
    return sorted(entries, key=lambda entry: -entry.turn)  # the same turn: in its order


def _parts(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    return list(value or [])


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(parts: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(str(part["text"]) for part in parts if part.get("type") == "text")
