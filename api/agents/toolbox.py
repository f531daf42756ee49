"""The tools for agents: few, because a model that is shown a hundred chooses badly.

What Medley can do is not a list of tools here but the request itself: the hub plans with the tools
of the installation.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult, TextContent, Tool, ToolAnnotations
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool

from api import orders
from api.agents import arguments as takes
from api.agents import runs
from api.agents.caller import Caller
from api.agents.media import Media, is_medium
from api.agents.results import JobResult, result_of
from api.agents.runs import Ordered
from api.agents.searching import Found, search
from api.routes.plans import planned
from api.schemas.requests import AssetIn, InputIn, JobIn, Options, TextIn
from api.schemas.rooms import PlanOut
from medley.errors import CallerError
from medley.modality import Modality
from orchestrator import asset_rows, waiting, workflows

Order = Callable[[Media, Any, bool], JobIn]


@dataclass(frozen=True, kw_only=True)
class AgentTool:
    """One tool: what it takes and gives, and its work. With `order` its work is a job, which may
    become a task.
    """

    name: str
    title: str
    about: str
    takes: type[BaseModel]
    gives: type[BaseModel] = JobResult
    order: Order | None = None
    work: Callable[[Caller, Any], Awaitable[CallToolResult]] | None = None
    reads: bool = False
    repeatable: bool = False

    def declaration(self) -> Tool:
        """The tool as it is listed."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.about,
            input_schema=self.takes.model_json_schema(),
            output_schema=self.gives.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(
                read_only_hint=self.reads,
                destructive_hint=self.name == "cancel_job",
                idempotent_hint=self.reads or self.repeatable,
                open_world_hint=False,
            ),
        )

    def read(self, arguments: Mapping[str, Any] | None) -> Any:
        """The arguments, checked. Raises `CallerError` that names each wrong place."""
        with fitting(self.name):
            return self.takes.model_validate(dict(arguments or {}))


@contextmanager
def fitting(name: str) -> Iterator[None]:
    """Inside of it shapes are made of what a caller gave. Raises `CallerError`."""
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        told = "; ".join(f"/{'/'.join(map(str, item['loc']))}: {item['msg']}" for item in found)
        raise CallerError(f"The arguments of {name} do not fit: {told}") from None


def _generate(media: Media, asked: takes.Generate, ask: bool) -> JobIn:
    return asked.order(media.parts(asked.media), approve=asked.approve, ask=ask)


def _edit(media: Media, asked: takes.Edit, ask: bool) -> JobIn:
    parts = media.parts(asked.media)
    if not asked.outputs:  # a changed picture is a picture
        here, tenant = media.caller.here, media.caller.tenant
        named = [part.asset for part in parts if isinstance(part, AssetIn)]
        with here.db.connect() as conn:
            found = asset_rows.get_many(conn, tenant, named).values()
        kinds = [*(asset.modality for asset in found), *(f.facts.modality for f in media.files)]
        asked = asked.model_copy(update={"outputs": list(dict.fromkeys(kinds))[:8]})
    return asked.order(parts, approve=asked.approve, ask=ask)


def _workflow(media: Media, asked: takes.RunWorkflow, ask: bool) -> JobIn:
    del ask
    with media.caller.here.db.connect() as conn:
        document = workflows.find(conn, media.caller.tenant, asked.workflow).document

    def value(name: str, given: str) -> Any:
        port = document.inputs.get(name)
        kinds = port.modality.split("|") if port is not None else [Modality.TEXT]
        words = Modality.TEXT in kinds and (len(kinds) == 1 or not is_medium(given))
        return given if words else media.value(given)

    inputs = {
        name: [value(name, item) for item in given]
        if isinstance(given, list)
        else value(name, given)
        for name, given in asked.inputs.items()
    }
    options = {} if asked.seed is None else {"seed": asked.seed}
    return JobIn(workflow=asked.workflow, inputs=inputs, options=Options.model_validate(options))


async def ordered(caller: Caller, tool: AgentTool, asked: Any, ask: bool) -> Ordered:
    """The job that a call asks for, with its files. Raises `CallerError`, and what refuses files.

    `ask`: somebody can answer a question of the hub.
    """

    def make() -> Ordered:
        assert tool.order is not None
        media = Media(caller)
        with fitting(tool.name):
            return Ordered(body=tool.order(media, asked, ask), files=media.files)

    return await run_in_threadpool(make)


async def _plan(caller: Caller, asked: takes.Request) -> CallToolResult:
    media = Media(caller)
    parts = await run_in_threadpool(media.parts, asked.media)
    order = asked.order(parts, ask=False)
    found: PlanOut = await planned(caller.here, caller.tenant, order, media.files)
    steps = [f"{step.id}: {step.tool}" for step in found.plan.steps]
    return CallToolResult(
        content=[TextContent(text="\n".join(steps) or "Nothing is to be done.")],
        structured_content=found.model_dump(mode="json", by_alias=True, exclude_none=True),
    )


async def _status(caller: Caller, asked: takes.JobStatus) -> CallToolResult:
    caller.require_reading()
    view = await runs.stay(caller, asked.job, asked.wait_s)
    return await run_in_threadpool(result_of, caller, view)


async def _answer(caller: Caller, asked: takes.AnswerJob) -> CallToolResult:
    if (asked.approve is None) == (asked.answer is None and not asked.media):
        raise CallerError("Give either approve, or an answer in words or media.")
    await run_in_threadpool(respond, caller, asked.job, asked.approve, asked.answer, asked.media)
    view = await runs.stay(caller, asked.job, 0)
    return await run_in_threadpool(result_of, caller, view)


def respond(
    caller: Caller,
    job_id: str,
    approve: bool | None,
    answer: str | None,
    named: Sequence[str] = (),
) -> None:
    """Gives a waiting job what it waits for; false cancels it. Blocks.

    Raises `NotFound`, `Conflict`, `InvalidRequest`.
    """
    here = caller.here
    if approve is None:
        with fitting("an answer"):
            media = Media(caller)
            words = [TextIn(type="text", text=answer)] if answer else []
            given = InputIn(input=[*words, *media.parts(named)])
        orders.give_input(here, caller.tenant, job_id, given, media.files)
    elif approve:
        with here.db.begin() as conn:
            waiting.approve(conn, caller.tenant, job_id, None, None, here.rules)
        here.changed(job_id)
    else:
        runs.cancel(caller, job_id)


async def _cancel(caller: Caller, asked: takes.CancelJob) -> CallToolResult:
    view = await run_in_threadpool(runs.cancel, caller, asked.job)
    found = await run_in_threadpool(result_of, caller, view)
    return found.model_copy(update={"is_error": False})


TOOLS = {
    tool.name: tool
    for tool in (
        AgentTool(
            name="generate",
            title="Make or answer something",
            about="Does what words ask for, about any media: makes pictures, speech, sounds and "
            "video, describes, transcribes, translates between them, and answers. One call can "
            "ask for several steps; they are planned, checked and run.",
            takes=takes.Generate,
            order=_generate,
        ),
        AgentTool(
            name="edit",
            title="Change media",
            about="Changes given pictures, sounds or videos as words say; gives media of the same "
            "kind unless outputs says otherwise.",
            takes=takes.Edit,
            order=_edit,
        ),
        AgentTool(
            name="plan",
            title="Plan without running",
            about="The checked plan for a request and what it would cost. Nothing is run.",
            takes=takes.Request,
            gives=PlanOut,
            work=_plan,
            reads=True,
        ),
        AgentTool(
            name="run_workflow",
            title="Run a saved workflow",
            about="Runs a saved plan with its typed inputs. The prompts of this server are the "
            "saved workflows with their inputs.",
            takes=takes.RunWorkflow,
            order=_workflow,
        ),
        AgentTool(
            name="job_status",
            title="Look at a job",
            about="How far a job is, and its results when it has ended.",
            takes=takes.JobStatus,
            work=_status,
            reads=True,
        ),
        AgentTool(
            name="answer_job",
            title="Answer a waiting job",
            about="Approves or rejects the plan of a waiting job, or answers its question. Then "
            "follow it with job_status.",
            takes=takes.AnswerJob,
            work=_answer,
        ),
        AgentTool(
            name="cancel_job",
            title="Cancel a job",
            about="Asks a job to stop; asking again changes nothing.",
            takes=takes.CancelJob,
            work=_cancel,
            repeatable=True,
        ),
        AgentTool(
            name="search_assets",
            title="Search media by meaning",
            about="The stored pictures, sounds and videos nearest to words or to another medium.",
            takes=takes.SearchAssets,
            gives=Found,
            work=search,
            reads=True,
        ),
    )
}
