"""ImageBind as a transformers model: up to six towers that end in one space.

Method: Girdhar et al., "ImageBind: One Embedding Space To Bind Them All" (CVPR 2023). The key
names are those of the published checkpoint; the code is our own and runs any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from encoders.imagebind.configuration import ImageBindConfig
from encoders.imagebind.heads import (
    EndTokenHead,
    LogitScale,
    class_token_head,
    postprocessor,
)
from encoders.imagebind.layers import Attention, Trunk
from encoders.imagebind.stems import (
    ImuStem,
    PatchStem,
    Places,
    TextStem,
    audio_stem,
    causal_mask,
    plane_stem,
    vision_stem,
)

Finish = Literal["scaled", "unit", "raw"]
"""scaled: as published; unit: length one; raw: the head's output, as picture decoders want it."""


@dataclass
class ImageBindOutput(ModelOutput):
    """One embedding (B, projection_dim) for each modality that was given."""

    vision: Tensor | None = None
    text: Tensor | None = None
    audio: Tensor | None = None
    depth: Tensor | None = None
    thermal: Tensor | None = None
    imu: Tensor | None = None


@dataclass
class TowerOutput(ModelOutput):
    """The embedding (B, projection_dim) and the trunk's tokens (B or B * clips, L, hidden_size)."""

    embedding: Tensor = None  # type: ignore[assignment]
    tokens: Tensor = None  # type: ignore[assignment]


class ImageBindPreTrainedModel(PreTrainedModel):
    """Loading, saving and the initial weights."""

    config: ImageBindConfig
    config_class = ImageBindConfig
    base_model_prefix = "imagebind"
    input_modalities = ["image", "video", "text", "audio"]  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, Attention):
            init.xavier_uniform_(module.in_proj_weight)
            init.zeros_(module.in_proj_bias)
            if module.bias_k is not None and module.bias_v is not None:
                init.xavier_normal_(module.bias_k)
                init.xavier_normal_(module.bias_v)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            init.ones_(module.weight)
            init.zeros_(module.bias)
            if isinstance(module, nn.BatchNorm2d):
                for name, value in module.named_buffers():
                    init.constant_(value, 1 if name == "running_var" else 0)
        elif isinstance(module, nn.Conv2d | nn.Conv3d):
            init.kaiming_uniform_(module.weight, a=5**0.5)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=0.02)
        elif isinstance(module, LogitScale):
            init.constant_(module.log_logit_scale, module.initial)
        self._init_places(module)

    def _init_places(self, module: nn.Module) -> None:
        if isinstance(module, Places):
            init.trunc_normal_(module.pos_embed, std=0.02)
        if isinstance(module, TextStem):
            init.copy_(module.mask, causal_mask(module.mask.shape[0]))
        if isinstance(module, TextStem | ImuStem):
            init.normal_(module.pos_embed, std=0.01)
        if isinstance(module, PatchStem | ImuStem):
            init.normal_(module.cls_token, std=module.cls_token.shape[-1] ** -0.5)


class ImageBindModel(ImageBindPreTrainedModel):
    """`forward(vision=..., text=..., audio=...)` gives an embedding for each; `encode` gives one
    tower's tokens too.
    """

    def __init__(self, config: ImageBindConfig) -> None:
        super().__init__(config)
        parts = {m: config.tower(m) for m in config.modalities}
        self.modality_preprocessors = nn.ModuleDict({m: _stem(m, c) for m, c in parts.items()})
        self.modality_trunks = nn.ModuleDict(
            {m: Trunk(c, causal=m == "text") for m, c in parts.items()}
        )
        self.modality_heads = nn.ModuleDict(
            {m: _head(m, c, config.projection_dim) for m, c in parts.items()}
        )
        self.modality_postprocessors = nn.ModuleDict(
            {m: postprocessor(c) for m, c in parts.items()}
        )
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self,
        vision: Tensor | None = None,
        text: Tensor | None = None,
        audio: Tensor | None = None,
        depth: Tensor | None = None,
        thermal: Tensor | None = None,
        imu: Tensor | None = None,
        finish: Finish = "scaled",
        **_: Any,
    ) -> ImageBindOutput:
        """Embed each given modality; the shapes are those of `encode`."""
        given = {
            "vision": vision,
            "text": text,
            "audio": audio,
            "depth": depth,
            "thermal": thermal,
            "imu": imu,
        }
        return ImageBindOutput(
            **{m: self.encode(m, x, finish).embedding for m, x in given.items() if x is not None}
        )

    def encode(self, modality: str, values: Tensor, finish: Finish = "scaled") -> TowerOutput:
        """Embed one modality.

        values: vision (B, 3, S, S) or clips (B, clips, 3, frames, S, S), standardised; text (B, L)
        ids; audio (B, 1, mel, time) or (B, clips, 1, mel, time); depth and thermal (B, 1, S, S);
        imu (B, channels, steps). Any input of five or more dimensions has clips in the second;
        their embeddings are averaged at the end. Raises KeyError when the model has no such tower,
        ValueError for a wrong size.
        """
        self.config.tower(modality)
        clips = values.shape[1] if values.ndim >= 5 else 0
        flat = values.flatten(0, 1) if clips else values
        tokens = self.modality_trunks[modality](self.modality_preprocessors[modality](flat))
        head = self.modality_heads[modality]
        embedding = head(tokens, flat) if modality == "text" else head(tokens)
        if finish == "unit":
            embedding = F.normalize(embedding, dim=-1)
        elif finish == "scaled":
            embedding = self.modality_postprocessors[modality](embedding)
        if clips:
            embedding = embedding.unflatten(0, (-1, clips)).mean(dim=1)
        return TowerOutput(embedding=embedding, tokens=tokens)


def _stem(modality: str, config: Any) -> nn.Module:
    match modality:
        case "vision":
            return vision_stem(config)
        case "text":
            return TextStem(config)
        case "audio":
            return audio_stem(config)
        case "imu":
            return ImuStem(config)
        case "depth":
            return plane_stem(config, "depth_stem")
        case _:
            return plane_stem(config, "rgbt_stem")


def _head(modality: str, config: Any, out: int) -> nn.Module:
    if modality == "text":
        return EndTokenHead(config.hidden_size, out)
    return class_token_head(config.hidden_size, out, getattr(config, "head_dropout", None))


AutoModel.register(ImageBindConfig, ImageBindModel, exist_ok=True)
