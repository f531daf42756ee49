"""Pictures by diffusion: drawn from words or embeddings, redrawn, painted in."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.tiny import dits, unets
from tests.tiny.row import Row, Samples, step

FEATURES = 256  # of the bundled encoder, which embeds what these draw
_SMALL = {"steps": 2, "guidance": 2.0, "width": 32, "height": 32}


def drawn(tool: str = "text_to_image", **inputs: Any) -> Callable[..., Any]:
    """A job of one picture."""
    return step(tool, params=_SMALL, prompt="a red cat", **inputs)


def redrawn(tool: str = "edit_image", **inputs: Any) -> Callable[..., Any]:
    """A job of one picture that starts from another."""
    return step(tool, params={**_SMALL, "strength": 0.8}, prompt="a red cat", **inputs)


def from_a_sound(model: str, samples: Samples) -> dict[str, Any]:
    """A job that embeds a sound and draws it."""
    embedded = {"id": "s0", "tool": "embed", "inputs": {"media": {"asset": samples["audio"]}}}
    picture = {
        "id": "s1",
        "tool": "embedding_to_image",
        "inputs": {"embedding": {"from": "s0.embedding"}},
        "params": _SMALL,
        "model": model,
    }
    return {"plan": {"steps": [embedded, picture], "reply": {"text": "Done."}}}


def _row(name: str, like: str, build: Callable[[Path], None], body: Any = None, **more: Any) -> Row:
    return Row(
        name=name,
        like=like,
        build=build,
        body=body or drawn(),
        gives={"s1.image": "image"},
        **more,
    )


def _short(length: int) -> dict[str, Any]:
    return {"call": {"max_sequence_length": length}, "side": 32}


SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
ROWS = [
    _row("11 CogView, CogView4", "THUDM/CogView4-6B", dits.cogview4, options=_short(16)),
    _row("11 CogView, CogView3-Plus", "THUDM/CogView3-Plus-3B", dits.cogview3, options=_short(16)),
    _row("13 LDM", "CompVis/ldm-text2im-large-256", unets.latent_diffusion),
    _row("14 Stable Diffusion", SD15, unets.stable_diffusion),
    _row(
        "14 Stable Diffusion edits",
        SD15,
        unets.stable_diffusion,
        redrawn(image="@image"),
    ),
    _row(
        "14 Stable Diffusion inpaints",
        SD15,
        unets.stable_diffusion,
        redrawn("inpaint", image="@image", mask="@image2"),
    ),
    _row(
        "14 Stable Diffusion XL",
        "stabilityai/stable-diffusion-xl-base-1.0",
        unets.stable_diffusion_xl,
    ),
    _row(
        "14 Stable Diffusion 3",
        "stabilityai/stable-diffusion-3.5-medium",
        dits.stable_diffusion_3,
        options=_short(32),
    ),
    _row("14 LCM", "SimianLuo/LCM_Dreamshaper_v7", unets.latent_consistency),
    _row(
        "14 IP-Adapter",
        "h94/IP-Adapter",
        partial(unets.ip_adapter, features=FEATURES),
        from_a_sound,
        options={"ip_adapter": {"source": "adapter", "weight_name": "adapter.safetensors"}},
        space="starter",
    ),
    _row("15 DALL-E 2, Karlo", "kakaobrain/karlo-v1-alpha", unets.karlo),
    _row(
        "15 DALL-E 2, Karlo from an embedding",
        "kakaobrain/karlo-v1-alpha",
        partial(unets.karlo, features=FEATURES),
        from_a_sound,
        space="starter",
    ),
    _row(
        "15 DALL-E 2, Kandinsky",
        "kandinsky-community/kandinsky-2-2-decoder",
        unets.kandinsky,
        options={"prior": "prior"},
    ),
    _row(
        "15 DALL-E 2, Kandinsky from an embedding",
        "kandinsky-community/kandinsky-2-2-decoder",
        partial(unets.kandinsky, features=FEATURES),
        from_a_sound,
        options={"prior": "prior"},
        space="starter",
    ),
    _row(
        "15 DALL-E 2, stable unCLIP",
        "stabilityai/stable-diffusion-2-1-unclip",
        partial(unets.stable_unclip, features=FEATURES),
        from_a_sound,
        space="starter",
    ),
    _row(
        "16 Imagen, DeepFloyd IF",
        "DeepFloyd/IF-I-XL-v1.0",
        unets.deepfloyd,
        options={"larger": "larger"},
    ),
    _row("Z-Image", "Tongyi-MAI/Z-Image-Turbo", dits.z_image, options=_short(32)),
    _row(
        "FLUX.2 klein",
        "black-forest-labs/FLUX.2-klein-4B",
        dits.flux2_klein,
        redrawn(image="@image"),
        options={
            "call": {"max_sequence_length": 64, "text_encoder_out_layers": [1, 2, 3]},
            "side": 32,
        },
    ),
    _row("Qwen-Image", "Qwen/Qwen-Image", dits.qwen_image, options=_short(64)),
]
