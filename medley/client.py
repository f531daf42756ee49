"""A thin client of Medley's own REST interface, as the command line uses it.

with Client("http://127.0.0.1:8484") as medley:
    job = medley.submit("What do you hear?", [Path("bark.wav")])
    for event in medley.follow(job["id"]):
        ...
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote, urlsplit

import httpx2

from medley.errors import MedleyError, Unavailable
from medley.status import TERMINAL_JOB, JobStatus

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PATIENCE_S = 60.0  # how long a broken event stream is taken up again before we give up


class Refused(MedleyError):
    """The service refused a request; `problem` is its answer."""

    code = "refused"

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(_describe(status, problem), errors=problem.get("errors") or ())
        self.http_status = status
        self.problem = dict(problem)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a job. `seq` is None for what is not stored (progress, previews, deltas)."""

    type: str
    seq: int | None
    data: Mapping[str, Any]

    @property
    def step(self) -> str | None:
        """The step it is about."""
        return self.data.get("step")

    @property
    def ends_job(self) -> bool:
        """Whether the job reached its final state with this event, or had reached it before."""
        if self.type == "snapshot":
            return self.data.get("status") in TERMINAL_JOB
        kind, _, status = self.type.partition(".")
        return kind == "job" and status in TERMINAL_JOB


class Client:
    """Calls one service. Methods give the service's JSON; they raise `Refused` or `Unavailable`."""

    def __init__(
        self, url: str, *, api_key: str | None = None, transport: httpx2.BaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx2.Timeout(60.0, connect=5.0),
            trust_env=urlsplit(url).hostname not in _LOOPBACK,  # no proxy on the way to ourselves
            transport=transport,
        )

    def alive(self) -> bool:
        """Whether a service answers here."""
        try:
            return self._http.get("/healthz", timeout=2.0).status_code == 200
        except httpx2.TransportError:
            return False

    def ready(self) -> bool:
        """Whether the service can take jobs: its database and migrations are there."""
        try:
            return self._http.get("/readyz", timeout=2.0).status_code == 200
        except httpx2.TransportError:
            return False

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Read one resource or list; parameters that are None are left out."""
        given = {name: value for name, value in params.items() if value is not None}
        return self._call("GET", path, params=given)

    def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """Send JSON."""
        return self._call("POST", path, json={} if body is None else body)

    def patch(self, path: str, body: Any) -> dict[str, Any]:
        """Change what is there."""
        return self._call("PATCH", path, json=body)

    def put(self, path: str, body: Any) -> dict[str, Any]:
        """Set what is there."""
        return self._call("PUT", path, json=body)

    def delete(self, path: str) -> None:
        """Remove what is there."""
        self._call("DELETE", path)

    def submit(
        self, text: str, files: Sequence[Path] = (), options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Create a job from words and files; gives the job."""
        return self.send("/v1/jobs", {"input": text, "options": dict(options or {})}, files)

    def send(
        self, path: str, request: Mapping[str, Any], files: Sequence[Path] | Mapping[str, Path] = ()
    ) -> dict[str, Any]:
        """Post a request with files: a list of them, or each with the name of a form field."""
        if not files:
            return self.post(path, request)
        named = (
            list(files.items())
            if isinstance(files, Mapping)
            else [("file", item) for item in files]
        )
        import json

        with ExitStack() as opened:
            form: list[tuple[str, Any]] = [("request", (None, json.dumps(request)))]
            for field, file in named:
                form.append((field, (file.name, opened.enter_context(file.open("rb")))))
            return self._call("POST", path, files=form, timeout=httpx2.Timeout(600.0, connect=5.0))

    def upload(self, file: Path) -> dict[str, Any]:
        """Send a file; gives the asset that it became."""
        with file.open("rb") as opened:
            sent = [("file", (file.name, opened))]
            patience = httpx2.Timeout(600.0, connect=5.0)
            return self._call("POST", "/v1/assets", files=sent, timeout=patience)

    def read_recipe(self, file: Path) -> dict[str, Any]:
        """What a produced file says about how it was made, and what can be asked for here."""
        with file.open("rb") as opened:
            sent = [("file", (file.name, opened))]
            patience = httpx2.Timeout(600.0, connect=5.0)
            return self._call("POST", "/v1/recipes/read", files=sent, timeout=patience)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job as it stands."""
        return self.get(f"/v1/jobs/{quote(job_id)}")

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask a job to stop."""
        return self.post(f"/v1/jobs/{quote(job_id)}/cancel")

    def follow(self, job_id: str) -> Iterator[Event]:
        """Events of a job until its end; a broken stream is taken up where it broke."""
        after: int | None = None
        broken_since: float | None = None
        while True:
            try:
                for event in self._events(job_id, after):
                    broken_since = None
                    after = after if event.seq is None else event.seq
                    yield event
                    if event.ends_job:
                        return
                if self.job(job_id)["status"] in (*TERMINAL_JOB, JobStatus.WAITING):
                    return
            except (httpx2.TransportError, Unavailable) as error:
                broken_since = broken_since or time.monotonic()
                if time.monotonic() - broken_since > _PATIENCE_S:
                    raise Unavailable(f"lost the event stream of {job_id}: {error}") from None
            time.sleep(0.5)

    def _events(self, job_id: str, after: int | None) -> Iterator[Event]:
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        quiet = httpx2.Timeout(45.0, connect=5.0)  # a heartbeat comes every 15 s
        path = f"/v1/jobs/{quote(job_id)}/events"
        with self._http.stream("GET", path, headers=headers, timeout=quiet) as response:
            if response.status_code != 200:
                response.read()
                self._judge(response)
            last = ""
            for sent in httpx2.EventSource(response):
                if not sent.data:  # only a retry time or an id
                    continue
                # The id stays in force for later events that carry none: only a change is ours.
                seq = int(sent.id) if sent.id.isdigit() and sent.id != last else None
                last = sent.id
                yield Event(sent.event, seq, cast(Mapping[str, Any], sent.json()))

    def download(self, url: str, choose: Callable[[str], Path]) -> Path:
        """Write the bytes of an asset to the file that `choose` gives for their media type.

        A broken download leaves nothing behind.
        """
        try:
            with self._http.stream("GET", url, timeout=600.0) as response:
                if response.status_code != 200:
                    response.read()
                    self._judge(response)
                media_type = response.headers.get("content-type", "").partition(";")[0].strip()
                target = choose(media_type)
                part = target.with_name(target.name + ".part")
                try:
                    with part.open("wb") as out:
                        for chunk in response.iter_bytes():
                            out.write(chunk)
                    part.replace(target)
                finally:
                    part.unlink(missing_ok=True)
        except httpx2.TransportError as error:
            raise Unavailable(f"cannot fetch {url}: {error}") from None
        return target

    def _call(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        try:
            response = self._http.request(method, path, **kwargs)
        except httpx2.TransportError as error:
            raise Unavailable(f"no answer from {self.url}: {error}") from None
        self._judge(response)
        return cast(dict[str, Any], response.json()) if response.content else {}

    def _judge(self, response: httpx2.Response) -> None:
        if response.status_code < 400:
            return
        try:
            problem = response.json()
        except ValueError:
            problem = {"detail": response.text[:500]}
        raise Refused(response.status_code, problem if isinstance(problem, dict) else {})

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _describe(status: int, problem: Mapping[str, Any]) -> str:
    lines = [str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")]
    for fault in problem.get("errors") or ():
        line = f"  {fault.get('pointer', '')}: {fault.get('reason', '')}"
        suggestion = fault.get("suggestion")
        lines.append(f"{line} ({suggestion})" if suggestion else line)
    return "\n".join(lines)
