"""The sizes of an ImageBind: one small config for each tower, and which towers exist.

With no arguments the configs describe the published `imagebind_huge`.
"""

from __future__ import annotations

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig

MODALITIES = ("vision", "text", "audio", "depth", "thermal", "imu")


@strict
class ImageBindTowerConfig(PreTrainedConfig):
    """What all towers share: a pre-norm Transformer of MLP ratio 4 and a scale behind the unit
    sphere.
    """

    model_type = "imagebind_tower"

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    drop_path: float = 0.0
    """Chance to skip the last block in training; it grows linearly from zero at the first."""
    bias_kv: bool = True
    """One learned key and one learned value beside those of the tokens."""
    pre_norm: bool = False
    """A LayerNorm before the first block."""
    logit_scale: float | None = None
    """The factor on the unit vector; None: no scaling."""
    learn_logit_scale: bool = False


@strict
class VisionTowerConfig(ImageBindTowerConfig):
    """Pictures (B, 3, S, S) and clips (B, 3, frames, S, S); one picture is repeated to `frames`."""

    model_type = "imagebind_vision"
    base_config_key = "vision_config"

    hidden_size: int = 1280
    num_hidden_layers: int = 32
    num_attention_heads: int = 16
    bias_kv: bool = False
    pre_norm: bool = True
    image_size: int = 224
    patch_size: int = 14
    frames: int = 2
    stem_channels: list[int] | tuple[int, ...] = ()
    """3x3 convolutions of stride 2 before the patches (Xiao et al., 2021), which then count what
    they leave.
    """
    stem_blocks: int | list[int] | tuple[int, ...] = 0
    """Residual blocks behind each of those convolutions, one number for all or one for each."""


@strict
class TextTowerConfig(ImageBindTowerConfig):
    """Token ids (B, L), L <= context_length; the end token has the highest id, behind the text."""

    model_type = "imagebind_text"
    base_config_key = "text_config"

    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    bias_kv: bool = False
    logit_scale: float | None = 1 / 0.07
    learn_logit_scale: bool = True
    vocab_size: int = 49408
    context_length: int = 77


@strict
class AudioTowerConfig(ImageBindTowerConfig):
    """Log-mel pictures (B, 1, mel_bins, target_length); patch and stride as one number or (mel,
    time).
    """

    model_type = "imagebind_audio"
    base_config_key = "audio_config"

    drop_path: float = 0.1
    logit_scale: float | None = 20.0
    mel_bins: int = 128
    target_length: int = 204
    patch_size: int | list[int] | tuple[int, ...] = 16
    stride: int | list[int] | tuple[int, ...] = 10
    stem_channels: list[int] | tuple[int, ...] = ()
    """As of the vision tower; patch and stride then count what the convolutions leave."""
    stem_blocks: int | list[int] | tuple[int, ...] = 0


@strict
class DepthTowerConfig(ImageBindTowerConfig):
    """Disparity pictures (B, 1, S, S)."""

    model_type = "imagebind_depth"
    base_config_key = "depth_config"

    hidden_size: int = 384
    num_attention_heads: int = 8
    logit_scale: float | None = 5.0
    image_size: int = 224
    patch_size: int = 16


@strict
class ThermalTowerConfig(ImageBindTowerConfig):
    """Infrared pictures (B, 1, S, S)."""

    model_type = "imagebind_thermal"
    base_config_key = "thermal_config"

    logit_scale: float | None = 10.0
    image_size: int = 224
    patch_size: int = 16


@strict
class ImuTowerConfig(ImageBindTowerConfig):
    """Accelerometer and gyroscope series (B, channels, steps), cut into pieces of `kernel_size`
    steps.
    """

    model_type = "imagebind_imu"
    base_config_key = "imu_config"

    hidden_size: int = 512
    num_hidden_layers: int = 6
    num_attention_heads: int = 8
    drop_path: float = 0.7
    logit_scale: float | None = 5.0
    channels: int = 6
    steps: int = 2000
    kernel_size: int = 8
    head_dropout: float = 0.5


TOWER_CONFIGS: dict[str, type[ImageBindTowerConfig]] = {
    "vision": VisionTowerConfig,
    "text": TextTowerConfig,
    "audio": AudioTowerConfig,
    "depth": DepthTowerConfig,
    "thermal": ThermalTowerConfig,
    "imu": ImuTowerConfig,
}


@strict
class ImageBindConfig(PreTrainedConfig):
    """Which towers exist, how large each is, and the width of the space they share.

    A tower whose config is None does not exist, unless all six are None: then it is
    `imagebind_huge`.
    """

    model_type = "imagebind"
    sub_configs: ClassVar[dict[str, Any]] = {f"{m}_config": c for m, c in TOWER_CONFIGS.items()}

    projection_dim: int = 1024
    vision_config: dict[str, Any] | PreTrainedConfig | None = None
    text_config: dict[str, Any] | PreTrainedConfig | None = None
    audio_config: dict[str, Any] | PreTrainedConfig | None = None
    depth_config: dict[str, Any] | PreTrainedConfig | None = None
    thermal_config: dict[str, Any] | PreTrainedConfig | None = None
    imu_config: dict[str, Any] | PreTrainedConfig | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        """Build the towers' configs from the dicts of a `config.json`."""
        given = {m: getattr(self, f"{m}_config") for m in MODALITIES}
        if all(value is None for value in given.values()):
            given = {m: {} for m in MODALITIES}
        for modality, value in given.items():
            if isinstance(value, dict):
                value = TOWER_CONFIGS[modality](**value)
            setattr(self, f"{modality}_config", value)
        super().__post_init__(**kwargs)  # type: ignore[no-untyped-call]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The towers that exist, in the order of the paper."""
        return tuple(m for m in MODALITIES if getattr(self, f"{m}_config") is not None)

    def tower(self, modality: str) -> Any:
        """The config of one tower. Raises KeyError for a tower that does not exist."""
        if modality not in self.modalities:
            raise KeyError(
                f"this ImageBind has no {modality} tower, only {', '.join(self.modalities)}"
            )
        return getattr(self, f"{modality}_config")


AutoConfig.register("imagebind", ImageBindConfig, exist_ok=True)
