"""The parts of a worker, each alone: residency, control, board."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from medley.backend import Control, ModelSpec, Request, Result
from medley.errors import BackendError, OutOfMemory, StepStopped, Unavailable
from medley.media.values import Audio
from medley.modality import Modality
from medley.tools import port
from orchestrator.engine import Lease
from orchestrator.events import Announcer
from workers.asking import as_medley_error
from workers.board import Board
from workers.control import Scratch, StepControl
from workers.keeping import Key, key_of
from workers.media import modality_of
from workers.registry import BACKENDS, make_backend
from workers.residency import Residency


class Weights:
    """A backend that only remembers what was asked of it."""

    tools = frozenset({"draw"})

    def __init__(self) -> None:
        self.loaded: list[str] = []

    def load(self, model: ModelSpec, device: str) -> None:
        if model.options.get("too_big"):
            raise OutOfMemory("no room")
        self.loaded.append(model.id)

    def run(self, batch: Sequence[Request], control: Control) -> list[Result]:
        return []

    def unload(self) -> None:
        self.loaded.clear()


def residency(told: list[tuple[str, str]] | None = None) -> Residency:
    """Three models of 60 bytes in a budget of 130, one that never fits, and a weightless one."""
    specs = {
        name: ModelSpec(id=name, backend="weights", tools=frozenset({"draw"}), memory_bytes=60)
        for name in "abc"
    }
    specs["huge"] = ModelSpec(
        id="huge", backend="weights", tools=frozenset(), options={"too_big": True}
    )
    specs["rows"] = ModelSpec(id="rows", backend="search", tools=frozenset())
    listener = (lambda *said: told.append(said)) if told is not None else (lambda *said: None)
    return Residency(
        specs, budget=130, device="cpu", make=lambda name: Weights(), listener=listener
    )


def test_a_model_is_loaded_once_and_kept() -> None:
    models = residency()
    assert models.backend("a") is models.backend("a")
    assert models.held() == ["a"]


def test_the_least_used_model_makes_room() -> None:
    models = residency()
    for name in ("a", "b", "a", "c"):
        models.backend(name)
    assert models.held() == ["a", "c"]


def test_a_model_that_does_not_fit_is_tried_once_more_alone() -> None:
    told: list[tuple[str, str]] = []
    models = residency(told)
    models.backend("a")
    with pytest.raises(OutOfMemory):
        models.backend("huge")
    assert models.held() == []
    assert told[-1] == ("huge", "failed")


def test_a_model_of_the_database_alone_needs_no_backend() -> None:
    assert residency().backend("rows") is None


def test_an_unknown_model_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        residency().backend("nobody")


def test_every_backend_of_the_registry_can_be_made_or_says_why_not() -> None:
    for name in BACKENDS:
        try:
            # A server's tools are known when it is loaded.
            assert make_backend(name).tools or name in ("mcp", "detached")
        except Unavailable as error:
            assert name in error.message  # noqa: PT017 - either is fine
    with pytest.raises(Unavailable):
        make_backend("nothing")


def lease(step: str = "s1") -> Lease:
    """A lease on one step of one job."""
    return Lease(
        job="job_1", step=step, token=1, attempt=1, crashes=0, max_attempts=3, tenant="t",
        kind="work", tool="draw", tool_version=1, model="a", lane="cpu", round=1, params={}, seed=0,
        inputs={}, sources=None,
    )  # fmt: skip


class Keeper:
    """A keeping that says what it is told to say."""

    def __init__(self) -> None:
        self.said: dict[Key, str] = {}
        self.moves = 0

    def stops(self) -> Mapping[Key, str]:
        return self.said

    def moved(self) -> None:
        self.moves += 1

    def ensure(self) -> None:
        pass


class World:
    """A control on a clock that the test moves."""

    def __init__(self, root: Path, leases: Sequence[Lease]) -> None:
        self.now = 0.0
        self.keeper = Keeper()
        self.stored: list[tuple[str, Mapping[str, Any]]] = []
        self.left: list[tuple[str, str]] = []
        keeping: Any = self.keeper
        self.announcer = Announcer(None)
        self.control = StepControl(
            leases,
            keeping,
            self.announcer,
            self.store,
            Scratch(root),
            leave=lambda lease, why: self.left.append((lease.step, why)),
            clock=lambda: self.now,
        )

    def store(self, of: Lease, progress: Mapping[str, Any]) -> bool:
        self.stored.append((of.step, progress))
        return True


def test_progress_is_stored_at_most_twice_a_second(tmp_path: Path) -> None:
    world = World(tmp_path, [lease()])
    for number in range(21):
        world.now = number / 10
        world.control.tick(number, 20)
    assert len(world.stored) == 4


def test_a_stop_is_raised_at_the_next_tick(tmp_path: Path) -> None:
    world = World(tmp_path, [lease()])
    world.control.tick(0, 1)
    world.keeper.said[key_of(lease())] = "canceled"
    with pytest.raises(StepStopped):
        world.control.tick(1, 2)
    with pytest.raises(StepStopped):
        world.control.delta("more")


def test_a_batch_goes_on_while_one_of_its_steps_may(tmp_path: Path) -> None:
    first, second = lease("s1"), lease("s2")
    world = World(tmp_path, [first, second])
    world.keeper.said[key_of(first)] = "canceled"
    for _ in range(2):
        world.control.tick(1, 2)
    assert world.left == [("s1", "canceled")]
    assert [world.control.stopped(place) for place in (0, 1)] == [True, False]
    assert world.control.why_stopped(second) is None
    world.keeper.said[key_of(second)] = "canceled"
    with pytest.raises(StepStopped):
        world.control.tick(2, 2)
    assert world.control.why_stopped(second) == "canceled"


def test_places_are_those_of_what_runs_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lease("s1"), lease("s2")
    world = World(tmp_path, [first, second])
    heard: list[Any] = []
    monkeypatch.setattr(world.announcer, "delta", lambda *said: heard.append(said))
    world.control.delta("to the first", 0)
    world.control.delta("to the second", 1)
    world.control.serve([second])
    world.control.delta("again", 0)
    assert [(step, text) for _, step, text, *_ in heard] == [
        ("s1", "to the first"), ("s2", "to the second"), ("s2", "again")
    ]  # fmt: skip
    world.keeper.said[key_of(second)] = "canceled"
    with pytest.raises(StepStopped):
        world.control.tick(1, 2)
    assert world.control.stopped(0)
    assert world.control.why_stopped(first) is None


def test_the_scratch_folder_is_made_when_it_is_wanted_and_emptied_after(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (scratch.path() / "film").write_bytes(b"frames")
    scratch.clear()
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_on_a_board_is_read_by_another_process() -> None:
    writer = Board.make()
    reader = Board(writer.fd)
    writer.write({"hold": [1, 2, 3]})
    writer.write({"hold": []})
    assert reader.read() == {"hold": []}
    with pytest.raises(ValueError, match="more than"):
        writer.write({"hold": "x" * 100_000})


def test_errors_of_nobody_become_errors_of_the_backend() -> None:
    assert isinstance(as_medley_error(MemoryError()), OutOfMemory)
    assert as_medley_error(KeyError("x")).code == BackendError.code


def test_what_a_value_is_follows_from_its_type_and_its_port() -> None:
    import numpy as np

    sound = Audio(samples=np.zeros((1, 8), dtype=np.float32), rate=8)
    assert modality_of("words", port(Modality.TEXT, about="")) is Modality.TEXT
    assert modality_of("words", port(Modality.DATA, about="")) is Modality.DATA
    assert modality_of(sound, port(Modality.AUDIO, about="")) is Modality.AUDIO
    with pytest.raises(BackendError):
        modality_of(object(), port(Modality.IMAGE, about=""))
