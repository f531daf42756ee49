"""What is done when the device runs out of memory, and what makes a pipeline smaller."""

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generators.diffusion import memory
from generators.diffusion.backend import DiffusionImages
from medley.backend import ModelSpec, Request
from medley.errors import OutOfMemory, Unavailable
from tests.contract.generator_kinds import SIZE, STEPS, Kind, Listener, pixels
from tests.tiny import pipelines as tiny

SPEC = ModelSpec(id="tiny", backend="diffusers", tools=frozenset({"text_to_image"}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sd")
    tiny.save_stable_diffusion(folder)
    return folder


@pytest.fixture
def load(folder: Path) -> Callable[..., Kind]:
    def load(**options: Any) -> Kind:
        backend, spec = DiffusionImages(), replace(SPEC, source=str(folder), options=options)
        backend.load(spec, "cpu")
        return Kind(name="sd", backend=backend, spec=spec, tool="text_to_image")

    return load


class Full:
    """Replaces a method of a part: out of memory while `is_full`, else the method itself."""

    def __init__(self, part: Any, method: str, is_full: Callable[[Any], bool]) -> None:
        self.calls = 0
        original = getattr(part, method)

        def call(first: Any, *args: Any, **kwargs: Any) -> Any:
            import torch

            self.calls += 1
            if is_full(first):
                raise torch.OutOfMemoryError("CUDA out of memory")
            return original(first, *args, **kwargs)

        call.__wrapped__ = original  # type: ignore[attr-defined]
        setattr(part, method, call)


def test_decoding_that_runs_out_tries_with_less_and_denoises_once(
    load: Callable[..., Kind],
) -> None:
    kind, control = load(), Listener()
    requests = [kind.ask(1), kind.ask(2)]
    before = kind.run(*requests)
    Full(kind.backend._pipeline.vae, "decode", lambda latents: len(latents) > 1)

    results = kind.run(*requests, control=control)

    assert [result.usage["oom_rung"] for result in results] == [memory.FEWER] * 2
    assert len(control.ticks) == STEPS + 1
    for old, new in zip(before, results, strict=True):
        assert np.abs(pixels(old) - pixels(new)).max() <= 2


def test_the_cheap_rungs_of_decoding_come_first(load: Callable[..., Kind]) -> None:
    for times, rung in ((1, memory.FREED), (2, memory.TILED)):
        kind, left = load(), [times]

        def full(_: Any, left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] >= 0

        Full(kind.backend._pipeline.vae, "decode", full)
        (result,) = kind.run(kind.ask())

        assert result.error is None
        assert result.usage == {"oom_rung": rung}
        assert kind.backend._pipeline.vae.use_tiling == (rung == memory.TILED)


def test_denoising_that_runs_out_draws_fewer_at_a_time(load: Callable[..., Kind]) -> None:
    kind = load()
    requests = [kind.ask(n) for n in (1, 2, 3, 4)]
    before = kind.run(*requests)
    # Guidance doubles the batch.
    Full(kind.backend._pipeline.unet, "forward", lambda sample: len(sample) > 4)

    results = kind.run(*requests)

    assert [result.usage["oom_rung"] for result in results] == [memory.FEWER] * 4
    for old, new in zip(before, results, strict=True):
        assert np.abs(pixels(old) - pixels(new)).max() <= 2


def test_weights_are_offloaded_before_giving_up(load: Callable[..., Kind]) -> None:
    kind = load()
    before = kind.run(kind.ask())[0]
    Full(kind.backend._pipeline.scheduler, "step", lambda _: not kind.backend._offloaded)

    (result,) = kind.run(kind.ask())

    assert result.usage == {"oom_rung": memory.OFFLOADED}
    assert np.abs(pixels(before) - pixels(result)).max() <= 1


def test_when_no_rung_helps_it_is_out_of_memory(load: Callable[..., Kind]) -> None:
    kind, control = load(), Listener()
    Full(kind.backend._pipeline.vae, "decode", lambda _: True)

    (result,) = kind.run(kind.ask(), control=control)

    assert isinstance(result.error, OutOfMemory)
    assert [done for done, _ in control.ticks] == sorted(done for done, _ in control.ticks)


def test_items_that_nobody_waits_for_are_not_drawn(load: Callable[..., Kind]) -> None:
    kind, control = load(max_batch=1), Listener(left=frozenset({0}))
    requests = [kind.ask(1), kind.ask(2)]

    left, drawn = kind.run(*requests, control=control)

    assert left.error is not None
    assert drawn.error is None
    assert len(control.ticks) == STEPS + 1


@pytest.mark.parametrize(
    "options",
    [{"vae_slicing": True, "vae_tiling": True}, {"group_offload": True}],
    ids=["parts", "offload"],
)
def test_switches_that_save_memory_keep_the_picture(
    load: Callable[..., Kind], options: dict[str, Any]
) -> None:
    plain, saving = load(), load(**options)

    first, second = (kind.run(kind.ask(1), kind.ask(2)) for kind in (plain, saving))

    for old, new in zip(first, second, strict=True):
        assert np.abs(pixels(old) - pixels(new)).max() <= 2


def test_weights_can_be_kept_as_8_bit_floats(load: Callable[..., Kind]) -> None:
    import torch

    kind = load(layerwise_casting=True)

    (result,) = kind.run(kind.ask())

    assert pixels(result).shape == (SIZE, SIZE, 3)
    kept = {weight.dtype for weight in kind.backend._pipeline.unet.parameters()}
    assert torch.float8_e4m3fn in kept


def test_whole_numbers_need_torchao(load: Callable[..., Kind]) -> None:
    if importlib.util.find_spec("torchao") is not None:
        pytest.skip("torchao is installed: see its own test")
    with pytest.raises(Unavailable, match="torchao"):
        load(int8=True)


def test_whole_numbers_draw(load: Callable[..., Kind]) -> None:
    pytest.importorskip("torchao", reason="the base installation leaves it out")
    kind = load(int8=True)

    (result,) = kind.run(kind.ask())

    assert result.error is None


def test_compiling_asks_each_network_to_compile(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import UNet2DConditionModel

    asked: list[str] = []
    for name in ("compile", "compile_repeated_blocks"):
        monkeypatch.setattr(UNet2DConditionModel, name, lambda self, name=name: asked.append(name))
    backend = DiffusionImages()
    backend.load(replace(SPEC, source=str(folder), options={"compile": True}), "cpu")

    assert len(asked) == 1
    assert backend.run([Request(tool="inpaint", inputs={}, params={})], Listener())[0].error
