"""Tiny models that draw token by token, saved as their repositories are."""

from pathlib import Path
from typing import Any

from tests.tiny.words import byte_tokenizer

CODES = 16


def janus(folder: Path) -> None:
    """Janus: 16 codes a picture."""
    import torch
    from transformers import (
        JanusConfig,
        JanusForConditionalGeneration,
        JanusImageProcessorPil,
        JanusProcessor,
    )

    torch.manual_seed(0)
    words = byte_tokenizer(
        image_token="<image_placeholder>", boi_token="<begin_of_image>", eoi_token="<end_of_image>"
    )
    config = JanusConfig(
        text_config={**_llama(len(words)), "num_key_value_heads": 4, "model_type": "llama"},
        vision_config={
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
            "mlp_ratio": 2,
            "projection_dim": 32,
            "num_image_tokens": CODES,
            "depth": 1,
        },
        vq_config={
            "embed_dim": 8,
            "num_embeddings": 16,
            "latent_channels": 8,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
            "projection_dim": 32,
            "num_patches": 4,
            "image_token_embed_dim": 32,
            "depth": 1,
            "hidden_size": 32,
        },
        image_token_id=4,
    )
    model = JanusForConditionalGeneration(config).eval()
    settings = model.generation_config
    settings.generation_kwargs = {"boi_token_id": 5}
    settings.bos_token_id, settings.eos_token_id, settings.pad_token_id = 1, 2, 0
    model.save_pretrained(folder)
    JanusProcessor(
        image_processor=JanusImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=words,
        chat_template=words.chat_template,
        num_image_tokens=CODES,
    ).save_pretrained(folder)


def emu3(folder: Path) -> None:
    """Emu3: 16 kinds of code."""
    import torch
    from transformers import (
        Emu3Config,
        Emu3ForConditionalGeneration,
        Emu3ImageProcessor,
        Emu3Processor,
    )

    torch.manual_seed(0)
    visual = [f"<|visual token {number:06d}|>" for number in range(16)]
    marks = {
        "image_token": "<image>",
        "boi_token": "<|image start|>",
        "eoi_token": "<|image end|>",
        "image_wrapper_token": "<|image token|>",
        "eof_token": "<|extra_201|>",
    }
    words = byte_tokenizer("<|extra_200|>", *visual, **marks)
    names = ("<image>", "<|extra_200|>", *visual)
    config = Emu3Config(
        text_config=_llama(len(words)),
        vq_config={
            "codebook_size": 16,
            "embed_dim": 8,
            "latent_channels": 8,
            "base_channels": 32,
            "channel_multiplier": [1, 1],
            "num_res_blocks": 1,
            "attn_resolutions": [1],
            "hidden_size": 32,
            "num_attention_heads": 2,
            "temporal_downsample_factor": 1,
        },
        vocabulary_map={name: words.convert_tokens_to_ids(name) for name in names},
    )
    Emu3ForConditionalGeneration(config).eval().save_pretrained(folder)
    Emu3Processor(image_processor=Emu3ImageProcessor(), tokenizer=words).save_pretrained(folder)


def _llama(words: int) -> dict[str, Any]:
    return {
        "vocab_size": words,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 37,
        "max_position_embeddings": 1024,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
