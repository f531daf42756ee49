"""Handles of jobs: following, answering and stopping them, and how a notebook shows them."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar
from urllib.parse import quote

from medley.client.asset import Asset, AssetHandle, AsyncAsset, Handle
from medley.client.calls import Flow
from medley.client.errors import JobFailed
from medley.client.events import Event
from medley.client.files import Given, parts
from medley.client.operation import Async, Sync, operation
from medley.status import TERMINAL_JOB, JobStatus

if TYPE_CHECKING:
    from medley.client import AsyncMedley, Medley
    from medley.client.view import JobView

A = TypeVar("A", bound=AssetHandle)
Step = Callable[[Event], None]


class JobHandle(Handle, Generic[A]):
    """A job as it was read last."""

    _asset: type[A]

    @property
    def status(self) -> str:
        """`queued`, `running`, `waiting`, `canceling`, `succeeded`, `failed`, `canceled` …"""
        return str(self.data["status"])

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in TERMINAL_JOB

    @property
    def progress(self) -> float:
        """How far it is, in [0, 1]."""
        return float((self.data.get("progress") or {}).get("value", 0.0))

    @property
    def answer(self) -> str | None:
        """The reply in words; without a reply, the words among the outputs."""
        said = (self.data.get("answer") or {}).get("text")
        texts = [item["text"] for item in self.data.get("outputs") or () if item.get("text")]
        return said or "\n".join(texts) or None

    @property
    def assets(self) -> list[A]:
        """What it made and shows: pictures, sounds, videos, each once."""
        found = {
            item["asset"]: {
                "id": item["asset"],
                "modality": item["type"],
                "media_type": item.get("content_type") or "application/octet-stream",
                "name": item.get("name"),
            }
            for item in reversed(self.data.get("outputs") or [])
            if item.get("asset")
        }
        return [self._asset(self._client, data) for data in reversed(found.values())]

    @property
    def asset(self) -> A:
        """The first of what it made. Raises `JobFailed` when there is none."""
        found = self.assets
        if not found:
            raise JobFailed(self)
        return found[0]

    @property
    def question(self) -> str | None:
        """What a waiting job asks; answer it with `reply`."""
        return (self.data.get("waiting_for") or {}).get("question")

    @property
    def plan(self) -> dict[str, Any] | None:
        """Its graph as it stands."""
        return self.data.get("plan")

    @property
    def error(self) -> dict[str, Any] | None:
        """Why it failed: `code`, `message`, and `errors` for each place."""
        return self.data.get("error")

    @property
    def url(self) -> str:
        """Its place in the page."""
        return f"{self._client.url}{(self.data.get('urls') or {}).get('ui', '')}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status}>"

    @operation
    def refresh(self) -> Flow[Self]:
        """Reads it again."""
        return (yield from self._read("GET", ""))

    @operation
    def cancel(self) -> Flow[Self]:
        """Asks it to stop. Asking again, or asking a job that has ended, changes nothing."""
        return (yield from self._read("POST", "/cancel", safe=True))

    @operation
    def approve(self, plan: Mapping[str, Any] | None = None) -> Flow[Self]:
        """Lets it go on with its plan, or with this one. Raises `Conflicting`, `Invalid`."""
        body = {} if plan is None else {"plan": dict(plan)}
        return (yield from self._read("POST", "/approve", body))

    @operation
    def reply(self, words: str = "", files: Sequence[Given] = ()) -> Flow[Self]:
        """Answers its question. Raises `Conflicting` when it asks nothing."""
        said, uploads = parts(words, files)
        return (yield from self._read("POST", "/input", {"input": said}, files=uploads))

    @operation
    def retry(
        self, start: str = "failed", overrides: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Flow[Self]:
        """A new job from its failed steps, or from a step on; what succeeded is kept."""
        body = {"from": start, "overrides": dict(overrides or {})}
        found = yield self._client.call("POST", f"{self._path}/retry", body)
        return type(self)(self._client, found.json())

    @operation
    def delete(self) -> Flow[None]:
        """Forgets it, once it has ended."""
        yield self._client.call("DELETE", self._path)

    @property
    def _path(self) -> str:
        return f"/v1/jobs/{quote(self.id, safe='')}"

    def _read(
        self, method: str, room: str, body: Any = None, *, safe: bool = False, **more: Any
    ) -> Flow[Self]:
        safe = safe or method == "GET"
        body = {} if method == "POST" and body is None else body
        found = yield self._client.call(method, self._path + room, body, safe=safe, **more)
        self.data = found.json()
        return self

    def _checked(self, check: bool) -> Self:
        if check and self.ended and self.status != JobStatus.SUCCEEDED:
            raise JobFailed(self)
        return self

    def _repr_html_(self) -> str:
        words = f"<p>{escape(self.answer)}</p>" if self.answer else ""
        asked = f"<p><em>{escape(self.question)}</em></p>" if self.question else ""
        error = f"<p>{escape(str((self.error or {}).get('message', '')))}</p>" if self.error else ""
        shown = "".join(f"<div>{item._repr_html_()}</div>" for item in self.assets)
        bar = "" if self.ended else f'<progress value="{self.progress:.3f}"></progress>'
        head = f'<a href="{escape(self.url, quote=True)}">{escape(self.id)}</a>'
        return f"<div>{head} {escape(self.status)} {bar}{words}{asked}{error}{shown}</div>"


class Job(JobHandle[Asset], Sync):
    """A job of a `Medley`."""

    _asset = Asset
    _client: "Medley"

    def _perform(self, flow: Flow[Any]) -> Any:
        return self._client._perform(flow)

    def events(self, after: int | None = None) -> Iterator[Event]:
        """Its events until it ends, wherever the stream breaks; `after` leaves out earlier ones."""
        return self._client.events(self.id, after)

    def wait(self, timeout_s: float | None = None, *, check: bool = True) -> Self:
        """Returns when it has ended, or waits for its caller.

        Raises `JobFailed` when it ended without success (not with `check=False`), `TimeoutError`
        when the time is over; the job goes on then.
        """
        return self._attend(timeout_s, check, lambda view: None)

    def watch(self, timeout_s: float | None = None, *, check: bool = True) -> Self:
        """The same with its plan and its progress shown, on a terminal or in a notebook."""
        from medley.client.showing import shown

        with shown(self) as show:
            return self._attend(timeout_s, check, show)

    def _attend(
        self, timeout_s: float | None, check: bool, show: Callable[["JobView"], None]
    ) -> Self:
        view = self._view()
        for event in self._client.events(self.id, None, timeout_s=timeout_s):
            if view.apply(event):
                view.read(self.refresh().data)
            show(view)
            if event.stops_job:
                break
        view.read(self.refresh().data)
        show(view)
        return self._checked(check)

    def _view(self) -> "JobView":
        from medley.client.view import JobView

        return JobView(self.id)


class AsyncJob(JobHandle[AsyncAsset], Async):
    """A job of an `AsyncMedley`."""

    _asset = AsyncAsset
    _client: "AsyncMedley"

    async def _perform(self, flow: Flow[Any]) -> Any:
        return await self._client._perform(flow)

    def events(self, after: int | None = None) -> AsyncIterator[Event]:
        """Its events until it ends, wherever the stream breaks; `after` leaves out earlier ones."""
        return self._client.events(self.id, after)

    async def wait(self, timeout_s: float | None = None, *, check: bool = True) -> Self:
        """See `Job.wait`."""
        return await self._attend(timeout_s, check, lambda view: None)

    async def watch(self, timeout_s: float | None = None, *, check: bool = True) -> Self:
        """See `Job.watch`."""
        from medley.client.showing import shown

        with shown(self) as show:
            return await self._attend(timeout_s, check, show)

    async def _attend(
        self, timeout_s: float | None, check: bool, show: Callable[["JobView"], None]
    ) -> Self:
        from medley.client.view import JobView

        view = JobView(self.id)
        async for event in self._client.events(self.id, None, timeout_s=timeout_s):
            if view.apply(event):
                view.read((await self.refresh()).data)
            show(view)
            if event.stops_job:
                break
        view.read((await self.refresh()).data)
        show(view)
        return self._checked(check)
