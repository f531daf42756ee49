"""When a worker counts as one that leaves work lying."""

from workers.watchdog import STARTING_S, Look, Patience

WAITS = Look("job/a", children=True, busy=False)


def test_a_step_that_waits_too_long_for_idle_children() -> None:
    patience = Patience(10.0)
    assert not patience.lost(WAITS, 0.0)
    assert not patience.lost(WAITS, 9.0)
    assert patience.lost(WAITS, 10.0)


def test_children_that_run_something_or_a_queue_that_moves() -> None:
    patience = Patience(10.0)
    patience.lost(WAITS, 0.0)
    assert not patience.lost(Look("job/a", children=True, busy=True), 9.0)
    assert not patience.lost(WAITS, 15.0)
    assert not patience.lost(Look("job/b", children=True, busy=False), 24.0)
    assert not patience.lost(Look(None, children=True, busy=False), 33.0)
    assert not patience.lost(WAITS, 50.0)
    assert patience.lost(WAITS, 60.0)


def test_children_that_are_not_there_yet_have_longer() -> None:
    patience = Patience(10.0)
    absent = Look("job/a", children=False, busy=False)
    patience.lost(absent, 0.0)
    assert not patience.lost(absent, STARTING_S - 1)
    assert patience.lost(absent, STARTING_S)


def test_children_that_have_just_come_have_their_whole_time() -> None:
    patience = Patience(10.0)
    patience.lost(Look("job/a", children=False, busy=False), 0.0)
    assert not patience.lost(WAITS, 30.0)
    assert not patience.lost(WAITS, 39.0)
    assert patience.lost(WAITS, 40.0)
