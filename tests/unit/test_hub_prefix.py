"""What prompts begin with is computed once, and the words stay the same."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.local import LocalHub
from hub.prefix import SHORTEST, shared
from medley.backend import Request, Result
from tests.contract.hub_fixtures import Recorder, loaded_hub, plan_request

WORDS = ["draw a red cat", "say hello to the dog in this picture", "x"]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> LocalHub:
    return loaded_hub(tmp_path_factory.mktemp("hub"), compact=False)


@pytest.fixture
def read(hub: LocalHub) -> Iterator[list[int]]:
    """How many tokens each long call of the model had to read in all rows."""
    assert hub._prefix is not None
    hub._prefix.__init__(hub._model)  # type: ignore[misc]
    seen: list[int] = []
    told = hub._model.get_input_embeddings().register_forward_hook(
        lambda module, given, out: (
            seen.append(out.shape[0] * out.shape[1]) if out.shape[1] > 1 else None
        )
    )
    yield seen
    told.remove()


def run(hub: LocalHub, *requests: Request) -> list[Result]:
    return hub.run(requests, Recorder(Path()))


def test_the_second_prompt_learns_what_the_third_need_not_read(
    hub: LocalHub, read: list[int]
) -> None:
    for words in WORDS:
        assert run(hub, plan_request(words))[0].error is None
    whole, beginning, rest, third = read
    assert beginning > 10 * rest
    assert third < whole / 10


def test_the_same_prompt_again_is_not_read_twice(hub: LocalHub, read: list[int]) -> None:
    for words in (*WORDS, WORDS[-1]):
        run(hub, plan_request(words))
    assert sum(read[-2:]) < read[0] / 10


def test_the_rows_of_a_batch_share_their_beginning(hub: LocalHub, read: list[int]) -> None:
    run(hub, *[plan_request(words) for words in WORDS])
    beginning, rest = read
    assert rest < beginning


def test_plans_are_the_same_with_and_without(hub: LocalHub, read: list[int]) -> None:
    with_it = [run(hub, plan_request(words))[0].outputs for words in (*WORDS, *WORDS)]
    together = [result.outputs for result in run(hub, *[plan_request(words) for words in WORDS])]
    kept, hub._prefix = hub._prefix, None
    without = [run(hub, plan_request(words))[0].outputs for words in WORDS]
    hub._prefix = kept
    assert with_it == without + without
    assert together == without


def test_a_prompt_that_begins_otherwise_is_read_whole(hub: LocalHub, read: list[int]) -> None:
    prefix = hub._prefix
    assert prefix is not None
    first, other = list(range(SHORTEST)), [7] * (SHORTEST + 2)
    assert prefix.of([[*first, 1, 2]]) == (0, None)
    assert prefix.of([[*first, 3]])[0] == SHORTEST
    assert prefix.of([other]) == (0, None)
    known, cache = prefix.of([[*first, 9, 9], [*first, 8]])
    assert (known, cache.layers[0].keys.shape[:3:2]) == (SHORTEST, (2, SHORTEST))


def test_a_beginning_is_as_long_as_both_agree() -> None:
    assert shared([1, 2, 3], [1, 2, 4, 5]) == 2
    assert shared([1, 2], [1, 2, 3]) == 2
    assert shared([], [1]) == 0
