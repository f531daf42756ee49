"""Search by meaning: a small job of two steps, embed and search."""

from typing import Any

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api import views
from api.agents import arguments, runs
from api.agents.caller import Caller
from api.agents.media import Media, is_medium, uri_of
from api.agents.results import link_to, result_of
from api.schemas.requests import JobIn
from medley.errors import CallerError
from medley.plan import Workflow
from medley.status import JobStatus
from orchestrator import asset_rows
from orchestrator.asset_rows import Asset


class Hit(BaseModel):
    """An asset that was found."""

    asset: str
    uri: str
    type: str
    score: float = Field(description="Cosine similarity in [-1, 1].")


class Found(BaseModel):
    """What is nearest, best first."""

    hits: list[Hit]


async def search(caller: Caller, asked: arguments.SearchAssets) -> CallToolResult:
    """The assets nearest to words or to a medium. Raises `CallerError`."""
    if (asked.query is None) == (asked.like is None):
        raise CallerError("Give either query or like.")
    media, like = Media(caller), asked.like
    if asked.query is not None and is_medium(asked.query):
        like = asked.query  # whoever names a medium means it, not the letters of its name
    sought: Any = asked.query if like is None else await run_in_threadpool(media.value, like)
    order = JobIn(workflow=_workflow(asked), inputs={"query": sought})
    view = await runs.run(caller, runs.Ordered(body=order, files=media.files))
    if view.status is not JobStatus.SUCCEEDED:
        return await run_in_threadpool(result_of, caller, view)
    shown = views.job(view).outputs
    scores: list[float] = next((item.data for item in shown if item.type == "data"), [])
    found = [item for item in shown if item.asset]
    hits = [
        Hit(asset=item.asset or "", uri=uri_of(item.asset or ""), type=item.type, score=score)
        for item, score in zip(found, scores, strict=True)
    ]
    assets = await run_in_threadpool(_assets, caller, hits)
    words = [f"{hit.score:+.3f}  {hit.type}  {hit.uri}" for hit in hits]
    return CallToolResult(
        content=[
            TextContent(text="\n".join(words) or "Nothing was found."),
            *(link_to(assets[hit.asset]) for hit in hits),
        ],
        structured_content=Found(hits=hits).model_dump(mode="json"),
    )


def _workflow(asked: arguments.SearchAssets) -> Workflow:
    embed = {"id": "query", "tool": "embed", "inputs": {"media": {"input": "query"}}}
    nearest = {
        "id": "found",
        "tool": "search",
        "inputs": {"query": {"from": "query.embedding"}},
        "params": {"limit": asked.limit, "modalities": asked.modalities},
    }
    plan = {"steps": [embed, nearest], "reply": {"show": ["found.assets", "found.scores"]}}
    inputs = {"query": {"modality": "text|image|audio|video"}}
    return Workflow.model_validate({"name": "Search", "inputs": inputs, "plan": plan})


def _assets(caller: Caller, hits: list[Hit]) -> dict[str, Asset]:
    with caller.here.db.connect() as conn:
        return asset_rows.get_many(conn, caller.tenant, [hit.asset for hit in hits])
