"""The starter's pipeline and network, small and random."""

from pathlib import Path
from typing import Any

import pytest
import torch

from generators.diffusion.pipeline import PixelFlowPipeline
from generators.diffusion.steps import Steps, watched
from generators.diffusion.transformer import PixelTransformer, grid_positions, time_features
from tests.tiny import pipelines as tiny


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("starter")
    tiny.save_starter(folder)
    loaded = PixelFlowPipeline.from_pretrained(folder)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def small_network() -> PixelTransformer:
    torch.manual_seed(0)
    network = PixelTransformer(
        sample_size=8, patch_size=4, width=16, depth=1, heads=2, condition_width=8, text_dim=4
    )
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    return network


def test_a_fresh_network_predicts_nothing_at_all() -> None:
    network = PixelTransformer(sample_size=8, patch_size=4, width=16, depth=1, heads=2)

    clean = network(torch.randn(2, 3, 8, 8), torch.tensor([10.0, 990.0]))

    assert not clean.any()


def test_patches_come_back_as_the_picture_they_were() -> None:
    network, picture = small_network(), torch.randn(2, 3, 8, 8)

    assert torch.equal(network._to_picture(network._to_patches(picture)), picture)


def test_a_condition_that_is_not_kept_is_no_condition() -> None:
    network, sample, time = small_network(), torch.randn(2, 3, 8, 8), torch.tensor([500.0, 500.0])
    words = torch.randn(2, 4)

    mixed = network(sample, time, text=words, text_kept=torch.tensor([True, False]))

    assert torch.allclose(mixed[0], network(sample, time, text=words)[0], atol=1e-6)
    assert torch.allclose(mixed[1], network(sample, time)[1], atol=1e-6)


def test_times_and_places_all_differ() -> None:
    times, places = time_features(torch.arange(0.0, 1000.0, 10.0), 32), grid_positions(4, 16)

    assert len(times.unique(dim=0)) == 100
    assert len(places.unique(dim=0)) == 16


def test_nothing_to_draw_is_refused(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="prompt, image_embeds"):
        pipeline()


def test_another_size_than_the_trained_one_is_refused(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="16x16"):
        pipeline("cat", width=32)


def test_embeddings_of_another_width_are_refused(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="features"):
        pipeline(image_embeds=torch.ones(1, 5))


def test_words_and_embeddings_of_unlike_number_are_refused(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="2 prompts and 1 embeddings"):
        pipeline(["a cat", "a dog"], image_embeds=torch.ones(1, tiny.EMBED_DIM))


def test_words_and_an_embedding_can_be_drawn_together(pipeline: Any) -> None:
    embeds, seed = torch.ones(1, tiny.EMBED_DIM), torch.Generator()
    only_words = pipeline("cat", num_inference_steps=2, generator=seed.manual_seed(0))

    both = pipeline(
        "cat", image_embeds=embeds, num_inference_steps=2, generator=seed.manual_seed(0)
    )

    assert both.images[0].tobytes() != only_words.images[0].tobytes()


def test_the_callback_sees_each_step_and_may_replace_the_sample(pipeline: Any) -> None:
    seen = []

    def blank(_: Any, step: int, __: Any, given: dict[str, torch.Tensor]) -> dict[str, Any]:
        seen.append(step)
        return {"latents": torch.zeros_like(given["latents"])}

    images = pipeline(
        "cat", num_inference_steps=3, callback_on_step_end=blank, output_type="np"
    ).images

    assert seen == [0, 1, 2]
    assert (images == 0.5).all()


def test_output_types_hold_the_same_picture(pipeline: Any) -> None:
    def draw(output_type: str) -> Any:
        seed = torch.Generator().manual_seed(3)
        return pipeline("cat", num_inference_steps=2, generator=seed, output_type=output_type)

    array, tensor = draw("np").images, draw("pt").images

    assert array.shape == (1, 16, 16, 3)
    assert torch.allclose(torch.from_numpy(array), tensor.permute(0, 2, 3, 1), atol=1e-6)


def test_one_guidance_is_the_network_without_guidance(pipeline: Any) -> None:
    sample, time = torch.randn(1, 3, 16, 16), torch.tensor([500.0])
    embeds = torch.ones(1, tiny.EMBED_DIM)

    clean = pipeline._predict(sample, time, None, embeds, 1.0)

    with torch.no_grad():
        assert torch.allclose(clean, pipeline.transformer(sample, time, embeds=embeds), atol=1e-6)


def test_steps_of_two_stages_add_up_to_one() -> None:
    steps = Steps(stages=2)

    shares = [steps.count("prior", 2) for _ in range(2)] + [steps.count("decoder", 1)]

    assert shares == [0.25, 0.5, 1.0]


def test_a_scheduler_is_itself_again_after_watching(pipeline: Any) -> None:
    with watched(pipeline, lambda *_: None):
        assert "step" in vars(pipeline.scheduler)

    assert "step" not in vars(pipeline.scheduler)


def test_a_half_precision_folder_loads_and_draws(pipeline: Any, tmp_path: Path) -> None:
    copy = PixelFlowPipeline(**pipeline.components).to(torch.float16)
    copy.save_pretrained(tmp_path, safe_serialization=True)
    pipeline.to(torch.float32)

    loaded = PixelFlowPipeline.from_pretrained(tmp_path, dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)

    assert loaded.transformer.dtype == torch.float32
    assert loaded("cat", num_inference_steps=1).images[0].size == (16, 16)
