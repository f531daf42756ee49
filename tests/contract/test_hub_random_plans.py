"""A hub that knows nothing still writes plans that are accepted: the grammar leaves no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.random_plans import write_plans, write_random_hub
from hub.local import LocalHub


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in so small a model."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("wording", "seed"), [("compact", 1), ("compact", 2), ("chat", 0)])
def test_every_plan_of_a_random_hub_is_accepted(tmp_path: Path, wording: str, seed: int) -> None:
    hub = LocalHub()
    hub.load(write_random_hub(tmp_path, wording=wording, seed=seed), "cpu")
    written = list(write_plans(hub, 14, batch=14, seed=seed))
    assert [plan.story() for plan in written if not plan.good] == []
    assert any(plan.plan and plan.plan.steps for plan in written)
