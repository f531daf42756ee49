"""The web page: the files of `api/page/`, served from the root with a policy that lets them load
nothing else.
"""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).parent / "page"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class _Files(StaticFiles):
    """Files with the policy. Validators make reloading cheap."""

    async def get_response(self, path: str, scope: object) -> Response:
        """One file, or 304."""
        reply = await super().get_response(path, scope)  # type: ignore[arg-type]
        reply.headers.update(HEADERS)
        return reply


def addresses(folder: Path = FOLDER) -> frozenset[str]:
    """Where the page's files are; folders end with a slash."""
    if not folder.is_dir():
        return frozenset()
    names = (f"/{entry.name}{'/' if entry.is_dir() else ''}" for entry in folder.iterdir())
    return frozenset(names) | {"/"}


def install(app: FastAPI, folder: Path = FOLDER) -> None:
    """Adds a route for each file at the top and each folder: unknown paths stay unknown."""
    if not folder.is_dir():
        return
    install_docs(app)
    files = _Files(directory=folder)
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            app.mount(f"/{entry.name}", _Files(directory=entry), name=f"page-{entry.name}")
        elif entry.name == "index.html":
            _add(app, files, "/", entry.name)
        else:
            _add(app, files, f"/{entry.name}", entry.name)


def install_docs(app: FastAPI) -> None:
    """`/docs`: Swagger UI over the OpenAPI document, from our own files: it works offline."""

    async def docs(request: Request) -> Response:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "/openapi.json",
            title=f"{app.title} API",
            swagger_js_url="/vendor/swagger-ui-bundle.js",
            swagger_css_url="/vendor/swagger-ui.css",
            swagger_favicon_url="/icon.svg",
        )

    app.add_route("/docs", docs, methods=["GET"], include_in_schema=False)


def _add(app: FastAPI, files: _Files, path: str, name: str) -> None:
    async def serve(request: Request) -> Response:
        return await files.get_response(name, request.scope)

    app.add_route(path, serve, methods=["GET", "HEAD"], include_in_schema=False)
