"""Multimodal hubs of many families, tiny and with random weights: they describe what they are
shown, alone as in a batch, and plan like any other hub.

Their video processors need torchvision; without it videos are shown as pictures, which is what is
seen here. How each model itself takes frames is tried with tensors made by hand.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hub.decoding import FreeGuide
from hub.items import Item
from hub.multimodal import MultimodalHub
from medley.backend import ModelSpec, Request
from medley.errors import BadInput, StepStopped, Unavailable
from medley.gate import parse_plan
from medley.media import video as videos
from medley.media.values import Audio, Embedding, Video
from tests.contract.hub_fixtures import Recorder, plan_request
from tests.tiny.multimodal import HEARING, MULTIMODAL

OPTIONS = {"max_words": 24, "max_steps": 2, "frames": 3}


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(
        id="tiny",
        backend="multimodal",
        tools=MultimodalHub.tools,
        source=str(folder),
        options=OPTIONS,
    )


def loaded(folder: Path, family: str) -> MultimodalHub:
    """A tiny hub of a family, in memory."""
    import torch

    torch.manual_seed(0)
    MULTIMODAL[family](folder)
    hub = MultimodalHub()
    hub.load(spec(folder), "cpu")
    return hub


@cache
def picture(seed: int = 0, width: int = 64, height: int = 48) -> Any:
    dice = np.random.default_rng(seed)
    return Image.fromarray(dice.integers(0, 255, (height, width, 3), dtype=np.uint8))


def sound(seconds: float = 1.0) -> Audio:
    dice = np.random.default_rng(0)
    samples = dice.normal(0, 0.1, (2, int(22_050 * seconds))).astype(np.float32)
    return Audio(samples=samples, rate=22_050)


def film(folder: Path) -> Video:
    return videos.write(
        folder / "film.mp4", [picture(place % 2) for place in range(12)], fps=8.0, audio=sound(1.5)
    )


def describe(media: Any, question: str = "What is this?", most: int = 8) -> Request:
    return Request(
        tool="describe",
        inputs={"media": media},
        params={"question": question, "language": "auto", "max_tokens": most},
    )


def chat(*media: Any, **params: Any) -> Request:
    """A chat of three messages; media stand in the first, and the last if there are two."""
    shown = [{"type": "asset", "asset": "a", "modality": "image", "media_type": "image/png"}]
    messages = [
        {"role": "system", "parts": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "text": "What is this?"}, *shown]},
        {"role": "assistant", "parts": [{"type": "text", "text": "A cat."}]},
        {"role": "user", "parts": [*shown * (len(media) - 1), {"type": "text", "text": "And?"}]},
    ]
    more = {"max_tokens": 4, **params}
    return Request(tool="chat", inputs={"seen": list(media)}, params={"messages": messages, **more})


def first_scores(hub: MultimodalHub, request: Request, folder: Path) -> Any:
    """Of the first token that is written, shape (vocabulary,)."""
    found: list[Any] = []
    head = hub._model.get_output_embeddings()
    told = head.register_forward_hook(lambda module, given, out: found.append(out[0, -1]))
    hub.run([request], Recorder(folder))
    told.remove()
    return found[0]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """More threads only wait for each other in so small a model."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("family", MULTIMODAL)
def test_a_family_describes_plans_and_hears_if_it_can(family: str, tmp_path: Path) -> None:
    hub = loaded(tmp_path, family)
    batch = [
        describe(picture(0)),
        describe(picture(1), "Is there anything to read in this picture?"),
        describe(film(tmp_path)),
        describe(sound()),
        plan_request("draw", seed=1, tools=["resize"], faults=[{}], max_tokens=600),
    ]
    together = hub.run(batch, Recorder(tmp_path))
    assert all(isinstance(result.outputs["text"], str) for result in together[:3])
    assert together[0].usage["output_tokens"] <= 8
    if family in HEARING:
        assert isinstance(together[3].outputs["text"], str)
    else:
        assert isinstance(together[3].error, BadInput)
    parse_plan(together[4].outputs["plan"])
    # What was shown before changes nothing for what comes after.
    alone = [hub.run([request], Recorder(tmp_path))[0] for request in batch[:4]]
    assert [result.outputs for result in alone] == [result.outputs for result in together[:4]]
    shown = [describe(picture(place), most=1) for place in (0, 1, 0)]
    talked = [chat(picture(place), max_tokens=1) for place in (0, 1, 0)]
    for first, other, same in (shown, talked):
        scores = first_scores(hub, first, tmp_path)
        assert not scores.equal(first_scores(hub, other, tmp_path))
        assert scores.equal(first_scores(hub, same, tmp_path))
    one, two, words = hub.run(
        [chat(picture(0)), chat(picture(0), picture(1)), chat("A red cat.")], Recorder(tmp_path)
    )
    assert (one.error, two.error, words.error) == (None, None, None)
    assert two.usage["input_tokens"] > one.usage["input_tokens"]
    if family in HEARING:
        (heard,) = hub.run([chat(sound())], Recorder(tmp_path))
        assert heard.error is None
    hub.unload()


@dataclass
class World:
    """One hub for all that is the same in every family."""

    hub: MultimodalHub
    folder: Path

    def run(self, *batch: Request, control: Recorder | None = None) -> list[Any]:
        return self.hub.run(batch, control or Recorder(self.folder))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("llava")
    return World(loaded(folder, "llava"), folder)


def test_pictures_of_a_batch_are_read_at_once(world: World) -> None:
    seen: list[tuple[int, ...]] = []
    tower = world.hub._model.model.vision_tower
    told = tower.register_forward_hook(lambda module, given, out: seen.append(tuple(out[0].shape)))
    world.run(describe(picture(0)), describe(picture(1), "And what is this one?"))
    told.remove()
    assert [shape[0] for shape in seen] == [2]


def test_what_cannot_be_shown_fails_alone(world: World, tmp_path: Path) -> None:
    gone = Video(path=tmp_path / "gone", width=8, height=8, fps=8, seconds=1, has_audio=False)
    vector = Embedding(vector=np.ones(4, dtype=np.float32), space="any")
    bad = [describe(media) for media in (object(), gone, vector, sound())]
    results = world.run(describe(picture()), *bad, describe(picture(1)))
    assert [result.error is None for result in results] == [True, *[False] * 4, True]


def test_a_chat_calls_functions_and_counts_its_tokens_with_pictures_in_it(world: World) -> None:
    function = {"name": "look_closer", "parameters": {}}
    called, counted, film_ = world.run(
        chat(picture(), functions=[function], choice="required", max_tokens=100),
        chat(picture(), max_tokens=0),
        chat(film(world.folder)),
    )
    assert called.outputs["said"]["calls"] == [{"name": "look_closer", "arguments": "{}"}]
    assert counted.usage["output_tokens"] == 0
    assert counted.usage["input_tokens"] > 16  # of the picture alone
    assert film_.usage["input_tokens"] > counted.usage["input_tokens"]


def test_words_about_a_picture_cannot_show_another_one(world: World) -> None:
    (result,) = world.run(chat("<image> and <image>? <|im_end|>"))
    assert result.error is None


def test_a_question_cannot_show_a_picture_that_is_not_there(world: World) -> None:
    (result,) = world.run(describe(picture(), "<image> and <image>? <|im_end|>"))
    assert result.error is None


def test_words_grow_as_they_are_written(world: World) -> None:
    control = Recorder(world.folder)
    results = world.run(
        describe(picture(0), most=24), describe(picture(1), most=24), control=control
    )
    for place, result in enumerate(results):
        whole = result.outputs["text"].rstrip("\ufffd")  # the last character may be cut
        assert control.text(place).strip() == whole.strip()


def test_a_stop_is_heard_within_one_token_and_the_hub_works_on(world: World) -> None:
    control = Recorder(world.folder, stop_at=1)
    with pytest.raises(StepStopped):
        world.run(describe(picture(), most=24), control=control)
    assert control.ticks == 1
    assert world.run(describe(picture()))[0].error is None


def test_what_has_to_stop_leaves_the_others(world: World) -> None:
    control = Recorder(world.folder, stop_at=1, leaving=frozenset({0}))
    results = world.run(describe(picture(0)), describe(picture(1)), control=control)
    assert [result.error is None for result in results] == [False, True]
    assert results[1].outputs == world.run(describe(picture(1)))[0].outputs


def test_it_can_be_loaded_again(tmp_path: Path) -> None:
    hub = loaded(tmp_path, "llava")
    before = hub.run([describe(picture())], Recorder(tmp_path))[0].outputs
    hub.unload()
    assert hub._model is hub._reading is None
    hub.load(spec(tmp_path), "cpu")
    assert hub.run([describe(picture())], Recorder(tmp_path))[0].outputs == before


def test_what_is_no_multimodal_checkpoint_is_unavailable(tmp_path: Path) -> None:
    from tests.tiny.hubs import TEXT

    hub = MultimodalHub()
    with pytest.raises(Unavailable, match="not at"):
        hub.load(spec(tmp_path / "nowhere"), "cpu")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04N.")
    with pytest.raises(Unavailable, match="pickle"):
        hub.load(spec(tmp_path), "cpu")
    (tmp_path / "pytorch_model.bin").unlink()
    TEXT["llama"](tmp_path)
    with pytest.raises(Unavailable, match="processor"):
        hub.load(spec(tmp_path), "cpu")


def _next_video(hub: MultimodalHub) -> dict[str, Any]:
    import torch

    return {"pixel_values_videos": torch.rand(1, 4, 3, 32, 32)}


def _grid_video(patch: int) -> Callable[[MultimodalHub], dict[str, Any]]:
    def shown(hub: MultimodalHub) -> dict[str, Any]:
        import torch

        return {
            "pixel_values_videos": torch.rand(32, 3 * 2 * patch * patch),
            "video_grid_thw": torch.tensor([[2, 4, 4]]),
        }

    return shown


@pytest.mark.parametrize(
    ("family", "count", "shown"),
    [
        ("llava-next-video", 16, _next_video),
        ("video-llava", 4 * 17, _next_video),
        ("qwen2-vl", 8, _grid_video(14)),
        ("qwen2.5-vl", 8, _grid_video(14)),
    ],
)
def test_frames_made_ready_by_hand_are_read(
    family: str, count: int, shown: Any, tmp_path: Path
) -> None:
    import torch

    hub = loaded(tmp_path, family)
    reading = hub._known
    tensors = shown(hub)
    token = reading.senses.processor.video_token_id  # type: ignore[union-attr]
    ids = [*reading.tokens("Look: "), *[token] * count, *reading.tokens(" What is it?")]
    if "video_grid_thw" in tensors:
        tensors["mm_token_type_ids"] = torch.tensor([[2 * (one == token) for one in ids]])
    item = Item(
        before=ids,
        after=[],
        shown=tensors,
        limit=5,
        guide=lambda: FreeGuide(reading.guided, reading.ends, 5, [token]),
        finish=lambda done: {"text": done.text},
    )
    assert hub._decode({0: item}, Recorder(tmp_path))[0].error is None
