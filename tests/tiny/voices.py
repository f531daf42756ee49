"""Tiny models that speak."""

import json
from pathlib import Path
from typing import Any

from tests.tiny.encoders import LETTERS
from tests.tiny.speech import TEXT, byte_tokenizer


def vits(folder: Path) -> None:
    """VITS as MMS uses it: letters to sound."""
    from transformers import VitsConfig, VitsModel, VitsTokenizer

    config = VitsConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        ffn_dim=32,
        flow_size=16,
        spectrogram_bins=9,
        prior_encoder_num_flows=1,
        prior_encoder_num_wavenet_layers=1,
        posterior_encoder_num_wavenet_layers=1,
        upsample_initial_channel=16,
        upsample_rates=[8, 8],
        upsample_kernel_sizes=[16, 16],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        depth_separable_num_layers=1,
        duration_predictor_num_flows=1,
        duration_predictor_flow_bins=4,
        duration_predictor_filter_channels=16,
    )
    VitsModel(config).save_pretrained(folder)
    (folder / "letters.json").write_text(
        json.dumps({letter: i for i, letter in enumerate([*LETTERS, " ", "'", "<pad>", "<unk>"])})
    )
    VitsTokenizer(
        str(folder / "letters.json"), language="eng", phonemize=False, is_uroman=False
    ).save_pretrained(folder)
    (folder / "letters.json").unlink()


def speecht5(folder: Path) -> None:
    """SpeechT5 with its vocoder beside it and one voice."""
    import numpy as np
    import torch
    from transformers import (
        SpeechT5Config,
        SpeechT5ForTextToSpeech,
        SpeechT5HifiGan,
        SpeechT5HifiGanConfig,
    )

    config = SpeechT5Config(
        vocab_size=300,
        hidden_size=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=37,
        decoder_ffn_dim=37,
        num_mel_bins=20,
        speaker_embedding_dim=16,
        speech_decoder_postnet_units=16,
        speech_decoder_prenet_units=16,
        reduction_factor=2,
        max_text_positions=100,
        max_speech_positions=200,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = SpeechT5ForTextToSpeech(config)
    torch.nn.init.normal_(model.speech_decoder_postnet.feat_out.weight, std=2.0)
    torch.nn.init.constant_(model.speech_decoder_postnet.prob_out.bias, -4.0)  # not at once
    model.save_pretrained(folder)
    vocoder = SpeechT5HifiGanConfig(
        model_in_dim=20,
        upsample_initial_channel=16,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3]],
        initializer_range=0.3,
    )
    SpeechT5HifiGan(vocoder).save_pretrained(folder / "vocoder")
    byte_tokenizer(
        ["<pad>", "<s>", "</s>"], pad_token="<pad>", eos_token="</s>", bos_token="<s>"
    ).save_pretrained(folder)
    (folder / "voices").mkdir()
    np.save(folder / "voices" / "ada.npy", np.linspace(-1, 1, 16, dtype=np.float32))


def fill_codebooks(codec: Any) -> None:
    """New codebooks are empty: every code would sound the same."""
    for name, buffer in codec.named_buffers():
        if name.endswith(("codebook.embed", "codebook.embed_sum")):
            buffer.normal_()


def bark(folder: Path) -> None:
    """Bark: semantic, coarse and fine models of one block, and a tiny EnCodec."""
    from transformers import BarkConfig, BarkModel, BarkProcessor

    part = {"block_size": 600, "num_layers": 1, "num_heads": 2, "hidden_size": 16}
    config = BarkConfig(
        semantic_config={**part, "input_vocab_size": 400, "output_vocab_size": 40},
        coarse_acoustics_config={**part, "input_vocab_size": 80, "output_vocab_size": 80},
        fine_acoustics_config={
            **part,
            "input_vocab_size": 17,
            "output_vocab_size": 17,
            "n_codes_total": 4,
            "n_codes_given": 1,
        },
        codec_config={
            "model_type": "encodec",
            "num_filters": 4,
            "hidden_size": 8,
            "upsampling_ratios": [4, 2],
            "codebook_size": 16,
            "codebook_dim": 8,
            "num_residual_layers": 1,
            "num_lstm_layers": 1,
            "target_bandwidths": [48.0],  # four codebooks
        },
    )
    model = BarkModel(config)
    fill_codebooks(model.codec_model)
    said = model.generation_config
    said._from_model_config = False  # else what follows is left out when it is read again
    said.sample_rate = 24_000
    said.codebook_size = 16
    said.semantic_config = {
        "eos_token_id": 32,
        "max_new_tokens": 12,
        "min_new_tokens": 6,  # random weights would end before they begin
        "do_sample": True,
        "semantic_vocab_size": 32,
        "text_encoding_offset": 50,
        "text_pad_token": 390,
        "semantic_infer_token": 391,
        "semantic_pad_token": 32,
        "semantic_rate_hz": 49.9,
        "max_input_semantic_length": 32,
    }
    said.coarse_acoustics_config = {
        "do_sample": True,
        "coarse_rate_hz": 75,
        "n_coarse_codebooks": 2,
        "coarse_infer_token": 70,
        "coarse_semantic_pad_token": 71,
        "max_coarse_input_length": 32,
        "max_coarse_history": 60,
        "sliding_window_len": 20,
    }
    said.fine_acoustics_config = {
        "temperature": 0.5,
        "max_fine_history_length": 64,
        "max_fine_input_length": 128,
        "n_fine_codebooks": 4,
    }
    model.save_pretrained(folder)
    tokenizer = byte_tokenizer(["[PAD]", "[UNK]"], pad_token="[PAD]", unk_token="[UNK]")
    BarkProcessor(tokenizer).save_pretrained(folder)


_POCKET_TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'audio' %}<vbos><voice>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}<abos>"
)


def pocket(folder: Path) -> None:
    """Pocket TTS with its codec."""
    from transformers import (
        PocketTTSAudioTokenizerConfig,
        PocketTTSAudioTokenizerModel,
        PocketTTSConfig,
        PocketTTSFeatureExtractor,
        PocketTTSForConditionalGeneration,
        PocketTTSProcessor,
    )

    special = ["<pad>", "<voice>", "<latent>", "<vbos>", "<abos>"]
    tokenizer = byte_tokenizer(
        special,
        pad_token="<pad>",
        audio_prompt_token="<voice>",
        audio_latent_token="<latent>",
        audio_prompt_bos_token="<vbos>",
        audio_bos_token="<abos>",
    )
    codec = PocketTTSAudioTokenizerModel(
        PocketTTSAudioTokenizerConfig(
            hidden_size=16,
            num_filters=4,
            upsampling_ratios=[6, 5, 4],
            upsample_groups=16,
            num_hidden_layers=1,
            intermediate_size=32,
            num_attention_heads=2,
            num_key_value_heads=2,
            sliding_window=16,
            latent_dim=8,
        )
    )
    codec.save_pretrained(folder / "codec")
    codec = PocketTTSAudioTokenizerModel.from_pretrained(folder / "codec")
    PocketTTSProcessor(
        PocketTTSFeatureExtractor(), tokenizer, codec, chat_template=_POCKET_TEMPLATE
    ).save_pretrained(folder)
    text = {name: value for name, value in TEXT.items() if name != "head_dim"}
    config = PocketTTSConfig(
        **text,
        flow_head_config={
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "latent_dim": 8,
            "condition_dim": 32,
            "frequency_embedding_size": 16,
        },
        latent_dim=8,
        pad_token_id=0,
        audio_prompt_token_id=1,
        audio_latent_token_id=2,
        audio_prompt_bos_token_id=3,
        audio_bos_token_id=4,
    )
    PocketTTSForConditionalGeneration(config).save_pretrained(folder)


_VIBE_TEMPLATE = (
    "{% for m in messages %}{% for c in m['content'] %}{% if c['type'] == 'audio' %}"
    "<|vision_start|><|vision_pad|><|vision_end|>{% else %} Speaker {{ m['role'] }}: "
    "{{ c['text'] }}\n{% endif %}{% endfor %}{% endfor %} Speech output:\n<|vision_start|>"
)


def vibevoice(folder: Path) -> None:
    """VibeVoice."""
    from transformers import (
        VibeVoiceAcousticTokenizerFeatureExtractor,
        VibeVoiceConfig,
        VibeVoiceForConditionalGeneration,
        VibeVoiceProcessor,
    )

    special = ["<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"]
    tokenizer = byte_tokenizer(special, pad_token="<|endoftext|>", eos_token="<|endoftext|>")
    codec = {
        "num_filters": 4,
        "downsampling_ratios": [8, 8],
        "depths": [1, 1, 1],
        "kernel_size": 3,
        "ffn_expansion": 2,
        "layer_scale_init_value": 0.5,
        "initializer_range": 0.3,
    }
    config = VibeVoiceConfig(
        audio_config={"model_type": "vibevoice_acoustic_tokenizer", **codec, "hidden_size": 8},
        semantic_model_config={
            "model_type": "vibevoice_acoustic_tokenizer_encoder",
            **codec,
            "hidden_size": 12,
        },
        text_config={"model_type": "qwen2", **TEXT, "initializer_range": 0.5},
        diffusion_head_config={
            "num_hidden_layers": 1,
            "intermediate_size": 32,
            "frequency_embedding_size": 16,
        },
        pad_token_id=0,
        eos_token_id=0,
        audio_bos_token_id=1,
        audio_eos_token_id=2,
        audio_token_id=3,
    )
    model = VibeVoiceForConditionalGeneration(config)
    said = model.generation_config
    said._from_model_config = False  # else what follows is left out when it is read again
    said.num_diffusion_steps = 2
    said.min_new_tokens = 4
    said.suppress_tokens = [1, 2]  # random weights would begin and end without speaking
    model.save_pretrained(folder)
    VibeVoiceProcessor(
        VibeVoiceAcousticTokenizerFeatureExtractor(pad_to_multiple_of=64),
        tokenizer,
        chat_template=_VIBE_TEMPLATE,
    ).save_pretrained(folder)
