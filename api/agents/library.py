"""Assets as resources, and saved workflows as prompts; both paged, newest first."""

import base64
import json
import re
from collections.abc import Sequence
from typing import TypeVar

from mcp import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
)
from starlette.concurrency import run_in_threadpool

from api.agents.caller import Caller
from api.agents.media import SCHEME
from api.agents.results import describe, link_to
from medley.errors import NotFound, TooLarge
from medley.modality import Modality
from orchestrator import asset_rows, workflows
from orchestrator.asset_rows import Asset
from orchestrator.workflows import Saved

PAGE = 50
MAX_BLOB = 16 << 20  #: bytes of a resource that is read through a message
_CURSOR = re.compile(r"(asset|wf)_[0-9a-f]{32}")
Item = TypeVar("Item", Asset, Saved)


async def list_resources(
    caller: Caller, params: PaginatedRequestParams | None
) -> ListResourcesResult:
    """A page of the tenant's assets."""
    caller.require_reading()

    def load() -> list[Asset]:
        with caller.here.db.connect() as conn:
            return asset_rows.list_assets(
                conn, caller.tenant, after=_cursor(params), limit=PAGE + 1
            )

    shown, more = _page(await run_in_threadpool(load))
    return ListResourcesResult(
        resources=[_resource(asset) for asset in shown], next_cursor=more, cache_scope="private"
    )


async def list_templates(
    caller: Caller, params: PaginatedRequestParams | None
) -> ListResourceTemplatesResult:
    """How assets are addressed."""
    del caller, params
    about = "The bytes of an asset: an upload, or what a job made."
    template = ResourceTemplate(name="asset", uri_template=SCHEME + "{id}", description=about)
    return ListResourceTemplatesResult(resource_templates=[template])


async def read_resource(caller: Caller, params: ReadResourceRequestParams) -> ReadResourceResult:
    """The bytes of an asset. Raises `NotFound`, and `TooLarge` with the address to use instead."""
    caller.require_reading()
    uri = str(params.uri)

    def read() -> tuple[Asset, bytes]:
        if not uri.startswith(SCHEME):
            raise NotFound("resource", uri[:200])
        with caller.here.db.connect() as conn:
            asset = asset_rows.get(conn, caller.tenant, uri.removeprefix(SCHEME))
        if asset.size > MAX_BLOB:
            url = caller.link(f"/v1/assets/{asset.id}/content")
            raise TooLarge(f"{asset.id} has {asset.size} bytes; fetch it from {url}.")
        return asset, caller.here.carrier.bytes_of(caller.tenant, asset)

    asset, data = await run_in_threadpool(read)
    blob = base64.b64encode(data).decode()
    contents = BlobResourceContents(uri=uri, blob=blob, mime_type=asset.media_type)
    return ReadResourceResult(contents=[contents], cache_scope="private", ttl_ms=3_600_000)


async def list_prompts(caller: Caller, params: PaginatedRequestParams | None) -> ListPromptsResult:
    """A page of the tenant's workflows."""
    caller.require_reading()

    def load() -> list[Saved]:
        with caller.here.db.connect() as conn:
            return workflows.list_workflows(
                conn, caller.tenant, limit=PAGE + 1, after=_cursor(params)
            )

    shown, more = _page(await run_in_threadpool(load))
    return ListPromptsResult(prompts=[_prompt(saved) for saved in shown], next_cursor=more)


async def get_prompt(caller: Caller, params: GetPromptRequestParams) -> GetPromptResult:
    """The request to run a workflow with these inputs. Raises `NotFound`."""
    caller.require_reading()

    def load() -> tuple[Saved, dict[str, Asset]]:
        with caller.here.db.connect() as conn:
            saved = workflows.find(conn, caller.tenant, params.name)
            named = _assets_of(saved, params.arguments or {})
            return saved, asset_rows.get_many(conn, caller.tenant, list(named))

    saved, assets = await run_in_threadpool(load)
    given = params.arguments or {}
    unknown = sorted(given.keys() - saved.document.inputs.keys())
    missing = [
        name
        for name, port in saved.document.inputs.items()
        if port.required and port.default is None and name not in given
    ]
    if unknown or missing:
        raise MCPError(
            INVALID_PARAMS,
            f"{params.name} takes {', '.join(saved.document.inputs) or 'no inputs'}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}.",
        )
    call = json.dumps({"workflow": params.name, "inputs": given}, ensure_ascii=False)
    words = f"Run the saved workflow {saved.document.name!r} with the tool run_workflow: {call}"
    messages = [PromptMessage(role="user", content=TextContent(text=words))]
    messages += [PromptMessage(role="user", content=link_to(item)) for item in assets.values()]
    return GetPromptResult(description=saved.document.about or None, messages=messages)


def _assets_of(saved: Saved, given: dict[str, str]) -> dict[str, str]:
    """Ids of the assets among the arguments, and which argument each is."""
    return {
        value.removeprefix(SCHEME): name
        for name, value in given.items()
        if name in saved.document.inputs
        and saved.document.inputs[name].modality != Modality.TEXT
        and value.startswith((SCHEME, "asset_"))
    }


def _prompt(saved: Saved) -> Prompt:
    document = saved.document
    return Prompt(
        name=saved.id,
        title=document.name,
        description=document.about or f"Runs the workflow {document.name!r}.",
        arguments=[
            PromptArgument(
                name=name,
                description=f"{port.modality}{' list' if port.many else ''}. {port.about}".strip(),
                required=port.required and port.default is None,
            )
            for name, port in document.inputs.items()
        ],
    )


def _resource(asset: Asset) -> Resource:
    return Resource(
        name=asset.origin.get("name") or asset.id,
        uri=SCHEME + asset.id,
        mime_type=asset.media_type,
        size=asset.size if asset.origin.get("kind") != "step" else None,  # its recipe is added
        description=describe(asset),
    )


def _cursor(params: PaginatedRequestParams | None) -> str | None:
    found = params.cursor if params is not None else None
    if found is not None and not _CURSOR.fullmatch(found):
        raise MCPError(INVALID_PARAMS, "This is no cursor of this list.")
    return found


def _page(found: Sequence[Item]) -> tuple[Sequence[Item], str | None]:
    """The items to show, and the cursor of what comes after them."""
    shown = found[:PAGE]
    return shown, shown[-1].id if len(found) > PAGE else None
