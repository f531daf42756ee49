"""What goes into the engine is checked before it goes in; bindings are resolved purely."""

from dataclasses import replace

import pytest

from medley.errors import BadInput, InvalidPlan
from medley.modality import Modality
from medley.parts import AssetPart, TextPart
from medley.settings import Settings
from medley.toolset import toolbox
from orchestrator.broker import broker_config
from orchestrator.cache import cache_key
from orchestrator.engine import Inputs, Lease, NewStep, StoredAsset, asset_ids, check_graph, resolve
from orchestrator.engine.values import needs_of

CAT = StoredAsset(id="asset_1", sha256="c" * 64, modality="image", media_type="image/png", facts={})


def step(name: str, *needs: str) -> NewStep:
    """A step that reads these steps."""
    return NewStep(
        id=name, tool="echo", lane="cpu", inputs={"x": [{"from": f"{n}.out"} for n in needs]}
    )


def lease(**inputs: object) -> Lease:
    """A lease with these bindings, after a step `s1` that gave words and two pictures."""
    picture = {"type": "asset", "asset": "asset_1", "modality": "image", "media_type": "image/png"}
    sources = {"s1": {"text": {"type": "text", "text": "a cat"}, "images": [picture, picture]}}
    return Lease(
        job="job_1", step="s2", token=1, attempt=1, crashes=0, max_attempts=3, tenant="t",
        kind="work", tool="resize", tool_version=1, model=None, lane="cpu", round=1,
        params={"width": 8}, seed=7, inputs=inputs, sources=sources,
    )  # fmt: skip


def test_needs_follow_from_the_bindings() -> None:
    assert needs_of({"a": {"from": "s1.image", "item": 2}, "b": [{"text": "x"}]}) == {"s1"}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([step("a"), step("a")], "twice"),
        ([step("a", "b")], "does not exist"),
        ([step("a", "b"), step("b", "a")], "circle"),
    ],
)
def test_a_graph_that_cannot_run_is_refused(steps: list[NewStep], said: str) -> None:
    with pytest.raises(InvalidPlan, match=said):
        check_graph(steps)


def test_bindings_become_parts() -> None:
    found = resolve(
        lease(
            words={"from": "s1.text"},
            one={"from": "s1.images", "item": 1},
            given={"asset": "asset_1"},
            many=[{"text": "hi"}, {"from": "s1.images"}],
        ),
        {"asset_1": CAT},
    )
    cat = AssetPart(asset="asset_1", modality=Modality.IMAGE, media_type="image/png")
    assert found == {
        "words": TextPart(text="a cat"),
        "one": cat,
        "given": cat,
        "many": [TextPart(text="hi"), cat, cat],
    }


@pytest.mark.parametrize(
    "binding", [{"asset": "gone"}, {"from": "s1.nothing"}, {"from": "s1.images", "item": 2}]
)
def test_what_is_not_there_is_a_bad_input(binding: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        resolve(lease(x=binding), {"asset_1": CAT})


def test_all_assets_of_a_step_are_known_before_it_runs() -> None:
    assert asset_ids(lease(x={"asset": "asset_2"})) == {"asset_1", "asset_2"}


def test_equal_content_has_an_equal_key_whatever_its_id() -> None:
    tool, given = toolbox()["resize"], lease()
    other = replace(CAT, id="asset_9")

    def key(asset: StoredAsset, of: Lease = given) -> str | None:
        parts: Inputs = {"image": AssetPart(asset=asset.id, modality=Modality.IMAGE)}
        return cache_key(of, tool, None, parts, {asset.id: asset})

    assert key(CAT) == key(other)
    assert key(CAT) == key(CAT, replace(given, seed=8))  # resize takes no seed
    assert key(CAT) != key(CAT, replace(given, params={"width": 9}))
    assert cache_key(given, toolbox()["search"], None, {}, {}) is None


def test_redis_options_stay_with_redis() -> None:
    rabbit = broker_config(Settings(broker_url="amqp://guest@localhost//"))
    valkey = broker_config(Settings(redis_url="redis+socket:///run/valkey.sock"))
    assert rabbit["broker_transport_options"] == {}
    assert valkey["broker_transport_options"]["unacked_restore_throttle"] == 1
    assert rabbit["accept_content"] == ["json"]
    assert rabbit["result_backend"] is None
