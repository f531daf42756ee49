"""Provenance: how a file came to be, by our own rows, by its recipe, by its credentials."""

import time
from contextlib import ExitStack
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from api.incoming import SentFile, media_type_of, read_form, read_raw
from api.problems import ApiError
from api.schemas.common import documented
from api.schemas.provenance import (
    AssetNode,
    C2paResult,
    GoneNode,
    LineageEdge,
    Provenance,
    ProvenanceCheck,
    RecipeRead,
    StepNode,
)
from api.schemas.requests import JobIn
from api.state import Here, Service, Tenant
from api.strict_json import StrictRoute, loads
from medley.media import credentials
from medley.media.probe import probe
from medley.media.sandboxed import in_sandbox
from medley.recipe import MAX_NOTES, NoRecipe, Recipe
from orchestrator import asset_rows, recipes
from orchestrator.lineage import Lineage, lineage, step_name
from orchestrator.recipes import Restored

router = APIRouter(prefix="/v1", tags=["provenance"], route_class=StrictRoute)
MAX_BYTES = 512 << 20  #: of a file that is only looked into
_BYTES: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FORM: dict[str, Any] = {
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "properties": {"file": {"type": "string", "format": "binary"}},
            "required": ["file"],
        }
    }
}


@router.get("/assets/{asset_id}/provenance", responses=documented(404))
def get_provenance(asset_id: str, here: Here, tenant: Tenant) -> Provenance:
    """How an asset was made: its recipe, and the graph of files and steps back to the uploads.

    The graph goes through all jobs of the caller and is of bounded size.
    """
    with here.db.connect() as conn:
        asset = asset_rows.get(conn, tenant, asset_id)
        recipe = recipes.recipe_of(conn, tenant, asset, here.rules.models)
        found = lineage(conn, tenant, asset)
    return Provenance(
        asset=asset.id,
        sha256=asset.sha256,
        recipe=recipe,
        nodes=_nodes(found),
        edges=[
            LineageEdge.model_validate({"from": source, "to": to})
            for source, to in sorted(found.edges)
        ],
        truncated=found.truncated,
    )


@router.post(
    "/recipes/read",
    responses=documented(400, 413, 415, 422, 503, 507),
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/octet-stream": _BYTES, **_FORM}}
    },
)
async def read_recipe(request: Request, here: Here, tenant: Tenant) -> RecipeRead:
    """Reads how a file was made from the file itself, and says what can be asked for here.

    The file is not kept. Nothing runs: what comes back is a body for `POST /v1/jobs`, in which
    files are named that this caller has, found by their hash.
    """
    with ExitStack() as left:
        sent = await _one_file(request, here, left)
        return await run_in_threadpool(_read, here, tenant, sent)


@router.post(
    "/content_provenance_checks",
    response_model_exclude_none=True,
    responses=documented(400, 413, 415, 422, 501, 503, 507),
    openapi_extra={"requestBody": {"required": True, "content": _FORM}},
)
async def check_content_provenance(request: Request, here: Here, tenant: Tenant) -> ProvenanceCheck:
    """Reads the content credentials (C2PA) of a picture, sound or video. The file is not kept."""
    del tenant
    credentials.require()
    with ExitStack() as left:
        sent = await _one_file(request, here, left)
        return await run_in_threadpool(_check, here, sent)


async def _one_file(request: Request, here: Service, left: ExitStack) -> SentFile:
    kind = media_type_of(request)
    if kind in ("application/json", "application/x-www-form-urlencoded"):
        raise ApiError(415, "unsupported_media", "Send the file itself, or multipart/form-data.")
    limit = min(MAX_BYTES, here.limits.max_bytes)
    if kind != "multipart/form-data":
        return await read_raw(request, here.store, limit, left)
    files = (await read_form(request, here.store, limit, left)).files
    if len(files) != 1:
        raise ApiError(400, "bad_form", f"The form has {len(files)} files; send one.")
    return files[0]


def _read(here: Service, tenant: str, sent: SentFile) -> RecipeRead:
    _, notes = in_sandbox("notes", sent.received.path, here.limits)
    recipe = recipe_in(notes)
    with here.db.connect() as conn:
        found = recipes.restore(conn, tenant, recipe, here.rules.models)
    return _shown(recipe, found)


def recipe_in(notes: bytes) -> Recipe:
    """The recipe that stands in a file's notes. Raises `NoRecipe`."""
    if not notes:
        raise NoRecipe("The file carries no recipe of Medley.")
    if len(notes) > MAX_NOTES:
        raise NoRecipe(f"The file carries {len(notes)} bytes of notes; a recipe is shorter.")
    try:
        return Recipe.model_validate(loads(notes))
    except ApiError as error:
        raise NoRecipe(f"What the file carries is no recipe: {error.detail}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/".join(str(part) for part in first["loc"])
        raise NoRecipe(f"What the file carries is no recipe: {place}: {first['msg']}") from None


def _shown(recipe: Recipe, found: Restored) -> RecipeRead:
    notes = list(found.notes)
    job = None
    if found.plan is not None and found.plan.steps:
        job = _body({"plan": found.plan.to_json()}, notes)
    request = _body(found.request, notes) if found.request else None
    return RecipeRead(
        recipe=recipe,
        asset=found.asset,
        ready=job is not None and not found.missing,
        missing=found.missing,
        notes=notes,
        job=job,
        request=request,
    )


def _body(body: dict[str, Any], notes: list[str]) -> dict[str, Any] | None:
    """The body, if it could be one of a job. What a recipe says, the gate has not seen yet."""
    try:
        JobIn.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        notes.append(f"The recipe cannot be asked for here: {first['msg']}")
        return None
    return body


def _check(here: Service, sent: SentFile) -> ProvenanceCheck:
    facts = probe(sent.received.path, here.limits)
    found = credentials.read_credentials(sent.received.path, facts.media_type)
    result = C2paResult(outcome="not_detected", validation_state="not_present")
    if found is not None:
        holds = found.state in ("trusted", "valid")
        result = C2paResult(
            outcome="detected" if holds and found.generated else "not_detected",
            validation_state=found.state,  # type: ignore[arg-type]
            issuer=found.issuer,
            generated_at=found.generated_at,
            model=found.model,
        )
    return ProvenanceCheck(created_at=int(time.time()), results=[result])


def _nodes(found: Lineage) -> list[AssetNode | StepNode | GoneNode]:
    nodes: list[AssetNode | StepNode | GoneNode] = [
        AssetNode(
            id=asset.id,
            modality=asset.modality.value,
            media_type=asset.media_type,
            sha256=asset.sha256,
            origin="step" if asset.origin.get("kind") == "step" else "upload",
            name=asset.origin.get("name") or None,
            created_at=asset.created_at,
        )
        for asset in found.assets.values()
    ]
    for (job, step), row in found.steps.items():
        ran = (row["usage"] or {}).get("model")
        nodes.append(
            StepNode(
                id=step_name(job, step),
                job=job,
                step=step,
                tool=row["tool"],
                model=ran or row["model"],
                seed=row["seed"] or None,
                params=row["params"],
                status=row["status"],
                completed_at=row["finished_at"],
            )
        )
    return [*nodes, *(GoneNode(id=name) for name in sorted(found.gone))]
