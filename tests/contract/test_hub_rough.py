"""The remote hub against a server process that is busy, broken, silent, or talks nonsense."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from hub.remote import RemoteHub
from medley.backend import ModelSpec, Request
from medley.errors import BackendError, StepStopped, Unavailable
from tests.contract.hub_fixtures import Recorder, facts, plan_request
from tests.contract.rough_server import Rough, rough_server


@pytest.fixture(scope="module")
def rough() -> Iterator[Rough]:
    with rough_server() as server:
        yield server


@contextmanager
def hub_at(url: str, **options: Any) -> Iterator[RemoteHub]:
    """A hub that is patient for a moment only."""
    hub = RemoteHub()
    options = {"retries": 1, "timeout_s": 1.0, **options}
    hub.load(
        ModelSpec(id="r", backend="openai", tools=RemoteHub.tools, source=url, options=options),
        "cpu",
    )
    try:
        yield hub
    finally:
        hub.unload()


def answer() -> Request:
    return Request(tool="answer", inputs={"facts": facts()}, params={})


def describe() -> Request:
    return Request(tool="describe", inputs={"media": Image.new("RGB", (4, 4))}, params={})


def test_a_server_that_is_well_answers_all_three(rough: Rough) -> None:
    with hub_at(rough.url("fine")) as hub:
        control = Recorder(Path())
        plan, reply, words = hub.run([plan_request(), answer(), describe()], control)
    assert plan.outputs["plan"]["steps"] == []
    assert reply.outputs["reply"]["text"] == control.text(1) == "There is a red square."
    assert words.outputs["text"] == control.text(2) == "A red square."
    assert plan.usage == {"input_tokens": 7.0, "output_tokens": 3.0}


def test_a_busy_server_is_given_the_time_it_asks_for(rough: Rough) -> None:
    began = time.monotonic()
    with hub_at(rough.url("busy")) as hub:
        (result,) = hub.run([plan_request()], Recorder(Path()))
    assert result.error is None
    assert (time.monotonic() - began >= 1.0, rough.seen("busy")) == (True, 2)


@pytest.mark.parametrize(
    ("mood", "error", "says", "asked"),
    [
        ("broken", Unavailable, "500 on fire", 2),
        ("locked", Unavailable, "401 no such key", 1),
        ("silent", Unavailable, "silent for too long", 1),
        ("halts", Unavailable, "silent for too long", 1),
        ("cut", Unavailable, "does not answer", 2),
        ("stops", Unavailable, "ended before the answer", 2),
        ("garbled", BackendError, "broken JSON", 1),
        ("page", BackendError, "broken JSON", 1),
        ("odd", BackendError, "no answer", 1),
        ("empty", BackendError, "no answer", 1),
        ("long", BackendError, "did not come to an end", 1),
    ],
)
def test_what_is_wrong_with_a_server_has_a_name_and_an_end(
    rough: Rough, mood: str, error: type[Exception], says: str, asked: int
) -> None:
    began = time.monotonic()
    with hub_at(rough.url(mood)) as hub:
        (result,) = hub.run([plan_request()], Recorder(Path()))
    assert isinstance(result.error, error), result
    assert says in result.error.message
    assert rough.seen(mood) == asked
    assert time.monotonic() - began < 10


def test_a_stream_that_broke_off_is_asked_for_again_and_no_word_is_heard_twice(
    rough: Rough,
) -> None:
    with hub_at(rough.url("cut once")) as hub:
        control = Recorder(Path())
        (result,) = hub.run([answer()], control)
    assert control.text(0) == result.outputs["reply"]["text"] == "There is a red square."
    assert rough.seen("cut once") == 2


def test_a_silent_server_does_not_keep_a_stop_from_being_heard(rough: Rough) -> None:
    with hub_at(rough.url("silent"), timeout_s=60) as hub:
        began = time.monotonic()
        with pytest.raises(StepStopped):
            hub.run([plan_request(), answer()], Recorder(Path(), stop_at=3))
        assert time.monotonic() - began < 5


def test_one_of_several_can_stop_while_the_others_are_answered(rough: Rough) -> None:
    with hub_at(rough.url("slow"), timeout_s=60) as hub:
        control = Recorder(Path(), stop_at=2, leaving=frozenset({0}))
        stopped, whole = hub.run([answer(), describe()], control)
    assert stopped.error is not None
    assert whole.outputs["text"] == "A red square."


def test_all_of_a_batch_are_asked_at_once(rough: Rough) -> None:
    def seconds(*batch: Request) -> float:
        with hub_at(rough.url("slow"), timeout_s=60) as hub:
            began = time.monotonic()
            hub.run(batch, Recorder(Path()))
            return time.monotonic() - began

    assert seconds(*[describe()] * 4) < 3 * seconds(describe())


@pytest.mark.parametrize("name", ["", "named"])
def test_a_server_that_is_not_there_is_unavailable_and_its_key_is_not_told(name: str) -> None:
    def ask() -> None:
        with hub_at("http://me:secret@127.0.0.1:9/v1", model=name) as hub:
            (result,) = hub.run([plan_request()], Recorder(Path()))
            assert result.error is not None
            raise result.error

    with pytest.raises(Unavailable, match="ConnectError") as caught:
        ask()
    assert "secret" not in caught.value.message


def test_a_server_without_models_is_unavailable(rough: Rough) -> None:
    refused: Callable[[], Any] = lambda: hub_at(rough.url("nameless")).__enter__()  # noqa: E731
    with pytest.raises(Unavailable, match="which models"):
        refused()
