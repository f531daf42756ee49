"""Assets: bytes in, bytes out."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse

from api import downloads, links, orders
from api.incoming import SentFile, media_type_of, read_form, read_raw
from api.problems import ApiError
from api.schemas.assets import PICTURED, AssetOut, FetchIn, UseOut, use
from api.schemas.common import Page, documented, id_after, page
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute
from medley.media.facts import Facts
from medley.media.thumbnail import thumbnail
from medley.modality import Modality
from orchestrator import asset_rows, asset_use
from orchestrator.asset_rows import Asset, Origin
from orchestrator.assets import take_in
from orchestrator.paging import Order

router = APIRouter(prefix="/v1/assets", tags=["assets"], route_class=StrictRoute)
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One file as the body (name in `X-Filename`), a form with files, or a URL.",
        "content": {
            "application/octet-stream": _BYTES,
            "application/json": {"schema": {"$ref": "#/components/schemas/FetchIn"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}
WithRecipe = Annotated[
    bool, Query(description="With the recipe inside, where it was made here and can carry one.")
]
_REFUSED = documented(400, 413, 415, 422, 503, 507)


@router.post(
    "",
    status_code=201,
    response_model=AssetOut | Page[AssetOut],
    responses={
        200: {"model": AssetOut | Page[AssetOut], "description": "Was here already"},
        **_REFUSED,
    },
    openapi_extra=_UPLOAD,
)
async def upload_asset(request: Request, here: Here, tenant: Tenant) -> Response:
    """Takes a file, or the files of a form. What it is, is decided by decoding it."""
    return await _upload(request, here, tenant)


@router.put(
    "",
    status_code=201,
    response_model=AssetOut | Page[AssetOut],
    responses={
        200: {"model": AssetOut | Page[AssetOut], "description": "Was here already"},
        **_REFUSED,
    },
    openapi_extra=_UPLOAD,
)
async def put_asset(request: Request, here: Here, tenant: Tenant) -> Response:
    """The same as POST, for clients that send files with PUT."""
    return await _upload(request, here, tenant)


async def _upload(request: Request, here: Service, tenant: str) -> Response:
    kind = media_type_of(request)
    if kind == "application/x-www-form-urlencoded":
        raise ApiError(415, "unsupported_media", "Send the file itself, or multipart/form-data.")
    if kind == "application/json":
        wanted = orders.parse(FetchIn, await orders.read_json(request))
        taken = [await links.take_link(here, tenant, wanted.url, name=wanted.name)]
        return _taken(taken)
    with ExitStack() as left:
        if kind == "multipart/form-data":
            sent = (await read_form(request, here.store, here.limits.max_bytes, left)).files
        else:
            sent = [await read_raw(request, here.store, here.limits.max_bytes, left)]
        if not sent:
            raise ApiError(400, "bad_form", "There is no file in this form.")
        facts = [await run_in_threadpool(_judge, here, file) for file in sent]
        left.pop_all()
        taken = await run_in_threadpool(_enter, here, tenant, sent, facts)
    return _taken(taken)


def _taken(taken: Sequence[tuple[Asset, bool]]) -> Response:
    shown = [AssetOut.of(asset) for asset, _ in taken]
    fresh = any(new for _, new in taken)
    body = shown[0] if len(shown) == 1 else page(shown, len(shown))
    headers = {"Location": shown[0].urls.self} if len(shown) == 1 else {}
    return JSONResponse(body.model_dump(mode="json"), 201 if fresh else 200, headers=headers)


@router.get("", responses=documented(422))
def list_assets(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, id_after("asset")] = None,
    order: Order = Order.DESC,
    modality: Annotated[
        list[Modality] | None, Query(max_length=16, description="One or more of them.")
    ] = None,
    origin: Annotated[Origin | None, Query(description="Uploaded, or made by a step.")] = None,
) -> Page[AssetOut]:
    """Assets by age, newest first."""
    with here.db.connect() as conn:
        found = asset_rows.list_assets(
            conn,
            tenant,
            modalities=modality or (),
            origin=origin,
            after=after,
            limit=limit + 1,
            newest_first=order is Order.DESC,
        )
    return page([AssetOut.of(asset) for asset in found], limit)


@router.get("/{asset_id}", responses=documented(404))
def get_asset(asset_id: str, here: Here, tenant: Tenant) -> AssetOut:
    """One asset."""
    return AssetOut.of(_get(here, tenant, asset_id))


@router.head(
    "/{asset_id}/content",
    response_class=Response,
    responses={
        200: {"description": "There"},
        206: {"description": "There"},
        **documented(404, 422),
    },
)
def head_content(
    asset_id: str, request: Request, here: Here, tenant: Tenant, recipe: WithRecipe = False
) -> Response:
    """The headers of the bytes."""
    return get_content(asset_id, request, here, tenant, recipe)


@router.get(
    "/{asset_id}/content",
    response_class=Response,
    responses={
        200: {"description": "The bytes", "content": {"*/*": _BYTES}},
        206: {"description": "A part of the bytes", "content": {"*/*": _BYTES}},
        304: {"description": "Not modified"},
        **documented(400, 404, 416, 422),
    },
)
def get_content(
    asset_id: str, request: Request, here: Here, tenant: Tenant, recipe: WithRecipe = False
) -> Response:
    """The bytes. Takes `Range`, `If-Range` and `If-None-Match`.

    As they are stored, of the asset's `sha256`; with `recipe=true` another representation with its
    own ETag: a file that was made here says how, and is signed where a certificate is set. An
    upload is never changed.
    """
    asset = _get(here, tenant, asset_id)
    name = downloads.file_name(asset.origin.get("name") or "", asset.id, asset.media_type)
    carried = here.carrier.of(tenant, asset) if recipe else None
    return downloads.content(
        request,
        carried.path if carried else here.store.path(asset.sha256),
        sha256=carried.sha256 if carried else asset.sha256,
        media_type=asset.media_type,
        name=name,
        forever=not recipe,
    )


@router.get(
    "/{asset_id}/thumbnail",
    response_class=Response,
    responses={
        200: {"description": "A small picture", "content": {"image/webp": _BYTES}},
        304: {"description": "Not modified"},
        **documented(404, 422),
    },
)
def get_thumbnail(
    asset_id: str,
    request: Request,
    here: Here,
    tenant: Tenant,
    w: Annotated[int, Query(ge=16, le=1024, description="Width in pixels.")] = 256,
) -> Response:
    """A small WebP picture of a picture, a sound or a video."""
    asset = _get(here, tenant, asset_id)
    if asset.modality not in PICTURED:
        raise ApiError(404, "no_thumbnail", f"There is no thumbnail of {asset.modality}.")
    etag = f'"{asset.sha256[:32]}-{w}"'
    headers = {**downloads.GUARD, "ETag": etag, "Cache-Control": downloads.FOREVER}
    if downloads.matches(request.headers.get("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    path = here.store.path(asset.sha256)
    picture = thumbnail(path, asset.modality, asset.media_type, width=w)
    return Response(picture, media_type="image/webp", headers=headers)


@router.get("/{asset_id}/uses", responses=documented(404))
def list_uses(asset_id: str, here: Here, tenant: Tenant) -> Page[UseOut]:
    """What names this asset, and so keeps it from being deleted: at most 100 of them."""
    with here.db.connect() as conn:
        found = [use(item) for item in asset_use.uses(conn, tenant, asset_id)]
    return page(found, len(found))


@router.delete("/{asset_id}", status_code=204, responses=documented(404, 409))
def delete_asset(asset_id: str, here: Here, tenant: Tenant) -> None:
    """Deletes an asset that no job, message or workflow names."""
    with here.db.begin() as conn:
        asset_use.let_go(conn, tenant, asset_id)
        asset_rows.remove(conn, tenant, asset_id)
    # The bytes go with the next sweep: another upload of the same bytes may be on its way.


def _get(here: Service, tenant: str, asset_id: str) -> Asset:
    with here.db.connect() as conn:
        return asset_rows.get(conn, tenant, asset_id)


def _judge(here: Service, file: SentFile) -> Facts:
    return take_in(here.store, file.received, here.limits)


def _enter(
    here: Service, tenant: str, sent: Sequence[SentFile], facts: Sequence[Facts]
) -> list[tuple[Asset, bool]]:
    """Registers all files of a request, or none."""
    with here.entering(file.received for file in sent) as conn:
        taken = []
        for file, found in zip(sent, facts, strict=True):
            origin = {"kind": "upload", "name": file.name}
            key = here.caller.key
            taken.append(asset_rows.register_new(conn, tenant, file.received, found, origin, key))
        here.admission.check_bytes(conn)
        return taken
