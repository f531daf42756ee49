"""Routes of OpenAI's that are not offered: they say so, instead of an unnamed 404."""

from fastapi import APIRouter, Request

from api.problems import UNSUPPORTED_ROOMS, ApiError

router = APIRouter(include_in_schema=False)
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def unsupported(request: Request) -> None:
    """Raises 404 `unsupported_endpoint`."""
    reason = f"{request.url.path} is not offered here; see docs/openai.md for what is."
    raise ApiError(404, "unsupported_endpoint", reason)


for _room in sorted(UNSUPPORTED_ROOMS):
    for _path in (f"/v1/{_room}", f"/v1/{_room}/{{rest:path}}"):
        router.add_api_route(_path, unsupported, methods=_METHODS)
router.add_api_route("/v1/images/variations", unsupported, methods=["POST"])
router.add_api_route("/v1/responses/compact", unsupported, methods=["POST"])
router.add_api_route("/v1/chat/completions", unsupported, methods=["GET"])
router.add_api_route("/v1/chat/completions/{rest:path}", unsupported, methods=_METHODS)
for _path in ("file_batches", "file_batches/{rest:path}", "files/{file_id}/content"):
    _inside = f"/v1/vector_stores/{{store_id}}/{_path}"
    router.add_api_route(_inside, unsupported, methods=_METHODS)
router.add_api_route("/v1/vector_stores/{store_id}/files/{file_id}", unsupported, methods=["POST"])
for _path in ("remix", "edits", "extensions", "characters"):
    router.add_api_route(f"/v1/videos/{_path}", unsupported, methods=["POST"])
router.add_api_route("/v1/videos/{video_id}/remix", unsupported, methods=["POST"])
