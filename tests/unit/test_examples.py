"""The example workflows pass the gate, so that the documentation cannot go stale."""

import json
from pathlib import Path

import pytest

from medley.gate import Known, check
from medley.modality import Modality
from medley.plan import Workflow
from medley.toolset import toolbox

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.json"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_workflow_passes_the_gate(path: Path) -> None:
    workflow = Workflow.model_validate(json.loads(path.read_text(encoding="utf-8")))
    inputs = {
        name: frozenset({Modality(given.modality)}) for name, given in workflow.inputs.items()
    }
    assert check(workflow.plan, Known(tools=toolbox(), inputs=inputs)) == []
