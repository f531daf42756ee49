"""Memory pressure: the rungs in their order, and nothing that fitted is run again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from medley.backend import Result
from medley.errors import BadInput, OutOfMemory
from workers.pressure import EVICTED, HALVED, relieved


@dataclass
class Device:
    """Runs so many at once; request 9 never fits."""

    room: int
    more: int = 0  # that fit once the others are gone
    raises: bool = True
    runs: list[list[int]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def run(self, places: Sequence[int]) -> list[Result]:
        self.runs.append(list(places))
        if len(places) > self.room or 9 in places:
            if self.raises:
                raise OutOfMemory("full")
            fits = places[: self.room]
            return [
                Result(outputs={"text": str(place)})
                if place in fits and place != 9
                else Result(error=OutOfMemory("full"))
                for place in places
            ]
        return [Result(outputs={"text": str(place)}) for place in places]

    def make_room(self) -> bool:
        self.room += self.more
        return bool(self.more)

    def ask(self, size: int) -> list[Result]:
        return relieved(self.run, size, self.make_room, self.told.append)


def test_what_fits_is_run_once() -> None:
    device = Device(room=4)
    results = device.ask(4)
    assert (device.runs, device.told) == ([[0, 1, 2, 3]], [])
    assert all("out_of_memory" not in result.usage for result in results)


def test_other_models_go_first() -> None:
    device = Device(room=2, more=2)
    results = device.ask(4)
    assert (len(device.runs), device.told) == (2, [EVICTED])
    assert {result.usage["out_of_memory"] for result in results} == {EVICTED}


def test_then_the_batch_is_cut() -> None:
    device = Device(room=2)
    results = device.ask(7)
    assert [result.outputs["text"] for result in results] == [str(place) for place in range(7)]
    assert device.told == [HALVED]
    assert {result.usage["out_of_memory"] for result in results} == {HALVED}


def test_what_never_fits_fails_alone() -> None:
    results = Device(room=16).ask(12)
    assert [place for place, result in enumerate(results) if result.error] == [9]
    assert isinstance(results[9].error, OutOfMemory)


def test_what_fitted_is_not_run_again() -> None:
    device = Device(room=3, raises=False)
    results = device.ask(6)
    assert not any(result.error for result in results)
    ran = [place for places in device.runs[1:] for place in places]
    assert set(ran) == {3, 4, 5}
    assert "out_of_memory" not in results[0].usage


def test_other_errors_are_left_alone() -> None:
    results = relieved(lambda places: [Result(error=BadInput("x"))], 1, lambda: True, print)
    assert isinstance(results[0].error, BadInput)
