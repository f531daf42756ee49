"""Tiny models that answer speech by speech."""

from pathlib import Path

from tests.tiny.speech import TEXT, byte_tokenizer
from tests.tiny.voices import fill_codebooks


def moshi(folder: Path) -> None:
    """Moshi with a codec of 12.5 frames a second."""
    from transformers import MoshiConfig, MoshiForConditionalGeneration

    codec = {
        "model_type": "mimi",
        "sampling_rate": 2_000,
        "frame_rate": 12.5,
        "hidden_size": 32,
        "num_filters": 4,
        "num_residual_layers": 1,
        "upsampling_ratios": [10, 8],
        "codebook_size": 16,
        "codebook_dim": 16,
        "vector_quantization_hidden_dimension": 16,
        "upsample_groups": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "sliding_window": 8,
        "intermediate_size": 37,
        "num_quantizers": 4,
        "use_cache": False,
    }
    text = {name: TEXT[name] for name in ("vocab_size", "hidden_size", "num_attention_heads")}
    config = MoshiConfig(
        **text,
        num_hidden_layers=2,
        ffn_dim=74,
        num_codebooks=4,
        audio_encoder_config=codec,
        depth_decoder_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "ffn_dim": 32,
            "max_position_embeddings": 5,
            "initializer_range": 0.5,
        },
        max_position_embeddings=128,
        sliding_window=128,
        initializer_range=0.5,
    )
    model = MoshiForConditionalGeneration(config)
    fill_codebooks(model.audio_encoder)
    said = model.generation_config
    said._from_model_config = False  # else what follows is left out when it is read again
    said.pad_token_id = 3
    model.save_pretrained(folder)
    special = ["<unk>", "<s>", "</s>", "<pad>"]
    byte_tokenizer(special, unk_token="<unk>").save_pretrained(folder)


def qwen_omni(folder: Path) -> None:
    """Qwen2.5-Omni: thinker, talker and what makes sound of its codes, with two voices."""
    import torch
    from transformers import (
        Qwen2_5OmniConfig,
        Qwen2_5OmniForConditionalGeneration,
        WhisperFeatureExtractor,
    )

    from generators.speech.omni_voices import FILE, convert

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    special += ["<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
    turning = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}
    heads = {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_parameters": turning,
        "initializer_range": 0.5,
    }
    places = {"audio_token_index": 3, "audio_start_token_id": 4, "audio_end_token_id": 5}
    unseen = {"image_token_index": 290, "video_token_index": 291}
    thinker = {
        **places,
        **unseen,
        "vision_start_token_id": 297,
        "text_config": {"vocab_size": 300, "pad_token_id": 0, **heads},
        "vision_config": {
            "depth": 1,
            "hidden_size": 32,
            "intermediate_size": 37,
            "num_heads": 4,
            "out_hidden_size": 32,
        },
        "audio_config": {
            "d_model": 32,
            "encoder_layers": 1,
            "encoder_attention_heads": 4,
            "encoder_ffn_dim": 37,
            "num_mel_bins": 16,
            "n_window": 10,
            "output_dim": 32,
            "initializer_range": 0.5,
        },
    }
    talker = {
        **places,
        **unseen,
        **heads,
        "vocab_size": 48,
        "embedding_size": 32,
        "head_dim": 8,
        "tts_text_start_token_id": 292,
        "tts_text_end_token_id": 293,
        "tts_text_pad_token_id": 294,
        "tts_codec_pad_token_id": 44,
        "tts_codec_start_token_id": 45,
        "tts_codec_end_token_id": 46,
        "tts_codec_mask_token_id": 47,
    }
    sounds = {
        "dit_config": {
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "head_dim": 16,
            "emb_dim": 16,
            "num_embeds": 48,
            "mel_dim": 16,
            "look_ahead_layers": [1],
            "look_backward_layers": [0],
            "enc_emb_dim": 8,
            "enc_dim": 8,
            "enc_channels": [16, 16, 16, 16, 48],
            "enc_attention_channels": 8,
            "enc_se_channels": 8,
        },
        "bigvgan_config": {
            "mel_dim": 16,
            "upsample_initial_channel": 32,
            "resblock_kernel_sizes": [3],
            "resblock_dilation_sizes": [[1, 3, 5]],
            "upsample_rates": [20, 12],  # 100 frames a second, as in the real one
            "upsample_kernel_sizes": [40, 24],
        },
    }
    config = Qwen2_5OmniConfig(
        thinker_config=thinker, talker_config=talker, token2wav_config=sounds
    )
    model = Qwen2_5OmniForConditionalGeneration(config)
    with torch.no_grad():
        model.token2wav.code2wav_bigvgan_model.conv_post.weight.mul_(100)  # else hardly heard
    model.save_pretrained(folder)
    byte_tokenizer(special, pad_token="<|endoftext|>", eos_token="<|im_end|>").save_pretrained(
        folder
    )
    WhisperFeatureExtractor(feature_size=16, chunk_length=4).save_pretrained(folder)
    voices = {
        name: {"cond": torch.randn(1, 8), "ref_mel": torch.randn(1, 30, 16), "bos_token": bos}
        for name, bos in (("Chelsie", 295), ("Ethan", 296))
    }
    torch.save(voices, folder / "spk_dict.pt")
    convert(folder / "spk_dict.pt", folder / FILE)
