"""From an HTTP request to an order: JSON or a form with files, then a job in one transaction."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from api import hooks, links, places, tracing, views
from api.attached import Attached, Judged
from api.incoming import Sent, SentFile, media_type_of, read_form
from api.problems import ApiError
from api.schemas.jobs import JobOut
from api.schemas.requests import (
    AssetIn,
    FileIn,
    InputIn,
    JobIn,
    PartIn,
    RunIn,
    TextIn,
    UrlIn,
)
from api.state import Service
from api.strict_json import MAX_BYTES, check_text, loads
from medley.errors import NotFound
from medley.parts import AssetPart, Part, TextPart
from orchestrator import asset_rows, idempotency, intake, jobs, waiting, workflows
from orchestrator.asset_rows import Asset
from orchestrator.assets import Received, take_in
from orchestrator.order import InvalidRequest, Order

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A job that was accepted, as its first request was shown it."""

    job: JobOut
    replayed: bool


async def read_order(
    request: Request, here: Service, tenant: str, model: type[Model], key: str | None = None
) -> tuple[Model, list[Judged]]:
    """The request's body, and its files, sent or fetched, which are kept by then.

    Raises what reading raises, what fetching raises, and `RequestValidationError`.
    """
    body, files = await _read(request, here, model)
    named = links.links_of(body)
    if named and not await run_in_threadpool(_is_answered, here, tenant, key):
        try:
            files = [*files, *await links.bring(here, named)]
        except BaseException:
            links.drop(here, files)
            raise
    return body, files


async def _read(request: Request, here: Service, model: type[Model]) -> tuple[Model, list[Judged]]:
    kind = media_type_of(request)
    if kind == "multipart/form-data":
        with ExitStack() as left:
            sent = await read_form(request, here.store, here.limits.max_bytes, left)
            body = parse(model, _document(sent, free="input" in model.model_fields))
            files = [await run_in_threadpool(_judge, here, file) for file in sent.files]
            left.pop_all()  # all of them are kept now
        return body, files
    if _is_json(kind):
        return parse(model, loads(await _bounded(request))), []
    raise ApiError(415, "unsupported_media", "Send application/json or multipart/form-data.")


async def read_json(request: Request) -> Any:
    """The request's body, strictly read. Raises `ApiError`."""
    if not _is_json(media_type_of(request)):
        raise ApiError(415, "unsupported_media", "Send application/json.")
    return loads(await _bounded(request))


async def read_big_json(request: Request, most: int) -> Any:
    """The same for a body that may carry media as base64, of at most so many bytes."""
    if not _is_json(media_type_of(request)):
        raise ApiError(415, "unsupported_media", "Send application/json or a form.")
    return loads(await _bounded(request, most))


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def parse(model: type[Model], data: Any, *, strict: bool | None = None) -> Model:
    """The body as a model. `strict=False`: of a form, where numbers are words.

    Raises `RequestValidationError`, which names each wrong place.
    """
    try:
        return model.model_validate(data, strict=strict)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        wrong = [{**item, "loc": ("body", *places.place(item["loc"]))} for item in found]
        raise RequestValidationError(places.deepest(wrong)) from None


def accept(
    here: Service, tenant: str, body: JobIn, files: Sequence[Judged], key: str | None
) -> Accepted:
    """Makes the job, or finds the one that the same request made before.

    Raises `QueueFull`, `QuotaExceeded`, `IdempotencyMismatch`, `InvalidRequest`, `InvalidPlan`,
    `NotFound`, `UrlRefused`.
    """
    key = own_key(here, key)
    hook = hooks.of_job(here, body)
    with here.entering(bytes_of(files)) as conn:
        if key is not None:
            kept = idempotency.claim(conn, tenant, key, _fingerprint(body, files))
            if kept is not None:
                return Accepted(job=JobOut.model_validate(kept.response), replayed=True)
        grant = here.admission.check(conn)
        assets = register(conn, tenant, files, here.caller.key)
        here.admission.check_bytes(conn)
        asked_for = order(conn, tenant, body, files, assets)
        job_id = intake.submit(conn, replace(asked_for, grant=grant, webhook=hook), here.rules)
        tracing.belongs_to(conn, job_id)
        shown = views.job(jobs.get(conn, tenant, job_id))
        if key is not None:
            idempotency.keep(conn, tenant, key, 202, shown.model_dump(mode="json"))
    here.changed(job_id)
    return Accepted(job=shown, replayed=False)


def bytes_of(files: Sequence[Judged]) -> list[Received]:
    """Their bytes."""
    return [file.sent.received for file in files]


def _fingerprint(body: BaseModel, files: Sequence[Judged]) -> str:
    """What is asked for. Of a URL its name counts, and not what it gave this time."""
    asked = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    sent = [file.sent.received.sha256 for file in files if file.sent.link is None]
    return idempotency.fingerprint(asked, sent)


def _is_answered(here: Service, tenant: str, key: str | None) -> bool:
    """Whether nothing needs to be fetched, because the first answer will be given again."""
    own = own_key(here, key)
    if own is None:
        return False
    with here.db.connect() as conn:
        return idempotency.answered(conn, tenant, own)


def register(
    conn: Connection, tenant: str, files: Sequence[Judged], key: str | None = None
) -> list[Asset]:
    """Writes the rows of kept files, in order; `key` brought them."""
    return [
        asset_rows.register(conn, tenant, file.sent.received, file.facts, file.origin, key)
        for file in files
    ]


def order(
    conn: Connection, tenant: str, body: JobIn, files: Sequence[Judged], assets: Sequence[Asset]
) -> Order:
    """What the body asks for, with its files as assets. Raises `InvalidRequest`, `NotFound`."""
    attached = Attached(files, assets)
    saved = None
    document = body.workflow
    if isinstance(document, str):
        saved = workflows.find(conn, tenant, document)
        document = saved.document
    values = {
        name: [attached.value(f"/inputs/{name}", item) for item in value]
        if isinstance(value, list)
        else attached.value(f"/inputs/{name}", value)
        for name, value in body.inputs.items()
    }
    if document is not None:
        values |= attached.by_field(document.inputs)
    parts = _parts(conn, tenant, body.input, attached)
    return Order(
        tenant=tenant,
        parts=parts,
        instructions=body.instructions or "",
        outputs=body.outputs,
        workflow=document if not isinstance(document, str) else None,
        workflow_id=saved.id if saved else None,
        workflow_version=saved.version if saved else None,
        values=values,
        plan=body.plan,
        conversation=body.conversation,
        parent=body.parent,
        options=body.options.model_dump(mode="json", exclude_none=True),
        priority=body.priority,
        metadata=body.metadata,
    )


def job_of_run(workflow: str, run: RunIn) -> JobIn:
    """A run of a saved workflow as a job."""
    return JobIn(
        workflow=workflow,
        inputs=run.inputs,
        options=run.options,
        priority=run.priority,
        metadata=run.metadata,
        webhook=run.webhook,
        webhook_events=run.webhook_events,
        webhook_secret=run.webhook_secret,
    )


def give_input(
    here: Service, tenant: str, job_id: str, body: InputIn, files: Sequence[Judged]
) -> JobOut:
    """Answers the question of a waiting job. Raises `NotFound`, `Conflict`, `InvalidRequest`."""
    with here.entering(bytes_of(files)) as conn:
        attached = Attached(files, register(conn, tenant, files, here.caller.key))
        here.admission.check_bytes(conn)
        parts = _parts(conn, tenant, body.input, attached)
        waiting.give_input(conn, tenant, job_id, parts)
        shown = views.job(jobs.get(conn, tenant, job_id))
    here.changed(job_id)
    return shown


def _parts(
    conn: Connection,
    tenant: str,
    given: str | list[PartIn] | None,
    attached: Attached,
) -> list[Part]:
    if given is None:
        return []
    if isinstance(given, str):
        given = [TextIn(type="text", text=given)] if given.strip() else []
    parts: list[Part] = []
    for place, item in enumerate(given):
        match item:
            case TextIn(text=text):
                parts.append(TextPart(text=text))
            case AssetIn(asset=asset):
                parts.append(_asset_part(_asset(conn, tenant, asset, f"/input/{place}/asset")))
            case FileIn(file=name):
                parts.append(_asset_part(attached.find(f"/input/{place}/file", name)))
            case UrlIn(url=url):
                parts.append(_asset_part(attached.linked(url)))
    return [*parts, *(_asset_part(asset) for asset in attached.rest())]


def _asset(conn: Connection, tenant: str, asset_id: str, at: str) -> Asset:
    try:
        return asset_rows.get(conn, tenant, asset_id)
    except NotFound as error:
        fault = {"pointer": at, "reason": error.message}
        raise InvalidRequest(f"{at}: {error.message}", errors=[fault]) from None


def _asset_part(asset: Asset) -> AssetPart:
    return AssetPart(asset=asset.id, modality=asset.modality, media_type=asset.media_type)


def _judge(here: Service, file: SentFile) -> Judged:
    return Judged(sent=file, facts=take_in(here.store, file.received, here.limits))


def _document(sent: Sent, *, free: bool) -> Any:
    """The JSON of a form: its field `request`, with words from a plain field `input`."""
    fields = {**sent.fields, **{f"{name}[]": "" for name in sent.lists}}
    data = loads(fields.pop("request", "{}"))
    words = fields.pop("input", None) if free else None
    if fields:
        known = "The plain fields of this form are `request` (JSON) and `input` (words)."
        raise ApiError(400, "bad_form", f"There is no field {next(iter(fields))!r}. {known}")
    if isinstance(data, dict):
        if words is not None:
            data.setdefault("input", words)
        elif free and sent.files and not {"input", "workflow", "plan"} & data.keys():
            data["input"] = ""
    return data


async def _bounded(request: Request, most: int = MAX_BYTES) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > most:
            raise ApiError(413, "too_large", f"JSON bodies may have {most} bytes.")
    return bytes(raw)


def own_key(here: Service, key: str | None) -> str | None:
    """Two keys of a tenant may use the same Idempotency-Key."""
    return key if key is None or here.caller.key is None else f"{here.caller.key} {key}"


def idempotency_key(given: str | None) -> str | None:
    """The header's value. Raises `ApiError` 400 when it cannot be one."""
    if given is None:
        return None
    if not 1 <= len(given) <= idempotency.MAX_KEY or not given.isprintable():
        raise ApiError(
            400, "bad_idempotency_key", f"An Idempotency-Key has 1 to {idempotency.MAX_KEY} signs."
        )
    check_text(given)
    return given
