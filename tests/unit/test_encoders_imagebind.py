"""ImageBind as a transformers model: sizes, towers, saving and loading."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from encoders.imagebind.configuration import ImageBindConfig  # noqa: E402
from encoders.imagebind.convert import sizes_of  # noqa: E402
from encoders.imagebind.modeling import ImageBindModel  # noqa: E402

TOWER = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**TOWER, "image_size": 32, "patch_size": 8}
EARLY = {"stem_channels": [8, 16], "stem_blocks": 1, "patch_size": 2}


def model_of(**towers: Any) -> ImageBindModel:
    torch.manual_seed(0)
    return ImageBindModel(ImageBindConfig(projection_dim=16, **towers)).eval()


def test_with_no_arguments_it_is_the_published_size() -> None:
    config = ImageBindConfig()
    assert config.modalities == ("vision", "text", "audio", "depth", "thermal", "imu")
    with torch.device("meta"):
        model = ImageBindModel(config)
    assert len(model.state_dict()) == 1311
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 1200.8


def test_only_the_named_towers_exist() -> None:
    model = model_of(vision_config=VISION)
    assert model.config.modalities == ("vision",)
    with pytest.raises(KeyError, match="no audio tower"):
        model(audio=torch.zeros(1, 1, 128, 204))


@pytest.mark.parametrize("early", [{}, EARLY])
def test_what_was_saved_gives_the_same_embeddings(early: dict[str, Any], tmp_path: Path) -> None:
    model = model_of(vision_config={**VISION, **early}, text_config={**TOWER, "vocab_size": 50})
    model.save_pretrained(tmp_path)
    again = ImageBindModel.from_pretrained(tmp_path).eval()
    given = {"vision": torch.randn(2, 3, 32, 32), "text": torch.tensor([[1, 2, 49]])}
    with torch.no_grad():
        first, second = model(**given), again(**given)
    torch.testing.assert_close(first.vision, second.vision)
    torch.testing.assert_close(first.text, second.text)


def test_early_convolutions_keep_clips_and_pictures_alike() -> None:
    model = model_of(vision_config={**VISION, **EARLY, "frames": 2})
    picture = torch.randn(1, 3, 32, 32)
    still = picture.unsqueeze(2).repeat(1, 1, 2, 1, 1).unsqueeze(1)
    with torch.no_grad():
        torch.testing.assert_close(model(vision=picture).vision, model(vision=still).vision)


def test_clips_are_averaged_behind_the_unit_sphere() -> None:
    model = model_of(vision_config=VISION)
    clips = torch.randn(1, 3, 3, 32, 32)
    with torch.no_grad():
        together = model(vision=clips).vision[0]
        alone = model(vision=clips[0]).vision
    torch.testing.assert_close(together, alone.mean(dim=0))


def test_a_finish_scales_or_does_not() -> None:
    model = model_of(audio_config={**TOWER, "mel_bins": 32, "target_length": 64})
    sound = torch.randn(2, 1, 32, 64)
    with torch.no_grad():
        lengths = {
            finish: model.encode("audio", sound, finish).embedding.norm(dim=-1)
            for finish in ("scaled", "unit", "raw")
        }
    torch.testing.assert_close(lengths["scaled"], torch.full((2,), 20.0))
    torch.testing.assert_close(lengths["unit"], torch.ones(2))
    assert not torch.allclose(lengths["raw"], torch.ones(2))


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="this tower takes"):
        model_of(vision_config=VISION)(vision=torch.zeros(1, 3, 40, 40))


def test_training_and_evaluation_attend_alike() -> None:
    model = model_of(text_config={**TOWER, "vocab_size": 50}, vision_config=VISION)
    given = {"vision": torch.randn(2, 3, 32, 32), "text": torch.tensor([[1, 2, 3, 49]])}
    with torch.no_grad():
        calm, busy = model(**given), model.train()(**given)
    torch.testing.assert_close(calm.vision, busy.vision, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(calm.text, busy.text, atol=1e-5, rtol=1e-5)


def test_a_checkpoint_without_towers_is_refused() -> None:
    with pytest.raises(ValueError, match="no ImageBind tower"):
        sizes_of({"something": torch.zeros(1)})
