"""Requests in OpenAI's form on their way in, and the shapes of what goes out."""

from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel

from api import orders, stream
from api.incoming import media_type_of
from api.openai.faults import wrong
from api.problems import ApiError
from api.strict_json import loads

Model = TypeVar("Model", bound=BaseModel)
MAX_INLINE = 48 << 20  #: bytes of a JSON body with media in it

PLAIN: dict[str, Any] = {
    "description": "As OpenAI writes it",
    "content": {"application/json": {"schema": {"type": "object"}}},
}
#: A route whose 200 is an object or a stream.
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The object, or with `stream` its events",
        "content": {**PLAIN["content"], **stream.DOCUMENTED},
    }
}


def body_schema(model: str) -> dict[str, Any]:
    """`openapi_extra` of a route whose body is read here."""
    reference = {"$ref": f"#/components/schemas/{model}"}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}
    }


async def read_body(request: Request, model: type[Model]) -> Model:
    """The JSON body. Raises `ApiError` 400, 413, 415, and `RequestValidationError`."""
    kind = media_type_of(request)
    if not (kind == "application/json" or kind.endswith("+json")):
        raise ApiError(415, "unsupported_media", "Send application/json.")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_INLINE:
            reason = f"A body may have {MAX_INLINE} bytes; upload large files first."
            raise ApiError(413, "too_large", reason)
    return orders.parse(model, loads(bytes(raw)))


def page_of(
    found: Sequence[dict[str, Any]], limit: int, after: str | None, *, newest: bool
) -> dict[str, Any]:
    """One page of a list that is here as a whole, oldest first. Raises `BadParameter`."""
    ordered = list(reversed(found)) if newest else list(found)
    if after is not None:
        names = [item["id"] for item in ordered]
        if after not in names:
            raise wrong("query/after", "There is no such item in this list.")
        ordered = ordered[names.index(after) + 1 :]
    shown = ordered[:limit]
    return {
        "object": "list",
        "data": shown,
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": len(ordered) > limit,
    }
