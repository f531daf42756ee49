"""Tiny multimodal hubs with random weights: model, tokenizer and processor settings in the layout
of the hub, for each family.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.tiny.letters import chat_template, tokenizer

LLAMA: Mapping[str, Any] = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 16384,
    "initializer_range": 0.4,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
VISION: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "image_size": 32,
    "patch_size": 8,
}
CLIP = {**VISION, "model_type": "clip_vision_model"}
#: Places in space and time, as Qwen's models count them.
MROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 10000.0}
QWEN_TEXT = {
    **{name: LLAMA[name] for name in LLAMA if name != "model_type"},
    "rope_parameters": MROPE,
}
QWEN_VISION = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 4,
    "out_hidden_size": 32,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
    "window_size": 56,
    "fullatt_block_indexes": [1],
}
QWEN_WORDS = {
    "image_token": "<|image_pad|>",
    "video_token": "<|video_pad|>",
    "vision_start_token": "<|vision_start|>",
    "vision_end_token": "<|vision_end|>",
}
QWEN_MARKS = chat_template(
    image="<|vision_start|><|image_pad|><|vision_end|>",
    video="<|vision_start|><|video_pad|><|vision_end|>",
)
SQUARE = {"height": 32, "width": 32}


def llava(folder: Path) -> None:
    """LLaVA 1.5: CLIP, two layers of an MLP, LLaMA."""
    import transformers as t

    words = tokenizer(["<image>"], template=chat_template(image="<image>\n"))
    config = t.LlavaConfig(
        vision_config=CLIP,
        text_config={**LLAMA, "vocab_size": len(words)},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        image_seq_length=16,
    )
    _write(
        folder,
        t.LlavaForConditionalGeneration(config),
        words,
        processor_class="LlavaProcessor",
        image_processor=_clip_pictures(),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def llava_next(folder: Path) -> None:
    """LLaVA-NeXT: the picture whole, and in tiles."""
    import transformers as t

    words = tokenizer(["<image>"], template=chat_template(image="<image>\n"))
    pinpoints = [[32, 64], [64, 32]]
    config = t.LlavaNextConfig(
        vision_config=CLIP,
        text_config={**LLAMA, "vocab_size": len(words)},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        image_grid_pinpoints=pinpoints,
    )
    pictures = t.LlavaNextImageProcessor(
        size={"shortest_edge": 32}, crop_size=SQUARE, image_grid_pinpoints=pinpoints
    )
    _write(
        folder,
        t.LlavaNextForConditionalGeneration(config),
        words,
        processor_class="LlavaNextProcessor",
        image_processor=pictures,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def llava_next_video(folder: Path) -> None:
    """LLaVA-NeXT-Video. Without a video processor a video is some pictures."""
    import transformers as t

    words = tokenizer(["<image>", "<video>"], template=chat_template(image="<image>\n"))
    pinpoints = [[32, 64], [64, 32]]
    config = t.LlavaNextVideoConfig(
        vision_config=CLIP,
        text_config={**LLAMA, "vocab_size": len(words)},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_feature_layer=-2,
        spatial_pool_mode="average",
    )
    pictures = t.LlavaNextImageProcessor(
        size={"shortest_edge": 32}, crop_size=SQUARE, image_grid_pinpoints=pinpoints
    )
    _write(
        folder,
        t.LlavaNextVideoForConditionalGeneration(config),
        words,
        processor_class="LlavaNextVideoProcessor",
        image_processor=pictures,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def video_llava(folder: Path) -> None:
    """Video-LLaVA: a tower for pictures and one for videos."""
    import transformers as t

    words = tokenizer(["<image>", "<video>"], template=chat_template(image="<image>\n"))
    config = t.VideoLlavaConfig(
        vision_config=CLIP,
        text_config={**LLAMA, "vocab_size": len(words)},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        vision_feature_layer=-2,
        image_seq_length=16,
        video_seq_length=136,
    )
    _write(
        folder,
        t.VideoLlavaForConditionalGeneration(config),
        words,
        processor_class="VideoLlavaProcessor",
        image_processor=_clip_pictures("VideoLlavaImageProcessor"),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    )


def idefics2(folder: Path) -> None:
    """Idefics2: SigLIP, a Perceiver resampler, Mistral."""
    import transformers as t

    words = tokenizer(
        ["<image>", "<fake_token_around_image>", "<end_of_utterance>"],
        template=chat_template(image="<image>"),
    )
    config = t.Idefics2Config(
        image_token_id=words.convert_tokens_to_ids("<image>"),
        vision_config=VISION,
        perceiver_config={
            "resampler_n_latents": 4,
            "resampler_depth": 1,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
            "num_key_value_heads": 1,
            "hidden_size": 32,
        },
        text_config={
            **LLAMA,
            "model_type": "mistral",
            "sliding_window": None,
            "vocab_size": len(words),
        },
    )
    pictures = t.Idefics2ImageProcessor(
        size={"shortest_edge": 16, "longest_edge": 32}, do_image_splitting=False
    )
    _write(
        folder,
        t.Idefics2ForConditionalGeneration(config),
        words,
        processor_class="Idefics2Processor",
        image_processor=pictures,
        image_seq_len=4,
    )


def idefics3(folder: Path) -> None:
    """Idefics3: SigLIP, pixels moved into depth, LLaMA."""
    _idefics3(folder, "Idefics3")


def smolvlm(folder: Path) -> None:
    """SmolVLM: as Idefics3, smaller, and with videos."""
    _idefics3(folder, "SmolVLM")


def _idefics3(folder: Path, name: str) -> None:
    import transformers as t

    special = ["<image>", "<fake_token_around_image>", "<end_of_utterance>", "<global-img>"]
    words = tokenizer(special, template=chat_template(image="<image>", video="<video>"))
    config = getattr(t, f"{name}Config")(
        image_token_id=words.convert_tokens_to_ids("<image>"),
        scale_factor=2,
        vision_config=VISION,
        text_config={**LLAMA, "vocab_size": len(words)},
        pad_token_id=0,
    )
    pictures = getattr(t, f"{name}ImageProcessor")(
        size={"longest_edge": 32}, max_image_size={"longest_edge": 32}, do_image_splitting=False
    )
    _write(
        folder,
        getattr(t, f"{name}ForConditionalGeneration")(config),
        words,
        processor_class=f"{name}Processor",
        image_processor=pictures,
        image_seq_len=4,
    )


def _qwen(words: Any) -> dict[str, int]:
    return {f"{name}_id": words.convert_tokens_to_ids(word) for name, word in QWEN_WORDS.items()}


def qwen2_vl(folder: Path) -> None:
    """Qwen2-VL."""
    import transformers as t

    words = tokenizer(named=QWEN_WORDS, template=QWEN_MARKS)
    config = t.Qwen2VLConfig(
        text_config={**QWEN_TEXT, "vocab_size": len(words)},
        vision_config={
            "depth": 2,
            "embed_dim": 32,
            "hidden_size": 32,
            "num_heads": 4,
            "mlp_ratio": 1,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        **_qwen(words),
    )
    _write(
        folder,
        t.Qwen2VLForConditionalGeneration(config),
        words,
        processor_class="Qwen2VLProcessor",
        image_processor=_qwen_pictures(14),
    )


def qwen2_5_vl(folder: Path) -> None:
    """Qwen2.5-VL: attention in windows."""
    import transformers as t

    words = tokenizer(named=QWEN_WORDS, template=QWEN_MARKS)
    config = t.Qwen2_5_VLConfig(
        text_config={**QWEN_TEXT, "vocab_size": len(words)},
        vision_config=QWEN_VISION,
        **_qwen(words),
    )
    _write(
        folder,
        t.Qwen2_5_VLForConditionalGeneration(config),
        words,
        processor_class="Qwen2_5_VLProcessor",
        image_processor=_qwen_pictures(14),
    )


def qwen3_vl(folder: Path) -> None:
    """Qwen3-VL: features of several depths."""
    import transformers as t

    words = tokenizer(named=QWEN_WORDS, template=QWEN_MARKS)
    config = t.Qwen3VLConfig(
        text_config={**QWEN_TEXT, "head_dim": 8, "vocab_size": len(words)},
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_heads": 4,
            "out_hidden_size": 32,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "deepstack_visual_indexes": [0],
            "num_position_embeddings": 16,
        },
        **_qwen(words),
    )
    _write(
        folder,
        t.Qwen3VLForConditionalGeneration(config),
        words,
        processor_class="Qwen3VLProcessor",
        image_processor=_qwen_pictures(16),
    )


def internvl(folder: Path) -> None:
    """InternVL: InternViT, pixels moved into depth, a language model."""
    import transformers as t

    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = tokenizer(named=named, template=chat_template(image="<IMG_CONTEXT>\n"))
    config = t.InternVLConfig(
        vision_config={**VISION, "image_size": [32, 32], "patch_size": [8, 8]},
        text_config={**LLAMA, "vocab_size": len(words)},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        downsample_ratio=0.5,
    )
    pictures = t.GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=False)
    _write(
        folder,
        t.InternVLForConditionalGeneration(config),
        words,
        processor_class="InternVLProcessor",
        image_processor=pictures,
        image_seq_length=4,
    )


def gemma3(folder: Path) -> None:
    """Gemma 3: SigLIP, and attention in a window for most layers."""
    import torch
    import transformers as t

    named = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    words = tokenizer(named=named, template=chat_template(image="<start_of_image>"))
    ids = {name: words.convert_tokens_to_ids(word) for name, word in named.items()}
    config = t.Gemma3Config(
        text_config={
            **{name: LLAMA[name] for name in LLAMA if name != "model_type"},
            "head_dim": 8,
            "sliding_window": 64,
            "layer_types": ["sliding_attention", "full_attention"],
            "vocab_size": len(words),
        },
        vision_config={**VISION, "model_type": "siglip_vision_model"},
        mm_tokens_per_image=4,
        boi_token_index=ids["boi_token"],
        eoi_token_index=ids["eoi_token"],
        image_token_index=ids["image_token"],
    )
    model = t.Gemma3ForConditionalGeneration(config)
    # It begins with zeros, through which no picture is seen.
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight)
    _write(
        folder,
        model,
        words,
        processor_class="Gemma3Processor",
        image_processor=t.Gemma3ImageProcessor(size=SQUARE),
        image_seq_length=4,
    )


def gemma4(folder: Path) -> None:
    """Gemma 4: pictures of any shape, and sounds."""
    import transformers as t

    named = {
        "image_token": "<|image|>",
        "boi_token": "<|image>",
        "eoi_token": "<image|>",
        "audio_token": "<|audio|>",
        "boa_token": "<|audio>",
        "eoa_token": "<audio|>",
    }
    words = tokenizer(
        ["<|video|>"],
        named=named,
        template=chat_template(image="<|image|>", audio="<|audio|>", video="<|video|>"),
    )
    ids = {name: words.convert_tokens_to_ids(word) for name, word in named.items()}
    config = t.Gemma4Config(
        text_config={
            "vocab_size": len(words),
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "global_head_dim": 8,
            "sliding_window": 64,
            "hidden_size_per_layer_input": 8,
            "vocab_size_per_layer_input": len(words),
            "num_kv_shared_layers": 0,
            "max_position_embeddings": 16384,
            "layer_types": ["sliding_attention", "full_attention"],
            "initializer_range": 0.4,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        vision_config={
            "model_type": "gemma4_vision",
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "patch_size": 4,
            "position_embedding_size": 64,
            "pooling_kernel_size": 2,
        },
        audio_config={
            "model_type": "gemma4_audio",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "output_proj_dims": 24,
            "subsampling_conv_channels": [128, 4],
        },
        image_token_id=ids["image_token"],
        video_token_id=words.convert_tokens_to_ids("<|video|>"),
        audio_token_id=ids["audio_token"],
        boi_token_id=ids["boi_token"],
        eoi_token_id=ids["eoi_token"],
        boa_token_id=ids["boa_token"],
        eoa_token_index=ids["eoa_token"],
    )
    _write(
        folder,
        t.Gemma4ForConditionalGeneration(config),
        words,
        processor_class="Gemma4Processor",
        image_processor=t.Gemma4ImageProcessor(
            patch_size=4, max_soft_tokens=70, pooling_kernel_size=2
        ),
        feature_extractor=t.Gemma4AudioFeatureExtractor(),
        image_seq_length=70,
    )


def qwen_omni(folder: Path) -> None:
    """The thinker of Qwen2.5-Omni: words, pictures and sounds in, words out."""
    import transformers as t

    named = {
        "image_token": "<|IMAGE|>",
        "audio_token": "<|AUDIO|>",
        "video_token": "<|VIDEO|>",
        "vision_bos_token": "<|vision_bos|>",
        "vision_eos_token": "<|vision_eos|>",
        "audio_bos_token": "<|audio_bos|>",
        "audio_eos_token": "<|audio_eos|>",
    }
    words = tokenizer(
        named=named,
        template=chat_template(
            image="<|vision_bos|><|IMAGE|><|vision_eos|>",
            audio="<|audio_bos|><|AUDIO|><|audio_eos|>",
            video="<|vision_bos|><|VIDEO|><|vision_eos|>",
        ),
    )
    ids = {name: words.convert_tokens_to_ids(word) for name, word in named.items()}
    config = t.Qwen2_5OmniThinkerConfig(
        text_config={**QWEN_TEXT, "vocab_size": len(words)},
        vision_config=QWEN_VISION,
        audio_config={
            "d_model": 32,
            "encoder_layers": 1,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 48,
            "num_mel_bins": 80,
            "n_window": 100,
            "output_dim": 32,
            "max_source_positions": 1500,
        },
        audio_token_index=ids["audio_token"],
        image_token_index=ids["image_token"],
        video_token_index=ids["video_token"],
        audio_start_token_id=ids["audio_bos_token"],
        audio_end_token_id=ids["audio_eos_token"],
        vision_start_token_id=ids["vision_bos_token"],
        vision_end_token_id=ids["vision_eos_token"],
        position_id_per_seconds=25,
        seconds_per_chunk=2,
    )
    _write(
        folder,
        t.Qwen2_5OmniThinkerForConditionalGeneration(config),
        words,
        processor_class="Qwen2_5OmniProcessor",
        image_processor=_qwen_pictures(14),
        feature_extractor=t.WhisperFeatureExtractor(feature_size=80),
    )


def ernie_vl(folder: Path) -> None:
    """ERNIE 4.5 VL: experts of their own for words and for pictures."""
    import transformers as t

    named = {
        "image_token": "<|IMAGE_PLACEHOLDER|>",
        "image_start_token": "<|IMAGE_START|>",
        "image_end_token": "<|IMAGE_END|>",
        "video_token": "<|VIDEO_PLACEHOLDER|>",
        "video_start_token": "<|VIDEO_START|>",
        "video_end_token": "<|VIDEO_END|>",
    }
    words = tokenizer(
        named=named,
        template=chat_template(image="<|IMAGE_START|><|IMAGE_PLACEHOLDER|><|IMAGE_END|>"),
    )
    config = t.Ernie4_5_VLMoeConfig(
        text_config={
            **{name: LLAMA[name] for name in LLAMA if name != "model_type"},
            "vocab_size": len(words),
            "moe_intermediate_size": [24, 24],
            "moe_k": 2,
            "moe_num_experts": 4,
            "moe_num_shared_experts": 1,
            "mlp_layer_types": ["dense", "sparse"],
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [1, 1, 2],
                "rope_theta": 500000.0,
            },
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "num_heads": 4,
            "intermediate_size": 48,
            "patch_size": 14,
            "spatial_merge_size": 2,
        },
        **{f"{name}_id": words.convert_tokens_to_ids(word) for name, word in named.items()},
    )
    pictures = t.Ernie4_5_VLMoeImageProcessor(
        patch_size=14, size={"shortest_edge": 28 * 28, "longest_edge": 4 * 28 * 28}
    )
    _write(
        folder,
        t.Ernie4_5_VLMoeForConditionalGeneration(config),
        words,
        processor_class="Ernie4_5_VLMoeProcessor",
        image_processor=pictures,
    )


def _clip_pictures(kind: str = "CLIPImageProcessor") -> Any:
    import transformers

    return getattr(transformers, kind)(size={"shortest_edge": 32}, crop_size=SQUARE)


def _qwen_pictures(patch: int) -> Any:
    from transformers import Qwen2VLImageProcessor

    return Qwen2VLImageProcessor(
        patch_size=patch,
        size={"shortest_edge": (2 * patch) ** 2, "longest_edge": 4 * (2 * patch) ** 2},
    )


def _write(folder: Path, model: Any, words: Any, **processor: Any) -> None:
    """The checkpoint; parts of the processor stand inside its settings."""
    words.save_pretrained(folder)
    model.save_pretrained(folder)
    settings = {
        name: value.to_dict() if hasattr(value, "to_dict") else value
        for name, value in processor.items()
    }
    for name in settings.keys() & {"image_processor", "feature_extractor"}:
        # The hub names the classes without what they are built on.
        kind = settings[name].get(f"{name}_type")
        if kind:
            settings[name][f"{name}_type"] = kind.removesuffix("Pil").removesuffix("Fast")
    (folder / "processor_config.json").write_text(json.dumps(settings, default=str))


#: Each family's name -> what writes it into an empty folder.
MULTIMODAL: Mapping[str, Callable[[Path], None]] = {
    "llava": llava,
    "llava-next": llava_next,
    "llava-next-video": llava_next_video,
    "video-llava": video_llava,
    "idefics2": idefics2,
    "idefics3": idefics3,
    "smolvlm": smolvlm,
    "qwen2-vl": qwen2_vl,
    "qwen2.5-vl": qwen2_5_vl,
    "qwen3-vl": qwen3_vl,
    "internvl": internvl,
    "gemma3": gemma3,
    "gemma4": gemma4,
    "qwen-omni": qwen_omni,
    "ernie-vl": ernie_vl,
}
#: Those that hear as well.
HEARING = frozenset({"gemma4", "qwen-omni"})
