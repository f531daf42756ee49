"""Which model a batch is asked of, and what happens while that one is away."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, CallerError, MedleyError, StepStopped, Unavailable
from medley.media.values import Embedding
from medley.modality import Modality
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.catalogue import REMOTE_HUB, load_catalogue
from tests.unit.test_workers_parts import World, lease
from workers.asking import AWAY_S, Answer, Asker
from workers.residency import Residency

TOOLS = toolbox()
HUB = frozenset({"plan", "answer", "chat", "describe"})
SPECS = {
    "server": ModelSpec(id="server", backend="server", tools=HUB, fallback="small"),
    "small": ModelSpec(
        id="small",
        backend="small",
        tools=HUB,
        space="s",
        reads={
            "describe.media": frozenset({Modality.EMBEDDING}),
            "chat.seen": frozenset({Modality.TEXT}),
        },
    ),
    "encoder": ModelSpec(id="encoder", backend="encoder", tools=frozenset({"embed"}), space="s"),
    "other": ModelSpec(id="other", backend="encoder", tools=frozenset({"embed"}), space="t"),
    "alone": ModelSpec(id="alone", backend="server", tools=HUB),
}
Act = Callable[[Request], Result]


@dataclass
class Scripted:
    """A backend that does what the test says."""

    act: Act
    tools: frozenset[str] = HUB
    asked: list[Request] = field(default_factory=list)

    def load(self, model: ModelSpec, device: str) -> None:
        """Nothing."""

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        self.asked.extend(batch)
        return [self.act(request) for request in batch]

    def unload(self) -> None:
        """Nothing."""


def away(request: Request) -> Result:
    return Result(error=Unavailable("nobody is there"))


def says(words: str) -> Act:
    return lambda request: Result(outputs={"text": words}, usage={"output_tokens": 1.0})


def embed(request: Request) -> Result:
    vector = np.ones(2, dtype=np.float32)
    return Result(outputs={"embedding": Embedding(vector=vector, space="s")})


class House:
    """An asker with three scripted backends, on a clock that the test moves."""

    def __init__(self, root: Path) -> None:
        self.now = 0.0
        self.told: list[tuple[str, str]] = []
        self.backends: Mapping[str, Scripted] = {
            "server": Scripted(away),
            "small": Scripted(says("small")),
            "encoder": Scripted(embed),
        }
        residency = Residency(SPECS, budget=1, device="cpu", make=lambda name: self.backends[name])
        self.asker = Asker(
            residency, TOOLS, tell=lambda *said: self.told.append(said), clock=lambda: self.now
        )
        self.root = root

    def ask(self, *requests: Request, model: str = "server") -> list[Answer]:
        leases = [replace(lease(f"s{place}"), model=model) for place in range(len(requests))]
        world = World(self.root, leases)
        return self.asker.ask(list(zip(leases, requests, strict=True)), world.control)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def plan() -> Request:
    return Request(tool="plan", inputs={"task": {}}, params={})


def describe(media: Any) -> Request:
    return Request(tool="describe", inputs={"media": media}, params={"question": ""})


def text(answer: Answer) -> Any:
    assert answer.result is not None, answer.error
    return answer.result.outputs["text"]


def test_while_a_model_is_away_its_fallback_runs_and_is_named(house: House) -> None:
    (answer,) = house.ask(plan())
    assert (text(answer), answer.model) == ("small", "small")
    assert house.told == [("server", "away")]


def test_a_model_that_was_away_is_left_alone_for_a_while_and_then_asked_again(
    house: House,
) -> None:
    server = house.backends["server"]
    house.ask(plan())
    house.ask(plan())
    assert len(server.asked) == 1
    server.act, house.now = says("server"), AWAY_S
    (answer,) = house.ask(plan())
    assert (text(answer), answer.model) == ("server", "server")
    assert house.told == [("server", "away"), ("server", "loaded")]


def test_only_what_is_missing_is_asked_of_the_fallback(house: House) -> None:
    picture = Image.new("RGB", (2, 2))
    house.backends["server"].act = lambda request: (
        away(request) if request.tool == "plan" else says("server")(request)
    )
    found = house.ask(describe(picture), plan(), describe(picture))
    assert [text(answer) for answer in found] == ["server", "small", "server"]


def test_what_the_fallback_cannot_see_is_embedded_for_it(house: House) -> None:
    (answer,) = house.ask(describe(Image.new("RGB", (2, 2))))
    assert text(answer) == "small"
    assert isinstance(house.backends["small"].asked[0].inputs["media"], Embedding)


def test_what_the_fallback_cannot_read_at_all_stays_unavailable(house: House) -> None:
    house.backends["encoder"].act = lambda request: Result(error=BackendError("too dark"))
    seen, read = house.ask(describe(Image.new("RGB", (2, 2))), plan())
    assert (type(seen.error), seen.model) == (Unavailable, "server")
    assert text(read) == "small"


def test_a_chat_with_a_picture_waits_for_a_hub_that_sees(house: House) -> None:
    picture = Image.new("RGB", (2, 2))
    chats = [Request(tool="chat", inputs={"seen": seen}, params={}) for seen in ([picture], ["a"])]
    shown, told = house.ask(*chats)
    assert (type(shown.error), shown.model) == (Unavailable, "server")
    assert told.model == "small"


def test_other_errors_are_not_a_reason_to_ask_somebody_else(house: House) -> None:
    house.backends["server"].act = lambda request: Result(error=BackendError("broken"))
    (answer,) = house.ask(plan())
    assert isinstance(answer.error, BackendError)
    assert house.backends["small"].asked == []


def test_without_a_fallback_the_error_says_who_is_away(house: House) -> None:
    (answer,) = house.ask(plan(), model="alone")
    assert isinstance(answer.error, Unavailable)
    assert house.told == [("alone", "away")]


def test_a_stop_of_the_fallback_is_a_stop(house: House) -> None:
    def stop(request: Request) -> Result:
        raise StepStopped("canceled")

    house.backends["small"].act = stop
    (answer,) = house.ask(plan())
    assert (answer.stopped, answer.result, answer.error) == ("canceled", None, None)


def test_the_operator_says_whether_the_bundled_hub_stands_in_for_a_server() -> None:
    url = "http://127.0.0.1:9/v1"
    assert load_catalogue(Settings(hub_url=url))[REMOTE_HUB].fallback == ""
    chosen = load_catalogue(Settings(hub_url=url, hub_fallback=True))
    assert chosen[REMOTE_HUB].fallback == "starter/hub"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ('fallback = "nobody"', "no such model"),
        ('fallback = "toy"', "commercial"),
        ('space = "s"\nfallback = "starter/hub"', "another space"),
    ],
)
def test_a_fallback_that_cannot_stand_in_is_refused(tmp_path: Path, entry: str, says: str) -> None:
    toy = '[[model]]\nid = "toy"\nbackend = "x"\ntools = ["plan"]\ncommercial = false\n'
    mine = f'[[model]]\nid = "mine"\nbackend = "x"\ntools = ["plan"]\n{entry}\n'
    (tmp_path / "mine.toml").write_text(toy + mine)
    with pytest.raises(CallerError, match=says) as caught:
        load_catalogue(Settings(model_folder=tmp_path))
    assert isinstance(caught.value, MedleyError)
