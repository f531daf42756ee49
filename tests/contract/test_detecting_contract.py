"""What a detector behind `detect` keeps."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medley.backend import Backend, ModelSpec, Request
from medley.errors import BadInput, StepStopped, Unavailable
from medley.toolset.seeing import DETECT
from tests.contract.test_encoder_contract import Recorder
from tests.tiny import encoders, looking
from workers.registry import make_backend


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(
        id="tiny/detector",
        backend="detecting",
        tools=frozenset({"detect"}),
        source=str(folder),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    made = tmp_path_factory.mktemp("detector")
    looking.grounding_dino(made)
    return made


@pytest.fixture(scope="module")
def backend(folder: Path) -> Backend:
    made = make_backend("detecting")
    made.load(spec(folder), "cpu")
    return made


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    dice = np.random.default_rng(0)
    shapes = ((40, 56, 3), (48, 48, 3))
    return [Image.fromarray(dice.integers(0, 255, s, dtype=np.uint8)) for s in shapes]


def ask(image: Any, text: Any = "cat, dog", threshold: float = 0.0) -> Request:
    return Request(
        tool="detect", inputs={"image": image, "text": text}, params={"threshold": threshold}
    )


def boxes(backend: Backend, image: Any, *asked: Any) -> list[dict[str, Any]]:
    (result,) = backend.run([ask(image, *asked)], Recorder())
    assert result.error is None
    found: list[dict[str, Any]] = result.outputs["boxes"]
    return found


def test_boxes_lie_in_the_picture_best_first_under_the_names_that_were_asked_for(
    backend: Backend, pictures: list[Image.Image]
) -> None:
    assert isinstance(backend, Backend)
    (result,) = backend.run([ask(pictures[0], "A cat. the Dog, sun")], Recorder())
    assert set(result.outputs) == set(DETECT.outputs)
    found = json.loads(json.dumps(result.outputs["boxes"]))
    assert len(found) == 5
    assert {box["label"] for box in found} <= {"A cat", "the Dog", "sun"}
    scores = [box["score"] for box in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0.0 <= score <= 1.0 for score in scores)
    for x0, y0, x1, y1 in (box["box"] for box in found):
        assert 0 <= x0 <= x1 <= 56
        assert 0 <= y0 <= y1 <= 40


def test_the_scores_are_those_of_the_library(
    backend: Backend, folder: Path, pictures: list[Image.Image]
) -> None:
    import torch
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    inputs = processor(images=pictures[0], text=[["cat", "dog"]], return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    (expected,) = processor.post_process_grounded_object_detection(
        outputs, inputs["input_ids"], threshold=0.0, text_threshold=0.0, target_sizes=[(40, 56)]
    )
    inside = expected["boxes"].clamp(min=0).minimum(torch.tensor([56.0, 40.0, 56.0, 40.0]))
    by_box = {tuple(round(side, 1) for side in box.tolist()) for box in inside}
    ours = {tuple(round(side, 1) for side in box["box"]) for box in boxes(backend, pictures[0])}
    assert ours == by_box


def test_a_threshold_leaves_out_what_is_below(
    backend: Backend, pictures: list[Image.Image]
) -> None:
    every = boxes(backend, pictures[0])
    middle = every[2]["score"]
    assert boxes(backend, pictures[0], "cat, dog", middle) == every[:3]
    assert boxes(backend, pictures[0], "cat, dog", 1.0) == []


def test_a_batch_gives_what_its_items_give_alone(
    backend: Backend, pictures: list[Image.Image]
) -> None:
    asked = [(one, text) for one in pictures for text in ("cat", "a dog, the sun")]
    together = backend.run([ask(*item) for item in asked], Recorder())
    for item, result in zip(asked, together, strict=True):
        assert result.outputs["boxes"] == boxes(backend, *item)


def test_a_bad_item_fails_alone(backend: Backend, pictures: list[Image.Image]) -> None:
    good = pictures[0]
    texts: list[Any] = ["cat", " ", ", .", "cat " * 300, "cat"]
    results = backend.run([ask(good, text) for text in texts] + [ask(3.5)], Recorder())
    failed = [type(result.error) for result in results]
    assert failed == [type(None), BadInput, BadInput, BadInput, type(None), BadInput]


def test_it_reports_and_hears_a_stop(backend: Backend, pictures: list[Image.Image]) -> None:
    control = Recorder()
    backend.run([ask(one) for one in pictures], control)
    assert control.ticks[-1] == (2, 2)
    with pytest.raises(StepStopped):
        backend.run([ask(one) for one in pictures], Recorder(stop_after=4))
    assert boxes(backend, pictures[0])


def test_it_can_be_unloaded_and_loaded_again(
    backend: Backend, folder: Path, pictures: list[Image.Image]
) -> None:
    before = boxes(backend, pictures[0])
    backend.unload()
    with pytest.raises(Unavailable):
        backend.run([ask(pictures[0])], Recorder())
    backend.load(spec(folder), "cpu")
    assert boxes(backend, pictures[0]) == before


def test_another_kind_of_model_and_pickles_are_refused(tmp_path: Path) -> None:
    encoders.clip(tmp_path)
    with pytest.raises(Unavailable, match="no detector"):
        make_backend("detecting").load(spec(tmp_path), "cpu")
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(Unavailable, match="pickle"):
        make_backend("detecting").load(spec(tmp_path), "cpu")
