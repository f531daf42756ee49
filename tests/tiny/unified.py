"""Tiny embedders of one transformer for every modality, saved in the layouts of the hub."""

import json
from pathlib import Path

from tests.tiny.encoders import byte_tokenizer


def embedding_gemma2(folder: Path) -> None:
    """EmbeddingGemma 2 with both towers. Its processor cannot be made without torchvision, so the
    file that it would write is written here.
    """
    from transformers import EmbeddingGemma2Config, EmbeddingGemma2Model

    special = {
        "image_token": "<|image|>",
        "video_token": "<|video|>",
        "audio_token": "<|audio|>",
        "boi_token": "<|image>",
        "eoi_token": "<image|>",
        "boa_token": "<|audio>",
        "eoa_token": "<audio|>",
    }
    tokenizer = byte_tokenizer(list(special.values()), bos=True, **special)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in special.items()}
    attention = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = EmbeddingGemma2Config(
        text_config={
            **attention,
            "vocab_size": len(tokenizer),
            "intermediate_size": 37,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "global_head_dim": 16,
            "num_global_key_value_heads": 1,
            "sliding_window": 16,
            "hidden_size_per_layer_input": 8,
            "embedding_dim": 24,
            "max_position_embeddings": 1024,
            "sliding_window_pattern": 2,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            **attention,
            "model_type": "gemma4_vision",
            "intermediate_size": 37,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 4,
            "position_embedding_size": 300,
            "pooling_kernel_size": 2,
        },
        audio_config={
            **attention,
            "model_type": "gemma4_audio",
            "output_proj_dims": 24,
            "subsampling_conv_channels": [128, 4],
        },
        image_token_id=ids["image_token"],
        video_token_id=ids["video_token"],
        audio_token_id=ids["audio_token"],
        boi_token_id=ids["boi_token"],
        eoi_token_id=ids["eoi_token"],
        boa_token_id=ids["boa_token"],
        eoa_token_index=ids["eoa_token"],
    )
    EmbeddingGemma2Model(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    seen = {"patch_size": 4, "pooling_kernel_size": 2, "max_soft_tokens": 70}
    settings = {
        "processor_class": "EmbeddingGemma2Processor",
        "image_processor": {"image_processor_type": "Gemma4ImageProcessor", **seen},
        "video_processor": {"video_processor_type": "EmbeddingGemma2VideoProcessor", **seen},
        "feature_extractor": {"feature_extractor_type": "Gemma4AudioFeatureExtractor"},
    }
    (folder / "processor_config.json").write_text(json.dumps(settings))


CHAT = (
    "{% for message in messages %}<s>{{ message.role }}\n{{ message.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
)


def qwen3_vl_embedding(folder: Path) -> None:
    """Qwen3-VL-Embedding: the weights of a Qwen3-VL, as the hub has them."""
    from transformers import (
        Qwen2VLImageProcessor,
        Qwen3VLConfig,
        Qwen3VLForConditionalGeneration,
    )

    special = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "vision_start_token": "<|vision_start|>",
        "vision_end_token": "<|vision_end|>",
    }
    tokenizer = byte_tokenizer(list(special.values()), **special)
    tokenizer.chat_template = CHAT
    ids = {f"{k}_id": tokenizer.convert_tokens_to_ids(token) for k, token in special.items()}
    config = Qwen3VLConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "intermediate_size": 37,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [2, 1, 1],
                "rope_theta": 10000.0,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_heads": 4,
            "out_hidden_size": 32,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 16,
        },
        **ids,
    )
    Qwen3VLForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessor(patch_size=16).save_pretrained(folder)
