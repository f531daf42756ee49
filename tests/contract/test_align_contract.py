"""`align` as a backend: what it gives, how it goes on after a kill, and what it refuses."""

import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hub.aligning import AligningBackend
from hub.connectors import Connector
from hub.local import LocalHub
from medley.backend import ModelSpec, Request, Result
from medley.errors import BadInput, StepStopped, Unavailable
from medley.media.values import Embedding
from medley.toolset.training import AlignParams
from tests.contract.hub_fixtures import SPACE, WIDTH, Recorder, write_tiny_hub

WORDS = ("a cat", "a dog", "the sun", "a red car", "an apple", "rain")


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    return write_tiny_hub(tmp_path_factory.mktemp("hub"), compact=True, connector=None)


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[AligningBackend]:
    backend = AligningBackend()
    backend.load(spec_of(tmp_path), "cpu")
    yield backend
    backend.unload()


def spec_of(home: Path) -> ModelSpec:
    """The trainer's entry."""
    options = {"folder": str(home / "models")}
    return ModelSpec(id="a", backend="align", tools=AligningBackend.tools, options=options)


def embeddings(count: int, of: str = "image", seed: int = 0) -> list[Embedding]:
    """Unit vectors of the hub's space."""
    vectors = np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)
    return [Embedding(vector=v / np.linalg.norm(v), space=SPACE, of=of) for v in vectors]


def lesson(hub: ModelSpec, *, seed: int = 5, inputs: Any = None, **params: Any) -> Request:
    """Six pairs to learn."""
    entry = {
        "id": "some/hub",
        "source": hub.source,
        "revision": "",
        "tools": ["plan", "answer"],
        "commercial": True,
        "rank": 1,
        "options": dict(hub.options),
    }
    given = {
        "hub": "some/hub",
        "name": "mine",
        "tokens": 2,
        "width": 16,
        "steps": 8,
        "batch": 4,
        "keep_every": 3,
        **params,
    }
    return Request(
        tool="align",
        inputs={
            "media": embeddings(len(WORDS)),
            "texts": list(WORDS),
            "catalogue": {"hub": entry, "not_commercial": ["other"]},
            **(inputs or {}),
        },
        params=AlignParams(**given).model_dump(),
        seed=seed,
    )


def run(trainer: AligningBackend, request: Request, control: Recorder) -> Result:
    """One training."""
    (result,) = trainer.run([request], control)
    return result


def report(result: Result) -> dict[str, Any]:
    """The report of a training that went well."""
    assert result.error is None, result.error
    found = result.outputs["report"]
    assert isinstance(found, dict)
    return found


def test_a_connector_is_trained_and_becomes_a_model(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    result = run(trainer, lesson(hub, steps=30, rate=0.01), Recorder(tmp_path))
    said = report(result)
    assert said["last"] < said["first"]
    assert (said["model"], said["steps"], len(said["losses"])) == ("mine", 30, 30)
    assert result.outputs["curve"].size == (800, 400)  # type: ignore[union-attr]
    config = Connector.from_pretrained(tmp_path / "models" / "mine" / "connector").config
    assert (config.source, config.hidden, config.tokens, config.space) == (WIDTH, 32, 2, SPACE)
    assert config.hub == "LlamaForCausalLM 2x32, 295 words"
    (entry,) = tomllib.loads((tmp_path / "models" / "mine.toml").read_text())["model"]
    assert (entry["like"], entry["space"], entry["rank"]) == ("some/hub", SPACE, 51)
    assert entry["tools"] == ["answer", "describe", "plan"]
    assert entry["commercial"] is True
    served = LocalHub()
    served.load(
        ModelSpec(
            id="mine",
            backend="transformers",
            tools=LocalHub.tools,
            source=hub.source,
            space=SPACE,
            options={**hub.options, **entry["options"]},
        ),
        "cpu",
    )
    media = {"media": embeddings(1)[0]}
    shown = Request(tool="describe", inputs=media, params={"question": "", "max_tokens": 6})
    (answer,) = served.run([shown], Recorder(tmp_path))
    assert answer.error is None


@pytest.mark.parametrize("kind", ["linear", "mlp", "qformer", "resampler", "upm"])
def test_every_kind_of_connector_learns(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path, kind: str
) -> None:
    given = lesson(hub, connector=kind, apart=True, steps=12, rate=0.01)
    said = report(run(trainer, given, Recorder(tmp_path)))
    assert said["losses"][-1] < said["first"]


def test_equal_seeds_give_equal_connectors_and_other_seeds_others(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    seeds = {"one": 5, "two": 5, "three": 6}
    found = {
        name: report(run(trainer, lesson(hub, name=name, seed=seed), Recorder(tmp_path)))["losses"]
        for name, seed in seeds.items()
    }
    assert found["one"] == found["two"]
    assert found["one"] != found["three"]


def test_a_stopped_training_goes_on_and_ends_where_an_unbroken_one_does(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    whole = report(run(trainer, lesson(hub, name="whole"), Recorder(tmp_path)))
    stopping = Recorder(tmp_path, stop_at=6)
    with pytest.raises(StepStopped):
        run(trainer, lesson(hub, name="parts"), stopping)
    assert stopping.ticks == 6
    going_on = Recorder(tmp_path)
    parts = report(run(trainer, lesson(hub, name="parts"), going_on))
    assert going_on.ticks < 8
    np.testing.assert_allclose(parts["losses"], whole["losses"], atol=1e-5)
    one, other = (
        Connector.from_pretrained(tmp_path / "models" / name / "connector").state_dict()
        for name in ("whole", "parts")
    )
    for name, weight in one.items():
        torch.testing.assert_close(weight, other[name], atol=1e-5, rtol=1e-4)


def test_a_checkpoint_of_another_training_is_not_gone_on_with(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    with pytest.raises(StepStopped):
        run(trainer, lesson(hub), Recorder(tmp_path, stop_at=6))
    control = Recorder(tmp_path)
    assert report(run(trainer, lesson(hub, seed=9), control))["steps"] == 8
    assert control.ticks == 9


def test_a_damaged_checkpoint_is_not_gone_on_with(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    (tmp_path / "models" / "mine" / "checkpoint.safetensors").write_bytes(b"\x00" * 50)
    assert report(run(trainer, lesson(hub), Recorder(tmp_path)))["steps"] == 8


def test_the_same_again_is_there_already_and_another_of_that_name_is_refused(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    first = report(run(trainer, lesson(hub), Recorder(tmp_path)))
    control = Recorder(tmp_path)
    assert report(run(trainer, lesson(hub), control)) == first
    assert control.ticks == 1
    other = run(trainer, lesson(hub, seed=1), Recorder(tmp_path))
    assert isinstance(other.error, BadInput)
    assert "another name" in other.error.message


def test_a_bad_item_fails_alone(trainer: AligningBackend, hub: ModelSpec, tmp_path: Path) -> None:
    mixed = [*embeddings(5), Embedding(vector=np.ones(WIDTH, np.float32), space="other")]
    bad = [
        {"texts": ["too few"]},
        {"texts": ["", *WORDS[1:]]},
        {"media": mixed},
        {"media": list(WORDS)},
        {"catalogue": None},
        {"questions": ["?"]},
        {"texts": ["x" * 40_000, *WORDS[1:]]},
    ]
    batch = [lesson(hub, name=f"bad{k}", inputs=given) for k, given in enumerate(bad)]
    batch += [lesson(hub, name="odd", width=9), lesson(hub, name="good")]
    results = trainer.run(batch, Recorder(tmp_path))
    assert all(isinstance(result.error, BadInput) for result in results[:-1])
    assert results[-1].error is None


def test_what_was_learnt_of_a_noncommercial_encoder_is_not_commercial(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    given = lesson(hub)
    rules = {**given.inputs["catalogue"], "not_commercial": [SPACE]}  # type: ignore[dict-item]
    run(trainer, lesson(hub, inputs={"catalogue": rules}), Recorder(tmp_path))
    (entry,) = tomllib.loads((tmp_path / "models" / "mine.toml").read_text())["model"]
    assert entry["commercial"] is False


def test_two_trainings_of_one_name_at_once_are_refused(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    found: list[Any] = []

    class Meanwhile(Recorder):
        def tick(self, *_: Any, **__: Any) -> None:
            if not found:
                found.append(None)
                found.append(run(trainer, lesson(hub), Recorder(tmp_path)).error)

    report(run(trainer, lesson(hub), Meanwhile(tmp_path)))
    assert isinstance(found[1], Unavailable)


def test_a_missing_hub_is_unavailable(trainer: AligningBackend, tmp_path: Path) -> None:
    gone = ModelSpec(id="x", backend="", tools=frozenset(), source=str(tmp_path / "nowhere"))
    result = run(trainer, lesson(gone), Recorder(tmp_path))
    assert isinstance(result.error, Unavailable)


def test_without_a_folder_or_unloaded_it_is_unavailable(hub: ModelSpec, tmp_path: Path) -> None:
    backend = AligningBackend()
    with pytest.raises(Unavailable):
        backend.run([lesson(hub)], Recorder(tmp_path))
    with pytest.raises(Unavailable):
        backend.load(ModelSpec(id="a", backend="align", tools=frozenset()), "cpu")


def test_stage_two_needs_a_hub_with_a_connector(
    trainer: AligningBackend, hub: ModelSpec, tmp_path: Path
) -> None:
    result = run(trainer, lesson(hub, stage=2), Recorder(tmp_path))
    assert isinstance(result.error, BadInput)
    assert "stage one" in result.error.message


@pytest.mark.skipif(find_spec("peft") is not None, reason="peft is installed")
def test_stage_two_without_peft_says_what_is_missing(
    trainer: AligningBackend, tmp_path: Path
) -> None:
    hub = write_tiny_hub(tmp_path / "hub", compact=True)
    result = run(trainer, lesson(hub, stage=2), Recorder(tmp_path))
    assert isinstance(result.error, Unavailable)
    assert "peft" in result.error.message


@pytest.mark.skipif(find_spec("peft") is None, reason="needs peft: the extra `train`")
def test_stage_two_trains_adapters_and_writes_the_hub_with_them(
    trainer: AligningBackend, tmp_path: Path
) -> None:
    hub = write_tiny_hub(tmp_path / "hub", compact=True)
    asked = {"questions": ["What is this?", "这是什么？"] * 3}
    given = lesson(hub, stage=2, lora_rank=2, steps=20, rate=0.01, inputs=asked)
    said = report(run(trainer, given, Recorder(tmp_path)))
    assert said["last"] < said["first"]
    (entry,) = tomllib.loads((tmp_path / "models" / "mine.toml").read_text())["model"]
    tuned = ModelSpec(
        id="mine",
        backend="transformers",
        tools=LocalHub.tools,
        source=entry["source"],
        options=entry["options"],
    )
    LocalHub().load(tuned, "cpu")
