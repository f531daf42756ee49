"""The bridge: any text hub reads a vector through any connector, and refuses one that does not
fit."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hub.connectors import CONFIG, Connector
from hub.local import LocalHub
from medley.backend import ModelSpec, Request
from medley.errors import BadInput, StepStopped, Unavailable
from medley.media.values import Embedding
from tests.contract.hub_fixtures import Recorder
from tests.tiny.rows_bridge import SEEN_AND_HEARD, bridge

KINDS = ("linear", "mlp", "qformer", "resampler", "upm")


def spec_of(folder: Path, **more: Any) -> ModelSpec:
    """The entry of a tiny hub."""
    given = {"id": "b", "backend": "transformers", "space": "starter", **more}
    return ModelSpec(tools=LocalHub.tools, source=str(folder), **given)


def loaded(folder: Path, kind: str, hub: str = "Llama", **more: Any) -> LocalHub:
    """Such a hub, in memory."""
    bridge(kind, hub, **more)(folder)
    made = LocalHub()
    made.load(spec_of(folder), "cpu")
    return made


def shown(seed: int = 0, of: str = "image", space: str = "starter", wide: int = 256) -> Request:
    """A vector to describe."""
    vector = np.random.default_rng(seed).normal(size=wide).astype(np.float32)
    media = Embedding(vector=vector / np.linalg.norm(vector), space=space, of=of)
    params = {"question": "What is this?", "language": "auto", "max_tokens": 12}
    return Request(tool="describe", inputs={"media": media}, params=params)


def words(hub: LocalHub, folder: Path, *requests: Request) -> list[Any]:
    """What is said about each."""
    results = hub.run(requests, Recorder(folder))
    assert all(result.error is None for result in results), results
    return [result.outputs["text"] for result in results]


@pytest.mark.parametrize("kind", KINDS)
def test_every_connector_lets_a_hub_read(kind: str, tmp_path: Path) -> None:
    hub = loaded(tmp_path, kind, tokens=3)
    together = words(hub, tmp_path, shown(1), shown(2), shown(3))
    assert together == [words(hub, tmp_path, shown(seed))[0] for seed in (1, 2, 3)]


@pytest.mark.parametrize("family", ["Llama", "Qwen3", "Mistral"])
def test_every_text_hub_reads(family: str, tmp_path: Path) -> None:
    hub = loaded(tmp_path, "linear", family)
    assert all(isinstance(said, str) for said in words(hub, tmp_path, shown(1), shown(2)))


def test_a_hub_with_a_connector_for_each_modality_asks_which_it_is(tmp_path: Path) -> None:
    hub = loaded(tmp_path, "resampler", modalities=SEEN_AND_HEARD)
    results = hub.run([shown(of="image"), shown(of=""), shown(of="audio")], Recorder(tmp_path))
    assert [result.error is None for result in results] == [True, False, True]
    assert isinstance(results[1].error, BadInput)
    assert "image, audio, video" in results[1].error.message


def test_what_does_not_fit_fails_alone(tmp_path: Path) -> None:
    hub = loaded(tmp_path, "linear")
    results = hub.run([shown(space="other"), shown(wide=7), shown()], Recorder(tmp_path))
    assert [type(result.error) for result in results] == [BadInput, BadInput, type(None)]


def test_a_stop_is_heard_and_the_hub_works_on(tmp_path: Path) -> None:
    hub = loaded(tmp_path, "upm")
    with pytest.raises(StepStopped):
        hub.run([shown()], Recorder(tmp_path, stop_at=2))
    assert words(hub, tmp_path, shown())


def test_a_connector_of_another_width_names_both(tmp_path: Path) -> None:
    bridge("linear", tokens=3, hidden=48)(tmp_path)
    with pytest.raises(Unavailable, match=r"writes \(3, 48\); the hub reads \(…, 32\)"):
        LocalHub().load(spec_of(tmp_path), "cpu")


def test_a_connector_of_another_hub_is_refused(tmp_path: Path) -> None:
    bridge("linear")(tmp_path)
    config = Connector.from_pretrained(tmp_path / "connector").config
    other = asdict(replace(config, hub="LlamaForCausalLM 32x32, 320 words"))
    (tmp_path / "connector" / CONFIG).write_text(json.dumps(other))
    with pytest.raises(Unavailable, match="trained for another hub"):
        LocalHub().load(spec_of(tmp_path), "cpu")


def test_a_connector_of_another_space_or_none_where_one_is_named_is_refused(tmp_path: Path) -> None:
    bridge("linear")(tmp_path)
    with pytest.raises(Unavailable, match="'starter'"):
        LocalHub().load(spec_of(tmp_path, space="other"), "cpu")
    missing = {"connector": str(tmp_path / "nowhere")}
    with pytest.raises(Unavailable, match="nowhere"):
        LocalHub().load(spec_of(tmp_path, options=missing), "cpu")


def test_a_hub_can_be_loaded_again(tmp_path: Path) -> None:
    hub = loaded(tmp_path, "mlp")
    before = words(hub, tmp_path, shown())
    hub.unload()
    hub.load(spec_of(tmp_path), "cpu")
    assert words(hub, tmp_path, shown()) == before
