"""`/v1/vector_stores`: named sets of files that are searched by meaning. `vs_assets` is the set of
all assets of the tenant.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.openai import calls
from api.openai.bodies import Asked, FileId, Ignored
from api.openai.files import FileOut, unix
from api.schemas.common import Metadata, Out, Page, documented, id_after, page
from api.searching import Hit, Weighed, hits, search_call
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.media.words import read_words
from medley.modality import Modality
from medley.parts import TextPart
from medley.toolset.space import SearchFilter
from orchestrator import stores
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/vector_stores", tags=["openai"], route_class=StrictRoute)
_EXCERPT = 2000  # characters of a text file in a hit
Attributes = Annotated[
    dict[
        Annotated[str, Field(max_length=64)],
        Annotated[str, Field(max_length=512)] | bool | float,
    ],
    Field(max_length=16),
]
Question = Annotated[str, Field(min_length=1, max_length=65_536)]


class StoreIn(Asked):
    """A new set of files."""

    name: str = Field(default="", max_length=256)
    file_ids: list[FileId] = Field(default_factory=list, max_length=500)
    metadata: Metadata | None = None
    description: Ignored = None
    chunking_strategy: Ignored = None


class StoreChange(Asked):
    """What changes."""

    name: str | None = Field(default=None, max_length=256)
    metadata: Metadata | None = None


class StoreFileIn(Asked):
    """A file to put into a set."""

    file_id: FileId
    attributes: Attributes | None = None
    chunking_strategy: Ignored = None


class Ranking(Asked):
    """Which hits count."""

    score_threshold: float = Field(default=-1.0, ge=-1, le=1, description="Least cosine.")
    ranker: Ignored = None


class StoreSearchIn(Asked):
    """What to look for in a set."""

    query: Question | Annotated[list[Question], Field(min_length=1, max_length=16)] = Field(
        description="Several are added up."
    )
    max_num_results: int = Field(default=10, ge=1, le=50)
    filters: dict[str, Any] | None = Field(
        default=None, description="Over attributes: comparisons, and `and`/`or` of them."
    )
    ranking_options: Ranking = Field(default_factory=Ranking)
    rewrite_query: Ignored = None


class FileCounts(Out):
    """All files of a set are ready; what nobody embedded yet is embedded by its first search."""

    completed: int
    total: int
    in_progress: int = 0
    failed: int = 0
    cancelled: int = 0


class StoreOut(Out):
    """A set of files."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    name: str
    status: Literal["completed"] = "completed"
    usage_bytes: int
    file_counts: FileCounts
    created_at: int
    last_active_at: int
    metadata: dict[str, str]

    @classmethod
    def of(cls, store: stores.Store) -> "StoreOut":
        """The view of a stored one."""
        return cls(
            id=store.id,
            name=store.name,
            usage_bytes=store.bytes,
            file_counts=FileCounts(completed=store.files, total=store.files),
            created_at=unix(store.created_at),
            last_active_at=unix(store.last_active_at),
            metadata=dict(store.metadata),
        )


class StoreFileOut(Out):
    """A file in a set."""

    id: str
    object: Literal["vector_store.file"] = "vector_store.file"
    vector_store_id: str
    status: Literal["completed"] = "completed"
    usage_bytes: int
    created_at: int
    attributes: dict[str, Any]
    last_error: None = None

    @classmethod
    def of(cls, store: str, file: stores.StoredFile) -> "StoreFileOut":
        """The view of a stored one."""
        return cls(
            id=file.asset,
            vector_store_id=store,
            usage_bytes=file.size,
            created_at=unix(file.created_at),
            attributes=dict(file.attributes),
        )


class StoreDeleted(Out):
    """A set that is gone."""

    id: str
    object: Literal["vector_store.deleted"] = "vector_store.deleted"
    deleted: Literal[True] = True


class StoreFileDeleted(Out):
    """A file that is no longer in a set."""

    id: str
    object: Literal["vector_store.file.deleted"] = "vector_store.file.deleted"
    deleted: Literal[True] = True


class Excerpt(Out):
    """What a file says, or what it is called."""

    type: Literal["text"] = "text"
    text: str


class StoreHit(Out):
    """A file that was found."""

    file_id: str
    filename: str
    score: float
    attributes: dict[str, Any]
    content: list[Excerpt]
    modality: Modality


class StoreHits(Out):
    """What was found, best first."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: list[str]
    data: list[StoreHit]
    has_more: Literal[False] = False
    next_page: None = None
    job: str


Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("", responses=documented(400, 404, 413, 415))
def create_vector_store(body: StoreIn, here: Here, tenant: Tenant) -> StoreOut:
    """Makes a set of files."""
    with here.db.begin() as conn:
        made = stores.create(conn, tenant, body.name, body.metadata or {})
        for file in body.file_ids:
            stores.add_file(conn, tenant, made, file, {})
        return StoreOut.of(stores.get(conn, tenant, made))


@router.get("", responses=documented(400))
def list_vector_stores(
    here: Here,
    tenant: Tenant,
    limit: Limit = 20,
    after: Annotated[str | None, id_after("vs")] = None,
    order: Order = Order.DESC,
) -> Page[StoreOut]:
    """Sets by age, newest first. `vs_assets`, the set of all assets, is not among them."""
    newest = order is Order.DESC
    with here.db.connect() as conn:
        found = stores.list_stores(conn, tenant, limit=limit + 1, after=after, newest_first=newest)
    return page([StoreOut.of(item) for item in found], limit)


@router.get("/{store_id}", responses=documented(404))
def get_vector_store(store_id: str, here: Here, tenant: Tenant) -> StoreOut:
    """One set."""
    with here.db.connect() as conn:
        return StoreOut.of(stores.get(conn, tenant, store_id))


@router.post("/{store_id}", responses=documented(400, 404, 409, 413, 415))
def change_vector_store(store_id: str, body: StoreChange, here: Here, tenant: Tenant) -> StoreOut:
    """Gives a set another name or other metadata."""
    with here.db.begin() as conn:
        return StoreOut.of(stores.change(conn, tenant, store_id, body.name, body.metadata))


@router.delete("/{store_id}", responses=documented(404, 409))
def delete_vector_store(store_id: str, here: Here, tenant: Tenant) -> StoreDeleted:
    """Forgets a set; its files stay."""
    with here.db.begin() as conn:
        stores.remove(conn, tenant, store_id)
    return StoreDeleted(id=store_id)


@router.post("/{store_id}/files", responses=documented(400, 404, 409, 413, 415))
def add_vector_store_file(
    store_id: str, body: StoreFileIn, here: Here, tenant: Tenant
) -> StoreFileOut:
    """Puts a file into a set."""
    with here.db.begin() as conn:
        file = stores.add_file(conn, tenant, store_id, body.file_id, body.attributes or {})
    return StoreFileOut.of(store_id, file)


@router.get("/{store_id}/files", responses=documented(400, 404))
def list_vector_store_files(
    store_id: str,
    here: Here,
    tenant: Tenant,
    limit: Limit = 20,
    after: Annotated[str | None, id_after("asset")] = None,
    order: Order = Order.DESC,
) -> Page[StoreFileOut]:
    """The files of a set."""
    newest = order is Order.DESC
    with here.db.connect() as conn:
        found = stores.list_files(
            conn, tenant, store_id, limit=limit + 1, after=after, newest_first=newest
        )
    return page([StoreFileOut.of(store_id, file) for file in found], limit)


@router.get("/{store_id}/files/{file_id}", responses=documented(404))
def get_vector_store_file(store_id: str, file_id: str, here: Here, tenant: Tenant) -> StoreFileOut:
    """A file in a set."""
    with here.db.connect() as conn:
        return StoreFileOut.of(store_id, stores.get_file(conn, tenant, store_id, file_id))


@router.delete("/{store_id}/files/{file_id}", responses=documented(404, 409))
def remove_vector_store_file(
    store_id: str, file_id: str, here: Here, tenant: Tenant
) -> StoreFileDeleted:
    """Takes a file out of a set; the file stays."""
    with here.db.begin() as conn:
        stores.remove_file(conn, tenant, store_id, file_id)
    return StoreFileDeleted(id=file_id)


@router.post(
    "/{store_id}/search",
    response_model=StoreHits,
    responses=documented(400, 404, 413, 415, 429, 503, 504),
)
async def search_vector_store(
    store_id: str, body: StoreSearchIn, request: Request, here: Here, tenant: Tenant
) -> Response:
    """Finds the files of a set that are nearest in meaning: words, pictures, sounds and videos."""
    await run_in_threadpool(get_vector_store, store_id, here, tenant)
    asked = [body.query] if isinstance(body.query, str) else body.query
    call = search_call(
        "vector_stores.search",
        [Weighed(part=TextPart(text=text)) for text in asked],
        limit=body.max_num_results,
        modalities=["image", "audio", "video", "text"],
        among=SearchFilter(
            store=store_id,
            attributes=body.filters,
            min_score=body.ranking_options.score_threshold,
        ),
    )
    view = await calls.run(request, here, calls.Sender(tenant=tenant), call)
    data = await run_in_threadpool(
        lambda: [_hit(here, tenant, store_id, hit) for hit in hits(here, tenant, view)]
    )
    made = StoreHits(search_query=asked, data=data, job=view.id)
    headers = calls.headers_of(view)
    return Response(made.model_dump_json(), headers=headers, media_type="application/json")


def _hit(here: Service, tenant: str, store: str, hit: Hit) -> StoreHit:
    asset, file = hit.asset, FileOut.of(hit.asset)
    if asset.modality is Modality.TEXT:
        text = read_words(here.store.path(asset.sha256))[:_EXCERPT]
    else:
        text = str(asset.origin.get("words") or file.filename)
    with here.db.connect() as conn:
        attributes = stores.attributes(conn, store, asset.id)
    return StoreHit(
        file_id=asset.id,
        filename=file.filename,
        score=hit.score,
        attributes=attributes,
        content=[Excerpt(text=text)],
        modality=asset.modality,
    )
