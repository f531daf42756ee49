"""What callers of OpenAI's routes send: JSON, or forms whose values are strings.

A member that is not declared is refused by name; one that is only accepted says so.
"""

from contextlib import ExitStack
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from api import orders
from api.attached import Judged
from api.incoming import SentFile, media_type_of, read_form
from api.openai.calls import Refused
from api.problems import ApiError
from api.schemas.common import Call
from api.state import Service
from medley.errors import CallerError
from orchestrator.asset_rows import Asset
from orchestrator.assets import take_in

Model = TypeVar("Model", bound=BaseModel)
MAX_JSON = 64 << 20  #: bytes of a JSON body, which may carry pictures as base64
Ignored = Annotated[Any, Field(default=None, description="Accepted and ignored.")]
FileId = Annotated[str, Field(max_length=64)]


class Asked(Call):
    """The body of a call."""


async def read_fields(
    request: Request, here: Service, model: type[Model], left: ExitStack
) -> tuple[Model, list[SentFile]]:
    """A form: its fields as the model, its files not yet judged. A field `name[]` is a list.

    Raises `RequestValidationError`, `ApiError`; see `read_form` for `left`.
    """
    if media_type_of(request) != "multipart/form-data":
        raise ApiError(415, "unsupported_media", "Send multipart/form-data.")
    sent = await read_form(request, here.store, here.limits.max_bytes, left)
    fields: dict[str, Any] = dict(sent.fields)
    for name, values in sent.lists.items():
        fields.setdefault(name, values)
    for name in [name for name in fields if name.endswith("]") and "[" in name]:
        outer, _, inner = name[:-1].partition("[")
        inside = fields.setdefault(outer, {})
        if isinstance(inside, dict):
            inside[inner] = fields.pop(name)
    return orders.parse(model, fields, strict=False), sent.files


async def judged(here: Service, files: list[SentFile], left: ExitStack) -> list[Judged]:
    """The files of a form as what they are; they are kept from then on.

    Raises `Refused`, which names the field of a file that cannot be used.
    """
    found = [await run_in_threadpool(_judge, here, file) for file in files]
    left.pop_all()
    return found


def kept(here: Service, tenant: str, judged: list[Judged]) -> list[Asset]:
    """The rows of these files, in order. Raises `QuotaExceeded`."""
    with here.entering(orders.bytes_of(judged)) as conn:
        found = orders.register(conn, tenant, judged, here.caller.key)
        here.admission.check_bytes(conn)
    return found


def one_file(files: list[SentFile], *fields: str, required: bool = True) -> SentFile | None:
    """The file of this field. Raises `Refused` when it is missing or there are several."""
    found = [file for file in files if file.field.removesuffix("[]") in fields]
    if len(found) > 1:
        raise Refused(fields[0], f"{len(found)} files came; one is taken.")
    if not found and required:
        raise Refused(fields[0], "There is no file in this field of the form.")
    return found[0] if found else None


def some_files(files: list[SentFile], field: str, most: int) -> list[SentFile]:
    """The files of this field, in order. Raises `Refused` when there is none or too many."""
    found = [file for file in files if file.field.removesuffix("[]") == field]
    if len(found) > most:
        raise Refused(field, f"{len(found)} files came; up to {most} are taken.")
    if not found:
        raise Refused(field, "There is no file in this field of the form.")
    return found


def only_fields(files: list[SentFile], *fields: str) -> None:
    """Raises `Refused` for a file in any other field."""
    for file in files:
        if file.field.removesuffix("[]") not in fields:
            raise Refused(file.field or "file", "There is no such field for a file.")


def form_of(model: type[BaseModel], **files: str) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a form: the fields of the model, and files."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    properties = dict(schema.get("properties", {}))
    for name, about in files.items():
        properties[name] = {"type": "string", "format": "binary", "description": about}
    form = {"type": "object", "properties": properties, "required": schema.get("required", [])}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}}}


def _judge(here: Service, file: SentFile) -> Judged:
    try:
        return Judged(sent=file, facts=take_in(here.store, file.received, here.limits))
    except CallerError as error:
        raise Refused(file.field.removesuffix("[]") or "file", error.message) from None
