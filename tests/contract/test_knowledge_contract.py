"""Looking up: facts by name and hops, passages by their words, and where each of them stands."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.knowledge import KnowledgeBackend
from medley.backend import ModelSpec, Request, Result
from medley.errors import BadInput, StepStopped, Unavailable
from tests.contract.test_encoder_contract import Recorder

GRAPH = (
    "umbrella\tused_for\train\nrain\tmade_of\twater\n雨伞\t用于\t下雨\nbroken line\n"
    "red umbrella\tis_a\tumbrella\n"
)
TEXT = (
    "# Weather\n\nAn umbrella keeps the rain off.\nIt folds.\n\nSnow is cold.\n\n下雨天要带雨伞。\n"
)


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(id="k", backend="knowledge", tools=frozenset({"look_up"}), source=str(folder))


@pytest.fixture
def base(tmp_path: Path) -> Iterator[KnowledgeBackend]:
    (tmp_path / "deep").mkdir()
    (tmp_path / "graph.tsv").write_text(GRAPH)
    (tmp_path / "deep" / "weather.md").write_text(TEXT)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    backend = KnowledgeBackend()
    backend.load(spec(tmp_path), "cpu")
    yield backend
    backend.unload()


def ask(query: str, limit: int = 5, hops: int = 1) -> Request:
    return Request(tool="look_up", inputs={"query": query}, params={"limit": limit, "hops": hops})


def run(base: KnowledgeBackend, *requests: Request) -> list[Result]:
    return base.run(requests, Recorder())  # type: ignore[arg-type]


def found(base: KnowledgeBackend, *given: Any, **options: Any) -> list[dict[str, Any]]:
    (result,) = run(base, ask(*given, **options))
    assert result.error is None
    value: list[dict[str, Any]] = result.outputs["found"]
    return value


def test_facts_and_passages_say_where_they_stand(base: KnowledgeBackend) -> None:
    items = found(base, "What is an umbrella used for?")
    fact = {"kind": "fact", "text": "umbrella used for rain", "source": "graph.tsv:1", "hops": 1}
    assert fact in items
    passage = next(item for item in items if item["kind"] == "passage")
    assert (passage["text"], passage["source"]) == (
        "An umbrella keeps the rain off. It folds.",
        "deep/weather.md:3",
    )


def test_more_hops_reach_further(base: KnowledgeBackend) -> None:
    near = [item["text"] for item in found(base, "umbrella", hops=1)]
    far = [item["text"] for item in found(base, "umbrella", limit=8, hops=2)]
    assert "rain made of water" not in near
    assert "rain made of water" in far


def test_the_longest_name_is_meant(base: KnowledgeBackend) -> None:
    assert found(base, "my red umbrella")[0]["text"] == "red umbrella is a umbrella"


def test_chinese_is_found(base: KnowledgeBackend) -> None:
    items = found(base, "雨伞有什么用?")
    assert "雨伞 用于 下雨" in [item["text"] for item in items]
    assert any(item["text"] == "下雨天要带雨伞。" for item in items)


def test_without_hops_only_passages_are_found(base: KnowledgeBackend) -> None:
    assert {item["kind"] for item in found(base, "umbrella rain", hops=0)} == {"passage"}


@pytest.mark.parametrize("query", ['" OR 1=1', "NEAR(a b)", "umbrella*", "'; DROP TABLE facts; --"])
def test_words_are_never_a_query_language(base: KnowledgeBackend, query: str) -> None:
    (result,) = run(base, ask(query))
    assert result.error is None
    assert found(base, "umbrella")


def test_what_is_empty_fails_alone_and_nothing_found_is_said(base: KnowledgeBackend) -> None:
    empty, nothing = run(base, ask(" ?! "), ask("zebra"))
    assert isinstance(empty.error, BadInput)
    assert nothing.outputs == {"text": "Nothing was found.", "found": []}


def test_it_stops_between_requests_and_can_be_asked_again(base: KnowledgeBackend) -> None:
    with pytest.raises(StepStopped):
        base.run([ask("umbrella")] * 3, Recorder(stop_after=1))  # type: ignore[arg-type]
    assert found(base, "umbrella")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="is not at"):
        KnowledgeBackend().load(spec(tmp_path / "nowhere"), "cpu")
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(Unavailable, match=r"bad\.txt"):
        KnowledgeBackend().load(spec(tmp_path), "cpu")
    with pytest.raises(Unavailable, match="not loaded"):
        KnowledgeBackend().run([ask("x")], Recorder())  # type: ignore[arg-type]
