"""The next part is prepared while one runs; order, errors and single parts stay as they are."""

import threading

import pytest

from workers.ahead import ahead


def test_parts_come_in_order() -> None:
    assert list(ahead([1, 2, 3], lambda part: 10 * part)) == [10, 20, 30]
    assert list(ahead([1], str)) == ["1"]
    assert list(ahead([], str)) == []


def test_the_next_part_is_prepared_while_this_one_runs() -> None:
    prepared = [threading.Event() for _ in range(3)]

    def prepare(part: int) -> int:
        prepared[part].set()
        return part

    for part in ahead([0, 1, 2], prepare):
        if part < 2:
            assert prepared[part + 1].wait(timeout=30)  # nobody has asked for it yet


def test_what_cannot_be_prepared_is_raised_when_it_is_due() -> None:
    def prepare(part: int) -> int:
        return 1 // part

    found = ahead([1, 0], prepare)
    assert next(found) == 1
    with pytest.raises(ZeroDivisionError):
        next(found)
