"""The Python client against the running service, with threads and with an event loop."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from medley.client import (
    AsyncMedley,
    Conflicting,
    Event,
    Invalid,
    JobFailed,
    Medley,
    Missing,
)
from medley.embedded import EmbeddedValkey
from medley.errors import BackendError
from tests.flow.api_world import caption_plan, png
from tests.flow.port_world import Line, Service, patiently, serving


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


@pytest.fixture
def medley(service: Service) -> Iterator[Medley]:
    with Medley(service.url) as client:
        yield client


def test_a_workflow_runs_with_a_file_and_its_picture_is_saved(
    service: Service, medley: Medley, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(png("blue"))
    made = medley.upload(png())
    with service.working(lambda: service.captions(made.id)):
        job = medley.run_workflow(service.workflow(), {"picture": photo, "words": "hi"}).watch()
    assert (job.status, job.progress, job.ended) == ("succeeded", 1.0, True)
    assert job.assets == [made]
    saved = job.asset.save(tmp_path)
    assert (saved.name, saved.read_bytes()) == ("s2.image.png", png())
    assert "caption" in capsys.readouterr().err  # its progress, as lines
    assert {made, medley.upload(photo)} <= set(medley.assets())
    assert medley.job(job.id) == job


def test_an_event_loop_does_the_same(service: Service) -> None:
    async def work() -> None:
        async with AsyncMedley(service.url) as medley:
            asset = await medley.upload(png("green"), "cat.png")
            assert (asset.name, asset.facts["width"]) == ("cat.png", 32)
            with service.working(lambda: service.captions(asset.id)):
                job = await (await medley.run_plan(caption_plan(asset.id))).watch()
            assert job.status == "succeeded"
            assert await job.asset.read() == png("green")
            with pytest.raises(Missing):
                await medley.job("job_nobody")
            assert (await medley.alive(), await medley.ready()) == (True, True)

    asyncio.run(work())


def _numbers(events: list[Event]) -> list[int]:
    return [event.seq for event in events if event.seq is not None]


def test_events_go_on_where_a_cut_line_ended(service: Service) -> None:
    line = Line(service.url)
    with Medley(line.url) as medley:
        asset = medley.upload(png())
        job = medley.run_plan(caption_plan(asset.id))
        seen = []
        for event in job.events():
            seen.append(event)
            if len(seen) == 1:
                line.cut()
                service.captions(asset.id)
    line.close()
    everything = _numbers(list(Medley(service.url).events(job.id, after=0)))
    assert _numbers(seen)[1:] == [seq for seq in everything if seq > (seen[0].seq or 0)]
    assert seen[-1].type == "job.succeeded"


def test_a_loop_too_goes_on_where_a_cut_line_ended(service: Service) -> None:
    line = Line(service.url)

    async def follow() -> list[Event]:
        async with AsyncMedley(line.url) as medley:
            asset = await medley.upload(png())
            job = await medley.run_plan(caption_plan(asset.id))
            seen = []
            async for event in job.events():
                seen.append(event)
                if len(seen) == 1:
                    line.cut()
                    await asyncio.to_thread(service.captions, asset.id)
            return seen

    seen = asyncio.run(follow())
    line.close()
    numbers = _numbers(seen)
    assert numbers == sorted(set(numbers))
    assert [event.type for event in seen].count("step.completed") == 2
    assert seen[-1].type == "job.succeeded"


def test_a_job_that_fails_says_why_and_can_be_retried(service: Service, medley: Medley) -> None:
    asset = medley.upload(png())
    job = medley.run_plan(caption_plan(asset.id))
    service.hands.fail(service.hands.take(), BackendError("the brush broke"))
    with pytest.raises(JobFailed, match="the brush broke") as failed:
        job.wait()
    assert failed.value.reason == "backend_error"
    again = job.retry()
    assert again["retry_of"] == job.id
    service.captions(asset.id)
    assert again.wait().status == "succeeded"
    again.delete()
    with pytest.raises(Missing):
        again.refresh()


def test_a_job_asks_is_answered_and_canceled(service: Service, medley: Medley) -> None:
    job = medley.run("Draw my favourite animal", options={"seed": 7})
    service.hands.finish(service.hands.take("hub"), question="Which one?")
    assert job.wait().question == "Which one?"
    job.reply("This one.", [png()])
    assert (job.status, job.question) == ("running", None)
    with pytest.raises(Conflicting):
        job.reply("No, that one.")
    assert job.cancel().status == "canceled"
    assert job.wait(check=False).ended
    with pytest.raises(JobFailed, match="canceled"):
        job.wait()


def test_a_plan_waits_for_consent(service: Service, medley: Medley) -> None:
    asset = medley.upload(png())
    job = medley.run_plan(caption_plan(asset.id), options={"approve": "plan"})
    assert job.wait()["waiting_for"]["what"] == "approval"
    with pytest.raises(TimeoutError):
        job.approve().wait(timeout_s=0.2)
    service.captions(asset.id)
    assert job.wait().status == "succeeded"


def test_a_wrong_plan_is_refused_with_every_place(medley: Medley) -> None:
    plan = {"steps": [{"id": "s1", "tool": "paint", "inputs": {}}]}
    with pytest.raises(Invalid) as refused:
        medley.run_plan(plan)
    assert refused.value.reason == "invalid_plan"
    assert refused.value.request_id.startswith("req_")
    assert refused.value.faults[0]["pointer"] == "/plan/steps/0/tool"
    dry = medley.get("/v1/tools/resize")
    assert dry["name"] == "resize"
    assert medley.models(tool="plan")[0]["id"]


def test_a_notebook_shows_pictures_and_jobs(service: Service, medley: Medley) -> None:
    asset = medley.upload(png(), '"><script>.png')
    assert asset._repr_png_() == png()
    bundle = asset._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]) == png()
    assert bundle["text/html"].startswith('<img src="data:image/png;base64,')
    job = medley.run_plan(caption_plan(asset.id))
    assert "<progress" in job._repr_html_()
    service.captions(asset.id)
    shown = job.wait()._repr_html_()
    assert "data:image/png;base64," in shown
    assert "<script>" not in shown

    async def show() -> str:
        async with AsyncMedley(service.url) as client:
            return (await client.job(job.id))._repr_html_()

    assert asyncio.run(show()) == shown


def test_a_repeated_submit_is_the_same_job(service: Service, medley: Medley) -> None:
    plan = caption_plan(medley.upload(png()).id)
    first, second = (medley.run_plan(plan, idempotency_key="once") for _ in range(2))
    assert first == second
    assert patiently(service.hands.take).job == first.id
