"""A hub that knows nothing still writes plans that are accepted: the grammar leaves no others."""

from pathlib import Path

import pytest

from bench.random_plans import write_plans, write_random_hub
from hub.local import LocalHub


@pytest.mark.parametrize("wording", ["compact", "chat"])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_plan_of_a_random_hub_is_accepted(tmp_path: Path, wording: str, seed: int) -> None:
    hub = LocalHub()
    hub.load(write_random_hub(tmp_path, wording=wording, seed=seed), "cpu")
    written = list(write_plans(hub, 10, batch=10, seed=seed))
    assert [plan.story() for plan in written if not plan.good] == []
    assert any(plan.plan and plan.plan.steps for plan in written)
