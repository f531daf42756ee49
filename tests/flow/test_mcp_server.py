"""The MCP server as its clients meet it: the real client of the SDK, over HTTP, against the running
service.
"""

import base64
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Literal

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import MCPError
from mcp.client.client import Client
from mcp.client.extension import ClientExtension, ResultClaim, advertise
from mcp.client.streamable_http import streamable_http_client
from mcp.server.subscriptions import PromptsListChanged, ResourcesListChanged
from mcp_types import INTERNAL_ERROR, CallToolResult, ElicitResult, Request, RequestParams, Result
from pydantic import ConfigDict

from api.agents import listening
from api.agents.results import describe
from api.main import create_app
from medley.embedded import EmbeddedValkey
from medley.errors import BackendError
from medley.media.facts import Facts
from medley.modality import Modality
from medley.settings import Settings
from orchestrator import jobs, keys
from orchestrator.asset_rows import Asset
from orchestrator.keys import NewKey
from tests.flow.api_world import caption_plan, png, served, wav
from tests.flow.port_world import Service, patiently, serving

TASKS = "io.modelcontextprotocol/tasks"


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, module_database_url: str, valkey: EmbeddedValkey
) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("service")
    with serving(home, module_database_url, valkey.url) as opened:
        yield opened


@pytest.fixture
def service(shared: Service) -> Iterator[Service]:
    yield shared
    shared.cancel_all()


def talk(service: Service, work: Callable[[Client], Awaitable[Any]], **options: Any) -> Any:
    """One conversation of a client."""

    async def run() -> Any:
        with anyio.fail_after(120):
            async with Client(service.mcp, **options) as client:
                return await work(client)

    try:
        return anyio.run(run)
    except BaseExceptionGroup as group:  # of the client's tasks
        refused, _ = group.split(MCPError)
        raise innermost(refused or group) from None


def call(service: Service, tool: str, /, **arguments: Any) -> CallToolResult:
    """The result of one tool."""
    found = talk(service, lambda client: client.call_tool(tool, arguments))
    assert isinstance(found, CallToolResult)
    return found


def words(result: CallToolResult) -> str:
    """What the result says."""
    return " ".join(item.text for item in result.content if item.type == "text")


def test_few_tools_with_schemas_for_what_they_take_and_give(service: Service) -> None:
    listed = talk(service, lambda client: client.list_tools()).tools
    assert [tool.name for tool in listed] == [
        "generate",
        "edit",
        "plan",
        "run_workflow",
        "job_status",
        "answer_job",
        "cancel_job",
        "search_assets",
    ]
    assert all(tool.output_schema and tool.description for tool in listed)


def test_a_client_hears_that_its_lists_have_changed(service: Service) -> None:
    async def listen(client: Client) -> list[type]:
        assert client.server_capabilities.resources.subscribe  # type: ignore[union-attr]
        heard = []
        async with client.listen(resources_list_changed=True, prompts_list_changed=True) as events:
            await anyio.to_thread.run_sync(partial(service.upload, png("teal", (31, 7))))
            heard.append(type(await anext(aiter(events))))
            await anyio.to_thread.run_sync(service.workflow)
            heard.append(type(await anext(aiter(events))))
        return heard

    assert talk(service, listen) == [ResourcesListChanged, PromptsListChanged]


def test_a_tenant_listens_only_so_often(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MOST", 0)

    async def listen(client: Client) -> None:
        async with client.listen(resources_list_changed=True):
            raise AssertionError("it was let in")

    with pytest.raises(MCPError, match="may listen"):
        talk(service, listen)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_workflow_gives_its_picture_its_link_and_its_progress(
    service: Service, mode: str
) -> None:
    told: list[float] = []

    async def progress(value: float, total: float | None, message: str | None) -> None:
        told.append(value)

    picture = service.upload(png())
    asked = {"workflow": service.workflow(), "inputs": {"picture": f"asset://{picture}"}}
    with service.working(lambda: service.captions(picture)):
        result = talk(
            service,
            lambda client: client.call_tool("run_workflow", asked, progress_callback=progress),
            mode=mode,
        )
    assert not result.is_error, words(result)
    by_kind = {item.type: item for item in result.content}
    assert base64.b64decode(by_kind["image"].data) == png()
    assert (by_kind["resource_link"].uri, by_kind["resource_link"].mime_type) == (
        f"asset://{picture}",
        "image/png",
    )
    shown = result.structured_content
    assert (shown["status"], shown["outputs"][0]["asset"]) == ("succeeded", picture)
    assert httpx2.get(shown["outputs"][0]["url"]).content == png()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_file_inside_the_message_becomes_an_asset(service: Service) -> None:
    inside = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    picture = service.upload(png())
    with service.working(lambda: service.captions(picture)):
        result = call(
            service, "run_workflow", workflow=service.workflow(), inputs={"picture": inside}
        )
    assert not result.is_error, words(result)
    steps = service.client.get(f"/v1/jobs/{service.newest()['id']}/steps").json()["data"]
    sent = steps[0]["inputs"]["image"]["asset"]
    assert service.client.get(f"/v1/assets/{sent}/content").content == png("blue")


def test_what_does_not_fit_is_said_so_that_a_model_can_put_it_right(service: Service) -> None:
    broken, workflow = "data:image/png;base64,AAAA", service.workflow()
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("generate", {}, "/request"),
        ("generate", {"request": "x", "media": ["http://a/b"]}, "is no medium"),
        ("generate", {"request": "x", "media": ["asset_nobody"]}, "asset_nobody"),
        ("generate", {"request": "x", "surprise": 1}, "/surprise"),
        ("edit", {"request": "x", "media": [broken]}, "file"),
        ("edit", {"request": "x", "media": ["data:image/png;base64,%%"]}, "base64"),
        ("edit", {"request": "x", "media": []}, "/media"),
        ("run_workflow", {"workflow": "wf_nobody"}, "wf_nobody"),
        ("job_status", {"job": "job_nobody"}, "job_nobody"),
        ("answer_job", {"job": "job_nobody"}, "approve, or an answer"),
        ("answer_job", {"job": "job_nobody", "answer": ""}, "/input"),
        ("run_workflow", {"workflow": workflow, "inputs": {"words": "x" * 200_000}}, "/inputs"),
        ("run_workflow", {"workflow": workflow, "inputs": {"nothing": "x"}}, "nothing"),
        ("cancel_job", {"job": "job_nobody"}, "job_nobody"),
        ("search_assets", {}, "query or like"),
        ("search_assets", {"query": "x", "like": "asset_x"}, "query or like"),
        ("search_assets", {"query": "asset://asset_nobody"}, "asset_nobody"),
    ]

    async def try_all(client: Client) -> list[CallToolResult]:
        return [await client.call_tool(tool, arguments) for tool, arguments, _ in wrong]

    for (tool, arguments, reason), result in zip(wrong, talk(service, try_all), strict=True):
        assert result.is_error, (tool, arguments)
        assert reason in words(result), (tool, arguments, words(result))
    with pytest.raises(MCPError, match="NUL"):
        call(service, "job_status", job="a\0b")


def test_what_goes_wrong_here_is_not_told_in_detail(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any, **more: Any) -> Any:
        raise RuntimeError("host=10.0.0.1 password=hunter2")

    monkeypatch.setattr("orchestrator.asset_rows.list_assets", broken)
    with pytest.raises(MCPError, match=r"^Something went wrong here\.$") as caught:
        talk(service, lambda client: client.list_resources())
    assert caught.value.error.code == INTERNAL_ERROR


def test_an_unknown_tool_is_refused_with_the_nearest(service: Service) -> None:
    with pytest.raises(MCPError, match="generate"):
        call(service, "generte", request="x")


def test_a_client_that_goes_away_takes_its_job_with_it(service: Service) -> None:
    picture, workflow, before = service.upload(png()), service.workflow(), service.newest()["id"]

    async def leave(client: Client) -> None:
        with anyio.move_on_after(60) as scope:
            async with anyio.create_task_group() as group:
                inputs = {"picture": picture}
                group.start_soon(
                    client.call_tool, "run_workflow", {"workflow": workflow, "inputs": inputs}
                )
                while service.newest()["id"] == before:
                    await anyio.sleep(0.05)
                scope.cancel()

    talk(service, leave)
    for _ in range(200):
        if service.newest()["status"] == "canceled":
            return
        time.sleep(0.05)
    pytest.fail(f"the job is {service.newest()['status']}")


def test_a_job_that_failed_is_a_result_that_says_why(service: Service) -> None:
    picture, workflow = service.upload(png()), service.workflow()

    def fail() -> None:
        lease = patiently(service.hands.take)
        service.hands.fail(lease, BackendError("the brush broke"))
        service.announcer.stored([lease.job])

    with service.working(fail):
        result = call(service, "run_workflow", workflow=workflow, inputs={"picture": picture})
    assert result.is_error
    assert "the brush broke" in words(result)


def test_assets_are_resources_in_pages(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.agents.library.PAGE", 2)
    ids = [service.upload(png(size=(8 + n, 8))) for n in range(2)] + [
        service.upload(wav(), "a.wav")
    ]

    async def read(client: Client) -> tuple[list[str], Any]:
        page = await client.list_resources()
        found = [str(item.uri) for item in page.resources]
        assert len(found) == 2
        page = await client.list_resources(cursor=page.next_cursor)
        return found + [str(item.uri) for item in page.resources], await client.read_resource(
            f"asset://{ids[0]}"
        )

    found, content = talk(service, read)
    assert found[:3] == [f"asset://{name}" for name in reversed(ids)]
    assert base64.b64decode(content.contents[0].blob) == png(size=(8, 8))
    with pytest.raises(MCPError, match="no cursor"):
        talk(service, lambda client: client.list_resources(cursor="garbage"))
    for uri in ("asset://asset_nobody", "file:///etc/passwd"):
        with pytest.raises(MCPError):
            talk(service, lambda client, uri=uri: client.read_resource(uri))


def test_a_vector_is_described_by_its_length() -> None:
    facts = Facts(modality=Modality.EMBEDDING, media_type="application/x-vector", width=256)
    vector = Asset(
        id="asset_v",
        tenant="default",
        sha256="",
        size=1024,
        modality=facts.modality,
        media_type=facts.media_type,
        facts=facts,
        origin={},
        created_at=datetime.now(UTC),
    )
    assert describe(vector) == "embedding, 256 numbers"


def test_saved_workflows_are_prompts_with_typed_arguments(service: Service) -> None:
    workflow, picture = service.workflow(), service.upload(png())
    prompt, *_ = talk(service, lambda client: client.list_prompts()).prompts
    assert (prompt.name, prompt.title) == (workflow, "Caption")
    required = {item.name: item.required for item in prompt.arguments}
    assert required == {"picture": True, "words": False}
    arguments = {"picture": picture}
    given = talk(service, lambda client: client.get_prompt(workflow, arguments))
    assert workflow in given.messages[0].content.text
    assert given.messages[1].content.uri == f"asset://{picture}"
    with pytest.raises(MCPError, match="picture"):
        talk(service, lambda client: client.get_prompt(workflow, {}))


class Task(Result):
    """The handle of a task, as a client reads it."""

    model_config = ConfigDict(extra="allow")
    result_type: Literal["task"] = "task"
    task_id: str


class Tasks(ClientExtension):
    """Declares the extension, and keeps the handle instead of following it."""

    identifier = TASKS

    def __init__(self) -> None:
        self.handles: list[Task] = []

    def claims(self) -> list[ResultClaim[Any]]:
        """The result that is a handle."""

        async def resolve(task: Task, context: Any) -> CallToolResult:
            self.handles.append(task)
            return CallToolResult(content=[], is_error=True)  # needs no structure

        return [ResultClaim(result_type="task", model=Task, resolve=resolve)]


class Answer(Result):
    """Any answer."""

    model_config = ConfigDict(extra="allow")


class TaskParams(RequestParams):
    """Which task, and what else is sent."""

    model_config = ConfigDict(extra="allow")
    task_id: str


class TaskRequest(Request[TaskParams, str]):
    """A method of the extension."""

    name_param: ClassVar[str | None] = "taskId"


async def ask(client: Client, method: str, task: str, **more: Any) -> dict[str, Any]:
    """The answer to a method of the extension."""
    params = TaskParams.model_validate({"taskId": task, **more})
    found = await client.session.send_request(TaskRequest(method=method, params=params), Answer)
    return dict(found.model_extra or {})


async def nobody(context: Any, params: Any) -> ElicitResult:
    """The extension asks through tasks; nothing is asked directly."""
    raise AssertionError("asked directly")


def as_task(
    service: Service, tool: str, arguments: dict[str, Any], work: Callable[..., Awaitable[Any]]
) -> Any:
    """Calls a tool as a client that can follow tasks; `work` gets the client and the task's id."""
    extension = Tasks()

    async def run(client: Client) -> Any:
        await client.call_tool(tool, arguments)
        return await work(client, extension.handles[0].task_id)

    return talk(service, run, extensions=[extension], elicitation_callback=nobody)


def test_a_task_is_a_job_that_is_polled_to_its_result(service: Service) -> None:
    picture = service.upload(png())
    asked = {"workflow": service.workflow(), "inputs": {"picture": picture}}

    async def poll(client: Client, task: str) -> dict[str, Any]:
        found = await ask(client, "tasks/get", task)
        assert (found["taskId"], found["status"], found["ttlMs"]) == (task, "working", None)
        assert found["pollIntervalMs"] > 0
        await anyio.to_thread.run_sync(service.hands.finish_all, picture)
        return await ask(client, "tasks/get", task)

    found = as_task(service, "run_workflow", asked, poll)
    assert (found["status"], found["taskId"]) == ("completed", service.newest()["id"])
    assert found["result"]["structuredContent"]["status"] == "succeeded"
    assert base64.b64decode(found["result"]["content"][1]["data"]) == png()


def test_a_question_of_the_hub_is_input_that_a_task_needs(service: Service) -> None:
    async def answer(client: Client, task: str) -> tuple[dict[str, Any], dict[str, Any]]:
        hands = service.hands
        await anyio.to_thread.run_sync(
            lambda: hands.finish(hands.take("hub"), question="Which animal?")
        )
        waiting = await ask(client, "tasks/get", task)
        ((key, request),) = waiting["inputRequests"].items()
        assert (waiting["status"], request["method"]) == ("input_required", "elicitation/create")
        assert request["params"]["message"] == "Which animal?"
        responses = {
            "unknown": {"action": "accept", "content": {"answer": "A dog."}},
            key: {"action": "accept", "content": {"answer": "A cat."}},
        }
        await ask(client, "tasks/update", task, inputResponses=responses)
        await ask(client, "tasks/update", task, inputResponses=responses)  # late: changes nothing
        return waiting, await ask(client, "tasks/get", task)

    _, after = as_task(service, "generate", {"request": "Draw my favourite animal"}, answer)
    assert after["status"] == "working"
    said = [part["text"] for part in service.newest()["input"]]
    assert said == ["Draw my favourite animal", "A cat."]


def test_a_task_that_is_canceled_says_so(service: Service) -> None:
    async def stop(client: Client, task: str) -> dict[str, Any]:
        await ask(client, "tasks/cancel", task)
        return await ask(client, "tasks/get", task)

    found = as_task(service, "generate", {"request": "Draw"}, stop)
    assert found["status"] == "cancelled"
    assert service.newest()["status"] == "canceled"


def test_a_plan_waits_for_consent_through_a_task_or_a_tool(service: Service) -> None:
    plan = caption_plan(service.upload(png()))

    def hub_plans() -> None:
        lease = service.hands.take("hub")
        service.hands.finish(lease, outputs={"plan": {"type": "data", "data": plan}}, plan=plan)

    async def decline(client: Client, task: str) -> dict[str, Any]:
        await anyio.to_thread.run_sync(hub_plans)
        waiting = await ask(client, "tasks/get", task)
        ((key, _),) = waiting["inputRequests"].items()
        assert key.startswith("approval-")
        shown = await client.call_tool("job_status", {"job": task})
        assert shown.structured_content["waiting_for"]["what"] == "approval"
        await ask(client, "tasks/update", task, inputResponses={key: {"action": "decline"}})
        return await ask(client, "tasks/get", task)

    asked = {"request": "Caption it", "approve": "plan"}
    assert as_task(service, "generate", asked, decline)["status"] == "cancelled"


def test_who_does_not_speak_tasks_gets_none(service: Service) -> None:
    async def get(client: Client) -> dict[str, Any]:
        return await ask(client, "tasks/get", "job_x")

    with pytest.raises(MCPError) as refused:
        talk(service, get)
    assert refused.value.code == -32021
    with pytest.raises(MCPError) as refused:
        talk(service, get, extensions=[advertise(TASKS)])
    assert refused.value.code == -32602


def test_hosts_and_origins_are_those_of_the_service(service: Service) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {}}
    headers = {"accept": "application/json, text/event-stream"}
    for more, status in (({"host": "evil.example"}, 421), ({"origin": "http://evil.example"}, 403)):
        reply = service.client.post("/mcp", json=body, headers={**headers, **more})
        assert reply.status_code == status
    for method in ("GET", "DELETE"):
        reply = service.client.request(method, "/mcp", headers=headers)
        assert (reply.status_code, reply.headers["allow"]) == (405, "POST")
    large = service.client.post("/mcp", content=b"x" * (25 << 20), headers=headers)
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


def test_llms_txt_tells_of_tools_and_routes(service: Service) -> None:
    reply = service.client.get("/llms.txt")
    assert reply.headers["content-type"].startswith("text/plain")
    for word in ("# Medley", "`generate`", "`POST /v1/jobs`", "`resize`", f"{service.url}/mcp"):
        assert word in reply.text


def test_a_service_that_is_stopped_leaves_the_job_to_its_successor(settings: Settings) -> None:
    broken: list[BaseException] = []

    def stay(opened: Service) -> None:
        try:
            call(opened, "generate", request="Draw")
        except BaseException as error:  # noqa: BLE001 - whatever a lost connection is to the client
            broken.append(error)

    with served(create_app(settings)) as url:
        opened = Service(url, settings)
        waiting = threading.Thread(target=stay, args=(opened,))
        waiting.start()
        lease = patiently(lambda: opened.hands.take("hub"))
    waiting.join(60)
    with opened.hands.db.connect() as conn:
        assert jobs.get(conn, "default", lease.job).status == "running"
    assert broken
    opened.close()


def test_a_key_decides_whose_things_are_seen_and_what_may_be_done(settings: Settings) -> None:
    with served(create_app(settings)) as url:
        opened = Service(url, settings)
        mine, workflow = opened.upload(png()), opened.workflow()
        job = opened.client.post("/v1/jobs", json={"input": "mine"}).json()["id"]
        with opened.hands.db.begin() as conn:
            secrets = {
                scopes: keys.create(
                    conn, NewKey(tenant="acme", name="agent", scopes=keys.scopes_of(scopes))
                )[1]
                for scopes in (("run",), ("run", "read"))
            }

        async def look(url: str, secret: str) -> list[Any]:
            headers = {"Authorization": f"Bearer {secret}"}
            async with (
                httpx2.AsyncClient(headers=headers, timeout=60) as http,
                Client(
                    streamable_http_client(f"{url}/mcp", http_client=http),
                    extensions=[Tasks()],
                    elicitation_callback=nobody,
                ) as client,
            ):
                assert (await client.list_tools()).tools
                asked = {"request": "Draw", "media": [mine], "approve": "plan"}
                foreign: list[tuple[str, dict[str, Any]]] = [
                    ("generate", asked),
                    ("edit", {"request": "Draw", "media": [mine]}),
                    ("plan", {"request": "Draw", "media": [mine]}),
                    ("search_assets", {"like": f"asset://{mine}"}),
                    ("run_workflow", {"workflow": workflow}),
                    ("job_status", {"job": job}),
                    ("answer_job", {"job": job, "approve": True}),
                    ("cancel_job", {"job": job}),
                ]
                for tool, arguments in foreign:
                    refused = await client.call_tool(tool, arguments)
                    assert refused.is_error, tool
                    assert "no " in words(refused), tool
                nothing: list[Callable[[], Awaitable[Any]]] = [
                    lambda: client.read_resource(f"asset://{mine}"),
                    lambda: client.get_prompt(workflow),
                    *(
                        partial(ask, client, f"tasks/{what}", job, inputResponses={})
                        for what in ("get", "update", "cancel")
                    ),
                ]
                for attempt in nothing:
                    with pytest.raises(MCPError) as gone:
                        await attempt()
                    assert gone.value.error.data["code"] == "not_found"
                assert (await client.list_prompts()).prompts == []
                return list((await client.list_resources()).resources)

        wait_for_the_ring(opened)
        assert opened.client.post("/mcp", json={}).status_code == 401
        assert "`generate`" in opened.client.get("/llms.txt").text
        assert anyio.run(look, url, secrets["run", "read"]) == []
        with opened.hands.db.connect() as conn:
            assert jobs.get(conn, "default", job).status == "queued"
        with pytest.raises(BaseExceptionGroup) as refused:
            anyio.run(look, url, secrets["run",])
        assert "scope" in str(innermost(refused.value))
        opened.close()


def wait_for_the_ring(opened: Service) -> None:
    """Waits until the service knows that there is a key."""
    for _ in range(400):
        if opened.client.get("/v1/jobs").status_code == 401:
            return
        time.sleep(0.05)


def innermost(error: BaseException) -> BaseException:
    """The error that a client's tasks were ended by."""
    return innermost(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
