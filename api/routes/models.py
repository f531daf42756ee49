"""Models: every one that is known, and whether it serves here."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Response

from api import views
from api.openai.aliases import aliases_by_model, model_behind
from api.routes.jobs import answer
from api.schemas.common import Page, documented, page
from api.schemas.jobs import JobOut
from api.schemas.models import ModelOut
from api.state import Here, Service, Tenant
from medley.errors import NotFound
from orchestrator import engine, jobs, overview
from orchestrator.database import raw
from orchestrator.shelf import Shelf
from orchestrator.upkeep import Action, upkeep_job

router = APIRouter(prefix="/v1/models", tags=["tools and models"])


@router.get("", responses=documented(404, 422))
def list_models(
    here: Here,
    tenant: Tenant,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    after: Annotated[str | None, Query(max_length=256)] = None,
    tool: Annotated[str | None, Query(max_length=64, description="It serves this tool.")] = None,
    serving: Annotated[bool | None, Query(description="Plans here may use it.")] = None,
    system: Annotated[
        str | None, Query(max_length=120, description="A system of the literature, such as CLIP.")
    ] = None,
) -> Page[ModelOut]:
    """All known models: first those of this installation, then the others, each by id."""
    del tenant
    shelf = _shelf(here)
    found = shelf.find(tool=tool, serving=serving, system=system)
    if after is not None:
        places = [spec.id for spec in found]
        if after not in places:
            raise NotFound("model", after)
        found = found[places.index(after) + 1 :]
    names = aliases_by_model(here.rules)
    shown = [ModelOut(**shelf.show(spec), aliases=names.get(spec.id, [])) for spec in found[:limit]]
    return page(shown, limit).model_copy(update={"has_more": len(found) > limit})


@router.get("/{model:path}", responses=documented(404))
def get_model(model: str, here: Here, tenant: Tenant) -> ModelOut:
    """One model; its id may contain slashes. A name of OpenAI's leads to what serves it here."""
    del tenant
    shelf = _shelf(here)
    behind = model_behind(here.rules, model)
    spec = shelf.get(behind or model)
    if spec is None:
        raise NotFound("model", model)
    names = aliases_by_model(here.rules).get(spec.id, [])
    shown = {**shelf.show(spec), "aliases": names}
    return ModelOut(**shown | ({"id": model, "root": spec.id} if behind else {}))


@router.post(
    "/{model:path}/load",
    status_code=202,
    response_model=JobOut,
    responses=documented(404, 422, 429),
)
def load_model(
    model: str,
    here: Here,
    tenant: Tenant,
    workers: Annotated[
        int, Query(ge=1, le=64, description="So many worker processes hold it then.")
    ] = 1,
) -> Response:
    """Brings a model into the memory of a worker: a job that can be followed and canceled."""
    return _upkeep(here, tenant, "load", model, workers)


@router.post(
    "/{model:path}/unload",
    status_code=202,
    response_model=JobOut,
    responses=documented(404, 422, 429),
)
def unload_model(model: str, here: Here, tenant: Tenant) -> Response:
    """Frees the memory that a model takes in each worker that holds it, as a job. Where none does,
    the job has succeeded at once.
    """
    return _upkeep(here, tenant, "unload", model)


def _upkeep(here: Service, tenant: str, action: Action, model: str, wanted: int = 1) -> Response:
    spec = here.rules.models.get(model)
    if spec is None:
        raise NotFound("model", model)
    with here.db.begin() as conn:
        grant = here.admission.check(conn)
        states = overview.model_states(conn).get(model, {})
        live = [worker for worker in overview.list_workers(conn) if worker.live]
        job = upkeep_job(tenant, action, spec, here.rules.tools, states, live, wanted)
        engine.submit(raw(conn), replace(job, key=grant.key))
    here.changed(job.id)
    with here.db.connect() as conn:
        view = jobs.get(conn, tenant, job.id)
    headers = {"Location": f"/v1/jobs/{job.id}", "Medley-Job-Id": job.id}
    return answer(views.job(view), 202, headers)


def _shelf(here: Service) -> Shelf:
    with here.db.connect() as conn:
        states = overview.model_states(conn)
        workers = [item for item in overview.list_workers(conn) if item.live]
    return Shelf(
        known=here.rules.known,
        serving=here.rules.models,
        tools=here.rules.tools,
        settings=here.settings,
        states=states,
        workers=workers,
    )
