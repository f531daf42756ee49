"""What can be asked of a service: every method once, for threads and for event loops."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2

from medley.client.asset import AssetHandle
from medley.client.calls import TRANSFER_S, Call, Flow, connection
from medley.client.errors import Refused
from medley.client.files import Given, parts, upload, values
from medley.client.job import JobHandle
from medley.client.operation import operation
from medley.errors import Unavailable

J = TypeVar("J", bound=JobHandle[Any])
A = TypeVar("A", bound=AssetHandle)
_NONE: Mapping[str, Any] = {}
_PAGE = 100


class Rooms(Generic[J, A]):
    """The operations. They raise `Refused` and its kinds, or `Unavailable` when nobody answers."""

    _job: type[J]
    _asset: type[A]

    def __init__(self, url: str, api_key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self._api_key = api_key

    def call(
        self, method: str, path: str, body: Any = None, *, files: Sequence[Any] = (), **more: Any
    ) -> Call:
        """A request that gives JSON."""
        patience = {"patience_s": TRANSFER_S} if files else {}
        return Call(method=method, path=path, body=body, files=files, **{**patience, **more})

    @operation
    def run(
        self,
        /,
        words: str,
        files: Sequence[Given] = (),
        *,
        outputs: Sequence[str] = (),
        instructions: str | None = None,
        conversation: str | None = None,
        options: Mapping[str, Any] = _NONE,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> Flow[J]:
        """Has a free request done: words, and paths, bytes or assets that they are about.

        `outputs`: modalities that are wanted. `options`: `seed`, `approve`, `best_of`, `models` …;
        `more`: `parent`, `priority`, `metadata`. A lost answer is asked for again, never a second
        job.
        """
        body, uploads = _request(words, files, outputs, instructions, conversation, options, more)
        return (yield from self._submit("/v1/jobs", body, uploads, idempotency_key))

    @operation
    def run_plan(
        self,
        /,
        plan: Mapping[str, Any],
        *,
        options: Mapping[str, Any] = _NONE,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> Flow[J]:
        """Has exactly this plan run. Raises `Invalid` with every fault."""
        body = {"plan": dict(plan), "options": dict(options), **more}
        return (yield from self._submit("/v1/jobs", body, [], idempotency_key))

    @operation
    def run_workflow(
        self,
        /,
        workflow: str | Mapping[str, Any],
        inputs: Mapping[str, Any] = _NONE,
        *,
        options: Mapping[str, Any] = _NONE,
        idempotency_key: str | None = None,
        **more: Any,
    ) -> Flow[J]:
        """Runs a saved workflow (`wf_…`, `wf_…@2`) or a document. Inputs: words, paths, bytes,
        assets, or lists of these.
        """
        given, uploads = values(inputs)
        named = workflow if isinstance(workflow, str) else dict(workflow)
        body = {"workflow": named, "inputs": given, "options": dict(options), **more}
        return (yield from self._submit("/v1/jobs", body, uploads, idempotency_key))

    @operation
    def plan(
        self,
        /,
        words: str,
        files: Sequence[Given] = (),
        *,
        outputs: Sequence[str] = (),
        instructions: str | None = None,
        conversation: str | None = None,
        options: Mapping[str, Any] = _NONE,
        **more: Any,
    ) -> Flow[dict[str, Any]]:
        """The checked `plan` of a request and its `estimate`, without running anything."""
        body, uploads = _request(words, files, outputs, instructions, conversation, options, more)
        call = self.call("POST", "/v1/plans", body, files=uploads, patience_s=TRANSFER_S)
        return (yield from _json(call))

    @operation
    def job(self, job_id: str) -> Flow[J]:
        """A job as it stands."""
        found = yield self.call("GET", f"/v1/jobs/{_quoted(job_id)}", safe=True)
        return self._job(self, found.json())

    @operation
    def jobs(self, /, limit: int = 20, **filters: Any) -> Flow[list[J]]:
        """The newest jobs; filters: `status`, `workflow`, `conversation`."""
        rows = yield from self._pages("/v1/jobs", limit, filters)
        return [self._job(self, row) for row in rows]

    @operation
    def upload(self, file: Given, name: str | None = None) -> Flow[A]:
        """Sends a file; gives the asset that it became. Equal bytes are the same asset."""
        files = [upload(file, "file", name)]
        found = yield self.call("POST", "/v1/assets", files=files, safe=True)
        return self._asset(self, found.json())

    @operation
    def read_recipe(self, file: Given) -> Flow[dict[str, Any]]:
        """What a produced file says about how it was made, and what can be asked for here."""
        files = [upload(file, "file")]
        found = yield self.call("POST", "/v1/recipes/read", files=files, safe=True)
        data: dict[str, Any] = found.json()
        return data

    @operation
    def asset(self, asset_id: str) -> Flow[A]:
        """An asset by its id."""
        found = yield self.call("GET", f"/v1/assets/{_quoted(asset_id)}", safe=True)
        return self._asset(self, found.json())

    @operation
    def assets(self, limit: int = 20, *, modality: str | None = None) -> Flow[list[A]]:
        """The newest assets."""
        rows = yield from self._pages("/v1/assets", limit, {"modality": modality})
        return [self._asset(self, row) for row in rows]

    @operation
    def download(self, path: str, choose: Callable[[str], Path]) -> Flow[Path]:
        """Writes what is at this path of the service to the file that `choose` gives for its media
        type. A broken download leaves nothing behind.
        """
        chosen: list[Path] = []

        def into(media_type: str) -> Path:
            chosen[:] = chosen or [choose(media_type)]
            return chosen[0]

        yield Call(method="GET", path=path, safe=True, patience_s=TRANSFER_S, into=into)
        return chosen[0]

    @operation
    def search(
        self, query: Given, *, modalities: Sequence[str] = (), limit: int = 5
    ) -> Flow[list[tuple[A, float]]]:
        """The assets nearest to words, or to an asset, with their cosine similarity in [-1, 1].

        Words are words here, also if they name a file: upload a file to search with it.
        """
        sought = {"asset": query.id} if isinstance(query, AssetHandle) else str(query)
        body = {"query": sought, "modalities": list(modalities), "limit": limit}
        wait = {"Prefer": "wait=60"}  # looking twice is the same as looking once
        call = self.call("POST", "/v1/search", body, headers=wait, safe=True, patience_s=90.0)
        answer = yield call
        found = answer.json()
        if answer.status_code == 202:
            raise Unavailable(f"No worker has searched in time; {found['id']} goes on.")
        return [(self._asset(self, hit["asset"]), float(hit["score"])) for hit in found["data"]]

    @operation
    def workflows(self, limit: int = 100) -> Flow[list[dict[str, Any]]]:
        """The saved workflows, newest first."""
        return (yield from self._pages("/v1/workflows", limit, {}))

    @operation
    def save_workflow(self, document: Mapping[str, Any]) -> Flow[dict[str, Any]]:
        """Keeps a workflow, if it can be run. Raises `Invalid` with every fault."""
        return (yield from _json(self.call("POST", "/v1/workflows", dict(document))))

    @operation
    def models(self, /, **filters: Any) -> Flow[list[dict[str, Any]]]:
        """Every known model; filters: `tool`, `serving`, `system`."""
        return (yield from self._pages("/v1/models", 100_000, filters, page=1000))

    @operation
    def tools(self) -> Flow[list[dict[str, Any]]]:
        """What plans may use: ports, parameters, and whether a worker serves it now."""
        found = yield from _json(self.call("GET", "/v1/tools", safe=True))
        return list(found["data"])

    @operation
    def system(self) -> Flow[dict[str, Any]]:
        """Workers, lanes, open jobs and versions."""
        return (yield from _json(self.call("GET", "/v1/system", safe=True)))

    @operation
    def alive(self) -> Flow[bool]:
        """Whether a service answers here."""
        return (yield from self._answers("/healthz"))

    @operation
    def ready(self) -> Flow[bool]:
        """Whether the service can take jobs: its database and migrations are there."""
        return (yield from self._answers("/readyz"))

    @operation
    def get(self, /, path: str, **params: Any) -> Flow[dict[str, Any]]:
        """Reads what has no method of its own; parameters that are None are left out."""
        return (yield from _json(self.call("GET", path, params=params, safe=True)))

    @operation
    def post(self, path: str, body: Any = None) -> Flow[dict[str, Any]]:
        """Sends JSON."""
        return (yield from _json(self.call("POST", path, {} if body is None else body)))

    @operation
    def put(self, path: str, body: Any) -> Flow[dict[str, Any]]:
        """Sets what is there."""
        return (yield from _json(self.call("PUT", path, body)))

    @operation
    def patch(self, path: str, body: Any) -> Flow[dict[str, Any]]:
        """Changes what is there."""
        return (yield from _json(self.call("PATCH", path, body)))

    @operation
    def delete(self, path: str) -> Flow[None]:
        """Removes what is there."""
        yield self.call("DELETE", path)

    def peek(self, path: str, most: int) -> bytes | None:
        """The bytes at a path, or None when there are more than `most` or nobody answers. Blocks,
        whichever client this is: a notebook shows things where nothing can be awaited.
        """
        try:
            with (
                httpx2.Client(**connection(self.url, self._api_key), timeout=60.0) as http,
                http.stream("GET", path) as response,
            ):
                size = response.headers.get("content-length", "")
                if response.status_code != 200 or not size.isdigit() or int(size) > most:
                    return None
                return response.read()
        except httpx2.TransportError:
            return None

    def _submit(
        self,
        path: str,
        body: Mapping[str, Any],
        files: Sequence[Any],
        key: str | None,
    ) -> Flow[J]:
        headers = {"Idempotency-Key": key or uuid.uuid4().hex}
        call = self.call("POST", path, body, files=files, headers=headers, safe=True)
        return self._job(self, (yield call).json())

    def _pages(
        self, path: str, limit: int, filters: Mapping[str, Any], page: int = _PAGE
    ) -> Flow[list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        after = None
        while len(rows) < limit:
            params = {**filters, "limit": min(page, limit - len(rows)), "after": after}
            found = yield from _json(self.call("GET", path, params=params, safe=True))
            rows += found["data"]
            after = found.get("last_id")
            if not found.get("has_more") or after is None:
                break
        return rows

    def _answers(self, path: str) -> Flow[bool]:
        call = Call(method="GET", path=path, attempts=1, patience_s=2.0)
        try:
            yield call
        except (Refused, Unavailable):
            return False
        return True


def _json(call: Call) -> Flow[dict[str, Any]]:
    answer = yield call
    found: dict[str, Any] = answer.json() if answer.content else {}
    return found


def _request(
    words: str,
    files: Sequence[Given],
    outputs: Sequence[str],
    instructions: str | None,
    conversation: str | None,
    options: Mapping[str, Any],
    more: Mapping[str, Any],
) -> tuple[dict[str, Any], list[Any]]:
    said, uploads = parts(words, files)
    given = {"instructions": instructions, "conversation": conversation, **more}
    body = {
        "input": said or words,
        "outputs": [str(item) for item in outputs],
        "options": dict(options),
        **{name: value for name, value in given.items() if value is not None},
    }
    return body, uploads


def _quoted(name: str) -> str:
    return quote(name, safe="")
