"""The OpenAPI document: what FastAPI derives, plus bodies that are read by hand and the error that
any route may give.
"""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from api import problems
from api.auth import COOKIE
from api.doors import Door, need
from api.openai.chat_request import ChatIn
from api.openai.response_request import Counted, ResponseIn
from api.schemas.assets import FetchIn
from api.schemas.requests import InputIn, JobIn, RunIn
from medley.settings import Settings

FILE = Path(__file__).parent / "openapi.json"
REFUSALS = (401, 403, 429)
_REF = "#/components/schemas/{model}"
_ABOUT = """Words, pictures, sound and video in; a checked, durable plan; the same kinds out.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Every answer carries
`x-request-id`. As soon as there is a key, callers send one.
"""
_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "mk_…"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
}


def install(app: FastAPI) -> None:
    """Replaces the document's maker; the document is made once, when it is first asked for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def build(app: FastAPI) -> dict[str, Any]:
    """The document of the application."""
    found = get_openapi(title=app.title, version=app.version, description=_ABOUT, routes=app.routes)
    schemas = found["components"]["schemas"]
    chats = (ResponseIn, Counted, ChatIn)
    for model in (JobIn, InputIn, RunIn, FetchIn, *chats, problems.Problem):
        _add(schemas, model)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    found["components"]["securitySchemes"] = _SCHEMES
    found["components"]["responses"] = _refusals()
    found["security"] = [{name: []} for name in _SCHEMES]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            given = operation["responses"]
            if problems.is_openai(path) and "422" in given:  # a wrong value is a 400 there
                given["400"] = given.pop("422")
            operation["responses"] = _responses(given, problems.media_type(path))
            if need(method.upper(), path) is Door.OPEN:
                operation["security"] = []
                continue
            for status in REFUSALS:
                name = f"{status}-openai" if problems.is_openai(path) else f"{status}"
                reference = {"$ref": f"#/components/responses/{name}"}
                operation["responses"].setdefault(str(status), reference)
    return found


def _refusals() -> dict[str, Any]:
    """What every closed door may answer, in the form of its address."""
    problem = {"schema": {"$ref": _REF.format(model="Problem")}}
    return {
        f"{status}{suffix}": {
            "description": problems.code_of(status).replace("_", " ").capitalize(),
            "content": {media_type: problem},
        }
        for status in REFUSALS
        for suffix, media_type in (("", problems.MEDIA_TYPE), ("-openai", "application/json"))
    }


def _add(schemas: dict[str, Any], model: type[BaseModel]) -> None:
    own = model.model_json_schema(ref_template=_REF, by_alias=True)
    for name, schema in own.pop("$defs", {}).items():
        schemas.setdefault(name, schema)
    schemas[model.__name__] = own


def _responses(responses: dict[str, Any], media_type: str) -> dict[str, Any]:
    """Errors are problems, whatever FastAPI thought of them; `default` stands for those of any
    route.
    """
    problem = {"schema": {"$ref": _REF.format(model="Problem")}}
    done: dict[str, Any] = {}
    for status, response in responses.items():
        if status.isdigit() and int(status) >= 400 and not _is_own(response):
            described = response.get("description", "Error")
            if described == "Validation Error":
                described = "Invalid request"
            done[status] = {"description": described, "content": {media_type: problem}}
        else:
            done[status] = response
    done["default"] = {"description": "Any other error", "content": {media_type: problem}}
    return done


def _is_own(response: dict[str, Any]) -> bool:
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return str(schema.get("$ref", "")).endswith("/Health")


def text() -> str:
    """The document as it is committed: the same on every machine."""
    from api.main import create_app

    settings = Settings(database_url="postgresql://", redis_url="redis://", test_tools=False)
    return json.dumps(create_app(settings).openapi(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
