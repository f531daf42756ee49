"""Our ImageBind against the reference implementation: same keys, same numbers, every modality."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from encoders.imagebind.configuration import ImageBindConfig  # noqa: E402
from encoders.imagebind.convert import convert_state, sizes_of  # noqa: E402
from encoders.imagebind.modeling import ImageBindModel  # noqa: E402

WIDTH, BLOCKS, HEADS, OUT = 32, 2, 4, 24


def _tower(**more: Any) -> dict[str, Any]:
    return {
        "hidden_size": WIDTH,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": HEADS,
        **more,
    }


@pytest.fixture(scope="module")
def reference() -> Any:
    """The reference model at small size, with random weights.

    Its data module wants torchvision, torchaudio and pytorchvideo, and its layers want timm: none
    of them is needed for the forward pass, so small stand-ins are put in their places while it is
    imported.
    """
    stand_ins = {name: types.ModuleType(name) for name in ("imagebind.data", "timm", "timm.models")}
    layers = types.ModuleType("timm.models.layers")
    layers.DropPath = torch.nn.Dropout  # type: ignore[attr-defined]
    layers.trunc_normal_ = torch.nn.init.trunc_normal_  # type: ignore[attr-defined]
    stand_ins["timm.models.layers"] = layers
    with pytest.MonkeyPatch.context() as patch:
        for name, module in stand_ins.items():
            patch.setitem(sys.modules, name, module)
        package = pytest.importorskip(
            "imagebind.models.imagebind_model",
            reason="needs: pip install --no-deps imagebind-packaged einops iopath portalocker",
            exc_type=ImportError,
        )
    torch.manual_seed(0)
    sizes = {}
    for m in ("vision", "text", "audio", "depth", "thermal", "imu"):
        sizes |= {f"{m}_embed_dim": WIDTH, f"{m}_num_blocks": BLOCKS, f"{m}_num_heads": HEADS}
    model = package.ImageBindModel(out_embed_dim=OUT, **sizes).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    return model


@pytest.fixture(scope="module")
def ours(reference: Any) -> ImageBindModel:
    config = ImageBindConfig(
        projection_dim=OUT,
        **{f"{m}_config": _tower() for m in ("vision", "text", "audio", "depth", "thermal", "imu")},
    )
    model = ImageBindModel(config).eval()
    model.load_state_dict(reference.state_dict(), strict=True)
    return model


INPUTS = {
    "vision": lambda: torch.randn(2, 3, 224, 224),
    "vision clips": lambda: torch.randn(1, 15, 3, 2, 224, 224),
    "text": lambda: torch.cat([torch.randint(1, 49000, (3, 76)), torch.full((3, 1), 49407)], dim=1),
    "audio": lambda: torch.randn(2, 1, 128, 204),
    "audio clips": lambda: torch.randn(2, 3, 1, 128, 204),
    "depth": lambda: torch.randn(2, 1, 224, 224),
    "thermal": lambda: torch.randn(2, 1, 224, 224),
    "imu": lambda: torch.randn(2, 6, 2000),
}


@pytest.mark.parametrize("what", INPUTS)
def test_every_modality_gives_the_reference_embedding(
    what: str, reference: Any, ours: ImageBindModel
) -> None:
    modality = what.split()[0]
    torch.manual_seed(1)
    values = INPUTS[what]()
    with torch.no_grad():
        expected = reference({modality: values})[modality]
        got = ours(**{modality: values})[modality]
    torch.testing.assert_close(got, expected, atol=2e-5, rtol=1e-5)


def test_a_text_may_be_cut_behind_its_end(ours: ImageBindModel) -> None:
    ids = torch.zeros(1, 77, dtype=torch.long)
    ids[0, :4] = torch.tensor([49406, 320, 1125, 49407])
    with torch.no_grad():
        torch.testing.assert_close(ours(text=ids).text, ours(text=ids[:, :4]).text)


def test_the_converter_reads_the_sizes_from_a_reference_checkpoint(
    reference: Any, tmp_path: Any
) -> None:
    state = reference.state_dict()
    config = sizes_of(
        state, heads=dict.fromkeys(("vision", "text", "audio", "depth", "thermal", "imu"), HEADS)
    )
    model = convert_state(state, config)
    model.save_pretrained(tmp_path)
    again = ImageBindModel.from_pretrained(tmp_path).eval()
    values = torch.randn(1, 1, 128, 204)
    with torch.no_grad():
        torch.testing.assert_close(
            again(audio=values).audio, reference({"audio": values})["audio"], atol=2e-5, rtol=1e-5
        )
