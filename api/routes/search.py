"""Search: anything with anything, in the shared space of words, pictures, sounds and videos."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field, model_validator
from starlette.concurrency import run_in_threadpool

from api import stream, views
from api.openai import calls
from api.openai.given import GivenPart, as_part, found, part_of
from api.routes.jobs import Prefer, answer, wait_of
from api.schemas.assets import AssetOut
from api.schemas.common import Body, Out, documented
from api.schemas.jobs import JobOut
from api.schemas.requests import Words
from api.searching import Weighed, hits, search_call
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.errors import NotFound
from medley.parts import TextPart
from medley.toolset.space import SearchFilter
from orchestrator.jobs import JobView

router = APIRouter(prefix="/v1/search", tags=["search"], route_class=StrictRoute)
WAIT_S = 30  #: how long the answer is waited for when nothing is said
Searched = Literal["image", "audio", "video", "text"]
AssetId = Annotated[str, Field(max_length=64)]


class AssetQuery(Body):
    """An asset: what is like it."""

    asset: AssetId


class Mixed(Body):
    """An asset or words, and how much they count in the sum; negative subtracts."""

    asset: AssetId | None = None
    text: Words | None = None
    weight: float = Field(default=1.0, ge=-10, le=10)

    @model_validator(mode="after")
    def _one_kind(self) -> "Mixed":
        if (self.asset is None) is (self.text is None):
            raise ValueError("give either asset or text")
        return self


class FilterIn(Body):
    """Which assets are looked at."""

    store: str | None = Field(default=None, max_length=64, description="A vector store.")
    assets: list[AssetId] | None = Field(default=None, max_length=1024)
    media_types: list[Annotated[str, Field(max_length=128)]] | None = Field(
        default=None, min_length=1, max_length=32
    )
    origin: Literal["upload", "step"] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    min_score: float | None = Field(default=None, ge=-1, le=1)

    def plain(self) -> SearchFilter:
        """The same as a parameter of the tool."""
        values = self.model_dump(exclude={"created_after", "created_before"})
        times = {
            name: moment.timestamp()
            for name in ("created_after", "created_before")
            if (moment := getattr(self, name)) is not None
        }
        return SearchFilter(**values, **times)


class SearchIn(Body):
    """What to look for: exactly one of `query` and `mix`."""

    query: (
        Annotated[str, Field(min_length=1, max_length=65_536)]
        | AssetQuery
        | Annotated[list[GivenPart], Field(min_length=1, max_length=16)]
        | None
    ) = Field(default=None, description="Words, an asset, or content parts that are added up.")
    mix: list[Mixed] | None = Field(default=None, min_length=1, max_length=16)
    modalities: list[Searched] = Field(
        default_factory=list, max_length=4, description="Default: pictures, sounds and videos."
    )
    filter: FilterIn = Field(default_factory=FilterIn)
    limit: int = Field(default=10, ge=1, le=50)

    @model_validator(mode="after")
    def _one_kind(self) -> "SearchIn":
        if (self.query is None) is (self.mix is None):
            raise ValueError("give either query or mix")
        return self


class Span(Out):
    """A stretch of a sound or video, in seconds."""

    start: float
    end: float


class HitOut(Out):
    """Something that was found."""

    score: float = Field(description="Cosine to what was looked for.")
    asset: AssetOut
    span: Span | None = Field(default=None, description="Null: the whole asset.")


class SearchOut(Out):
    """What was found, best first."""

    object: Literal["search.result"] = "search.result"
    job: str
    data: list[HitOut]


_ANSWERS = {
    202: {"model": JobOut, "description": "Not done yet: the job"},
    **documented(400, 404, 413, 415, 422, 429, 503, 504, 507),
}


@router.post("", response_model=SearchOut, responses=_ANSWERS)
async def search(
    body: SearchIn, request: Request, here: Here, tenant: Tenant, prefer: Prefer = None
) -> Response:
    """Finds assets that are near to words, to another asset, or to a sum of these.

    A search is a job. It is waited for, 30 s or as `Prefer: wait=N` says; after that, or with
    `Prefer: respond-async`, the answer is 202 with the job, whose hits are then at
    `/v1/search/{job}`.
    """
    call = await run_in_threadpool(_call, here, tenant, body)
    job = await run_in_threadpool(calls.submit, here, calls.Sender(tenant=tenant), call)
    asked = wait_of(prefer)
    patience = 0 if prefer and "respond-async" in prefer else WAIT_S if asked is None else asked
    await stream.wait_for_end(here, tenant, job, patience)
    return await run_in_threadpool(_answer, here, tenant, job)


@router.get("/{job_id}", response_model=SearchOut, responses=_ANSWERS)
def get_search(job_id: str, here: Here, tenant: Tenant) -> Response:
    """The hits of a search, or its job while it runs."""
    return _answer(here, tenant, job_id)


def _call(here: Service, tenant: str, body: SearchIn) -> calls.Call:
    wanted: list[Weighed] = []
    if isinstance(body.query, str):
        wanted = [Weighed(part=TextPart(text=body.query))]
    elif isinstance(body.query, AssetQuery):
        asset = found(here, tenant, body.query.asset, "query/asset")
        wanted = [Weighed(part=as_part(asset))]
    for place, given in enumerate(body.query if isinstance(body.query, list) else ()):
        wanted.append(Weighed(part=part_of(here, tenant, given, f"query/{place}")))
    for place, item in enumerate(body.mix or ()):
        if item.asset is not None:
            asset = found(here, tenant, item.asset, f"mix/{place}/asset")
            wanted.append(Weighed(part=as_part(asset), weight=item.weight))
        else:
            wanted.append(Weighed(part=TextPart(text=item.text or ""), weight=item.weight))
    return search_call(
        "search",
        wanted,
        limit=body.limit,
        modalities=body.modalities,
        among=body.filter.plain(),
    )


def _answer(here: Service, tenant: str, job: str) -> Response:
    view = calls.load(here, tenant, job)
    if not any(step.id == "hits" and step.tool == "search" for step in view.steps):
        raise NotFound("search", job)
    if not view.ended:
        headers = {"Location": f"/v1/search/{job}", "Medley-Job-Id": job, "Retry-After": "1"}
        return answer(views.job(view), 202, headers)
    calls.check(view)
    made = _out(here, tenant, view)
    headers = calls.headers_of(view)
    return Response(made.model_dump_json(), headers=headers, media_type="application/json")


def _out(here: Service, tenant: str, view: JobView) -> SearchOut:
    data = [
        HitOut(score=hit.score, asset=AssetOut.of(hit.asset)) for hit in hits(here, tenant, view)
    ]
    return SearchOut(job=view.id, data=data)
