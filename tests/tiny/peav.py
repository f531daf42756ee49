"""A tiny PE-AV with random weights, saved in the layout of the hub.

Where timm is not installed, its tower of pictures is a ViT of transformers in the place of timm's.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.tiny.encoders import byte_tokenizer

HOP = 8  #: samples to one place of a sound
SEES = find_spec("timm") is not None and find_spec("torchvision") is not None
TIMM = {
    "architecture": "vit_pe_core_tiny_patch16_384",
    "model_args": {"depth": 1, "img_size": 32},
    "do_pooling": True,
    "num_classes": 8,
    "global_pool": "map",
    "initializer_range": 0.02,
}


def model() -> Any:
    """The model itself."""
    from transformers import (
        PeAudioVideoConfig,
        PeAudioVideoModel,
        PeVideoEncoderConfig,
        ViTConfig,
    )

    size = {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = {
        **size,
        "vocab_size": len(tokenizer()),
        "max_position_embeddings": 512,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "cls_token_id": 1,
        "eos_token_id": 2,
        "sep_token_id": 2,
    }
    codec = {
        "encoder_hidden_size": 4,
        "downsampling_ratios": [2, 4],
        "hidden_size": 16,
        "codebook_dim": 8,
        "codebook_size": 8,
        "n_codebooks": 1,
        "decoder_hidden_size": 16,
    }
    vit = ViTConfig(**size, image_size=32, patch_size=8, num_labels=8)
    tower = TIMM if SEES else vit
    config = PeAudioVideoConfig(
        text_config=text,
        audio_video_config={
            **size,
            "head_dim": 16,
            "audio_config": {**size, "head_dim": 16, "dac_config": codec},
            "video_config": PeVideoEncoderConfig(**size, head_dim=16, vision_config=tower),
        },
    )
    return PeAudioVideoModel(config).eval()


def tokenizer() -> Any:
    """Bytes, after the first token that the head looks at."""
    return byte_tokenizer([], bos=True)


def peav(folder: Path) -> None:
    """The whole checkpoint with its processor's settings."""
    model().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    settings = {
        "processor_class": "PeAudioVideoProcessor",
        "feature_extractor": {
            "feature_extractor_type": "PeAudioFeatureExtractor",
            "feature_size": 1,
            "hop_length": HOP,
            "sampling_rate": 4000,
        },
        "video_processor": {
            "video_processor_type": "PeVideoVideoProcessor",
            "num_frames": None,
            "size": {"height": 32, "width": 32},
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "resample": 2,
        },
    }
    (folder / "processor_config.json").write_text(json.dumps(settings))
