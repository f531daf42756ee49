"""What every kind of picture generator promises, shown on tiny random pipelines of real shapes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from generators.diffusion.backend import DiffusionImages
from medley.backend import Backend, ModelSpec, Request
from medley.errors import BackendError, BadInput, OutOfMemory, StepStopped, Unavailable
from medley.media.values import Embedding
from tests.contract.generator_kinds import KINDS, SIZE, STEPS, Build, Kind, Listener, pixels
from tests.tiny import pipelines as tiny
from tests.tiny import unets


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Build], Path]:
    made: dict[str, Path] = {}

    def folder(save: Build) -> Path:
        if save.__name__ not in made:
            made[save.__name__] = tmp_path_factory.mktemp(save.__name__)
            save(made[save.__name__])
        return made[save.__name__]

    return folder


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest, folders: Callable[[Build], Path]) -> Iterator[Kind]:
    save, tool, options = KINDS[request.param]
    spec = ModelSpec(
        id="tiny",
        backend="diffusers",
        tools=frozenset({tool}),
        source=str(folders(save)),
        space="tiny",
        options=options | {"preview_seconds": 0.0},
    )
    backend = DiffusionImages()
    backend.load(spec, "auto")
    yield Kind(name=request.param, backend=backend, spec=spec, tool=tool)
    backend.unload()


def test_it_is_a_backend(kind: Kind) -> None:
    assert isinstance(kind.backend, Backend)
    assert kind.tool in kind.backend.tools


def test_a_request_becomes_a_picture_of_the_asked_size(kind: Kind) -> None:
    (result,) = kind.run(kind.ask(width=32, height=32))

    image = result.outputs["image"]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size) == ("RGB", (32, 32))


def test_an_equal_seed_gives_an_equal_picture_and_another_seed_another(kind: Kind) -> None:
    first, again, other = (kind.run(kind.ask(n))[0] for n in (1, 1, 2))

    assert (pixels(first) == pixels(again)).all()
    assert (pixels(first) != pixels(other)).any()


def test_the_condition_changes_the_picture(kind: Kind) -> None:
    asked, other = kind.ask(1), kind.ask(2)
    same_seed = Request(tool=kind.tool, inputs=other.inputs, params=asked.params, seed=asked.seed)

    first, second = kind.run(asked)[0], kind.run(same_seed)[0]

    assert (pixels(first) != pixels(second)).any()


def test_a_batch_equals_its_singles(kind: Kind) -> None:
    requests = [kind.ask(n) for n in (1, 2, 3)]

    together = kind.run(*requests)

    for request, result in zip(requests, together, strict=True):
        alone = kind.run(request)[0]
        assert np.abs(pixels(alone) - pixels(result)).max() <= 1


def test_unlike_shapes_in_one_batch_keep_their_order(kind: Kind) -> None:
    small, large, again = kind.run(kind.ask(1), kind.ask(2, width=32), kind.ask(1))

    assert pixels(large).shape[1] == 32
    assert np.abs(pixels(small) - pixels(again)).max() <= 1


def test_every_step_is_reported_and_the_last_report_is_the_whole(kind: Kind) -> None:
    control = Listener()

    kind.run(kind.ask(), control=control)

    done = [part for part, _ in control.ticks]
    assert done == sorted(done)
    assert (len(done) - 1) % STEPS == 0  # as often for each stage
    assert control.ticks[-1] == (STEPS, STEPS)


def test_a_stop_ends_at_the_next_step_and_the_model_stays_usable(kind: Kind) -> None:
    before = kind.run(kind.ask())[0]
    control = Listener(stop_after=2)

    with pytest.raises(StepStopped):
        kind.run(kind.ask(), control=control)

    assert len(control.ticks) == 3
    assert (pixels(kind.run(kind.ask())[0]) == pixels(before)).all()


def test_a_bad_item_fails_alone(kind: Kind) -> None:
    bad = Request(tool=kind.tool, inputs={}, params=kind.ask().params)

    good, broken, also_good = kind.run(kind.ask(1), bad, kind.ask(2))

    assert isinstance(broken.error, BadInput)
    assert good.error is None
    assert also_good.error is None


def test_an_embedding_of_another_space_is_refused(kind: Kind) -> None:
    if kind.tool != "embedding_to_image":
        pytest.skip("takes words")
    foreign = Embedding(vector=np.ones(tiny.EMBED_DIM, dtype=np.float32), space="elsewhere")
    short = Embedding(vector=np.ones(3, dtype=np.float32), space="tiny")

    results = kind.run(
        *(
            Request(tool=kind.tool, inputs={"embedding": value}, params=kind.ask().params)
            for value in (foreign, short)
        )
    )

    assert all(isinstance(result.error, BadInput) for result in results)


def test_a_saved_pipeline_draws_the_same_after_loading(kind: Kind, tmp_path: Path) -> None:
    if kind.name in ("ip-adapter", "kandinsky", "deepfloyd"):
        pytest.skip("its other half is saved apart from its pipeline")
    kind.backend._pipeline.save_pretrained(tmp_path, safe_serialization=True)
    copy = DiffusionImages()
    copy.load(
        ModelSpec(
            id="copy",
            backend="diffusers",
            tools=kind.spec.tools,
            source=str(tmp_path),
            space="tiny",
            options=kind.spec.options,
        ),
        "cpu",
    )

    (result,) = copy.run([kind.ask()], Listener())

    assert np.abs(pixels(result) - pixels(kind.run(kind.ask())[0])).max() <= 1


def test_an_item_that_breaks_the_pipeline_does_not_break_its_neighbours(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_seed(kind, monkeypatch, 2, RuntimeError("broken inside"))

    good, broken, also_good = kind.run(kind.ask(1), kind.ask(2), kind.ask(3))

    assert isinstance(broken.error, BackendError)
    assert good.error is None
    assert also_good.error is None


def test_running_out_of_memory_is_a_typed_error_of_the_items_that_do_not_fit(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    refuse_seed(kind, monkeypatch, 2, torch.OutOfMemoryError("CUDA out of memory"))

    good, broken, _ = kind.run(kind.ask(1), kind.ask(2), kind.ask(3))

    assert isinstance(broken.error, OutOfMemory)
    assert good.error is None


def test_a_lone_request_has_previews_and_a_batch_has_none(kind: Kind) -> None:
    if not kind.name.startswith("starter"):
        pytest.skip("latents have previews only with a tiny autoencoder")
    alone, together = Listener(), Listener()

    kind.run(kind.ask(), control=alone)
    kind.run(kind.ask(1), kind.ask(2), control=together)

    assert [preview.size for preview in alone.previews] == [(SIZE, SIZE)] * STEPS
    assert together.previews == []


def test_latents_have_previews_when_a_tiny_autoencoder_is_named(
    folders: Callable[[Build], Path],
) -> None:
    spec = ModelSpec(
        id="tiny",
        backend="diffusers",
        tools=frozenset({"text_to_image"}),
        source=str(folders(tiny.save_stable_diffusion)),
        options={"preview_vae": str(folders(tiny.save_tiny_vae)), "preview_seconds": 0.0},
    )
    backend, control = DiffusionImages(), Listener()
    backend.load(spec, "cpu")
    kind = Kind(name="sd", backend=backend, spec=spec, tool="text_to_image")

    kind.run(kind.ask(), control=control)

    assert len(control.previews) == STEPS


def test_an_adapter_is_silent_when_words_are_drawn(
    folders: Callable[[Build], Path],
) -> None:
    source, options = str(folders(unets.ip_adapter)), KINDS["ip-adapter"][2]
    drawn = []
    for given in (options, {}):
        spec = ModelSpec(
            id="tiny", backend="diffusers", tools=frozenset(), source=source, options=given
        )
        backend = DiffusionImages()
        backend.load(spec, "cpu")
        kind = Kind(name="sd", backend=backend, spec=spec, tool="text_to_image")
        drawn.append(pixels(kind.run(kind.ask())[0]))

    assert np.abs(drawn[0] - drawn[1]).max() <= 1


def test_missing_files_are_unavailable(tmp_path: Path) -> None:
    spec = ModelSpec(
        id="gone", backend="diffusers", tools=frozenset(), source=str(tmp_path / "nothing")
    )

    with pytest.raises(Unavailable):
        DiffusionImages().load(spec, "cpu")


def test_weights_that_are_not_safetensors_are_refused(
    folders: Callable[[Build], Path], tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "pickled"
    shutil.copytree(folders(tiny.save_starter), folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    spec = ModelSpec(id="old", backend="diffusers", tools=frozenset(), source=str(folder))

    with pytest.raises(Unavailable):
        DiffusionImages().load(spec, "cpu")


def refuse_seed(kind: Kind, monkeypatch: pytest.MonkeyPatch, seed: int, error: Exception) -> None:
    """Lets the real pipeline fail whenever the item of this seed takes part."""
    from generators.diffusion import backend as module

    original = module.arguments

    def arguments(group: Any, *others: Any) -> dict[str, Any]:
        if any(request.seed == seed for request in group):
            raise error
        return original(group, *others)

    monkeypatch.setattr(module, "arguments", arguments)
