"""What models write is kept as JSON, whatever signs and numbers it holds."""

import json
from pathlib import Path

import pytest

from medley.media.facts import Limits
from medley.parts import DataPart, TextPart
from medley.storable import made_storable, unstorable
from medley.toolset import toolbox
from orchestrator.assets import FolderStore
from orchestrator.engine import Lease
from workers.media import to_parts

LEASE = Lease(
    job="j", step="s1", token=1, attempt=1, crashes=0, max_attempts=3, tenant="t", kind="work",
    tool="describe", tool_version=1, model=None, lane="hub", round=1, params={}, seed=0, inputs={},
    sources=None,
)  # fmt: skip


@pytest.mark.parametrize("odd", ["a\0b", "\ud800", "x\udfff", float("nan"), float("-inf")])
def test_what_cannot_be_kept_is_found_and_made_good(odd: object) -> None:
    value = {"a": [1, {"b/c": odd}], "d": "fine 猫🐈"}
    assert [pointer for pointer, _ in unstorable(value)] == ["/a/1/b~1c"]
    good = made_storable(value)
    assert list(unstorable(good)) == []
    json.dumps(good, allow_nan=False).encode()


def test_what_is_nested_without_end_is_refused() -> None:
    deep: object = []
    for _ in range(5000):
        deep = [deep]
    assert ["nested deeper" in reason for _, reason in unstorable(deep)] == [True]


def test_the_words_of_a_backend_can_be_kept(tmp_path: Path) -> None:
    tools = toolbox()
    store = FolderStore(tmp_path)
    said = to_parts({"text": "a\0b"}, LEASE, tools["describe"], {}, store, Limits())
    assert said.parts == {"text": TextPart(text="a\ufffdb")}
    plan = {"plan": {"steps": [{"text": "\ud800"}]}}
    written = to_parts(plan, LEASE, tools["plan"], {}, store, Limits())
    assert written.parts == {"plan": DataPart(data={"steps": [{"text": "\ufffd"}]})}
