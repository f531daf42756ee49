"""Tiny models that make music and noises."""

from pathlib import Path
from typing import Any

from tests.tiny.encoders import LETTERS
from tests.tiny.speech import TEXT, byte_tokenizer
from tests.tiny.voices import fill_codebooks

RATE = 1_000


def _t5(width: int) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=300, d_model=width, d_kv=4, d_ff=37, num_layers=1, num_heads=2)
    )


def _t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    symbols = ["<pad>", "</s>", "<unk>", "▁", *LETTERS]
    return T5Tokenizer(
        vocab=[(symbol, -float(i)) for i, symbol in enumerate(symbols)],
        extra_ids=0,
        model_max_length=32,
    )


def _oobleck(latent: int, ratios: tuple[int, int] = (1, 2)) -> Any:
    from diffusers import AutoencoderOobleck

    return AutoencoderOobleck(
        encoder_hidden_size=6,
        downsampling_ratios=list(ratios),
        decoder_channels=3,
        decoder_input_channels=latent,
        audio_channels=2,
        channel_multiples=[2, 4],
        sampling_rate=RATE,
    )


def stable_audio(folder: Path) -> None:
    """Stable Audio Open."""
    from diffusers import EDMDPMSolverMultistepScheduler, StableAudioDiTModel, StableAudioPipeline
    from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel

    StableAudioPipeline(
        vae=_oobleck(3),
        text_encoder=_t5(4),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=4, conditioning_dim=4, min_value=0, max_value=32
        ),
        tokenizer=_t5_tokenizer(),
        transformer=StableAudioDiTModel(
            sample_size=500,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
            num_attention_heads=2,
        ),
        scheduler=EDMDPMSolverMultistepScheduler(
            solver_order=2,
            prediction_type="v_prediction",
            sigma_data=1.0,
            sigma_schedule="exponential",
        ),
    ).save_pretrained(folder)


def ace_step(folder: Path) -> None:
    """ACE-Step 1.5."""
    from diffusers import (
        AceStepPipeline,
        AceStepTransformer1DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
    from transformers import Qwen3Config, Qwen3Model

    shape = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "sliding_window": 16,
    }
    AceStepPipeline(
        vae=_oobleck(8, (5, 8)),  # 25 latents a second, as in the real one
        text_encoder=Qwen3Model(Qwen3Config(**TEXT)),
        tokenizer=byte_tokenizer(["<pad>", "</s>"], pad_token="<pad>", eos_token="</s>"),
        transformer=AceStepTransformer1DModel(
            num_hidden_layers=2, in_channels=24, audio_acoustic_hidden_dim=8, patch_size=2, **shape
        ),
        condition_encoder=AceStepConditionEncoder(
            text_hidden_dim=32,
            timbre_hidden_dim=8,
            num_lyric_encoder_hidden_layers=2,
            num_timbre_encoder_hidden_layers=2,
            **shape,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    ).save_pretrained(folder)


def audioldm2(folder: Path) -> None:
    """AudioLDM 2. It tells a prompt from a transcription by the class of its tokenizers."""
    from diffusers import (
        AudioLDM2Pipeline,
        AudioLDM2ProjectionModel,
        AudioLDM2UNet2DConditionModel,
        AutoencoderKL,
        DDIMScheduler,
    )
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        GPT2Config,
        GPT2LMHeadModel,
        RobertaTokenizer,
        SpeechT5HifiGan,
        SpeechT5HifiGanConfig,
    )

    heard = {
        "spec_size": 8,
        "window_size": 4,
        "num_mel_bins": 8,
        "depths": [1, 1],
        "num_attention_heads": [1, 1],
        "num_hidden_layers": 2,
        "hidden_size": 192,
        "projection_dim": 8,
        "patch_size": 2,
        "patch_stride": 2,
        "patch_embed_input_channels": 4,
    }
    read = {
        "hidden_size": 8,
        "intermediate_size": 37,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "pad_token_id": 1,
        "vocab_size": 40,
        "projection_dim": 8,
        "max_position_embeddings": 40,
    }
    symbols = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
    language = GPT2LMHeadModel(
        GPT2Config(n_embd=16, n_head=1, n_layer=1, vocab_size=40, n_ctx=99, n_positions=99)
    )
    language.config.max_new_tokens = 4
    AudioLDM2Pipeline(
        vae=AutoencoderKL(
            block_out_channels=[8, 16],
            in_channels=1,
            out_channels=1,
            norm_num_groups=8,
            down_block_types=["DownEncoderBlock2D"] * 2,
            up_block_types=["UpDecoderBlock2D"] * 2,
            latent_channels=4,
        ),
        text_encoder=ClapModel(ClapConfig(text_config=read, audio_config=heard, projection_dim=16)),
        text_encoder_2=_t5(32),
        projection_model=AudioLDM2ProjectionModel(
            text_encoder_dim=16, text_encoder_1_dim=32, langauge_model_dim=16
        ),
        language_model=language,
        tokenizer=RobertaTokenizer(
            vocab={symbol: i for i, symbol in enumerate(symbols)}, merges=[], model_max_length=32
        ),
        tokenizer_2=_t5_tokenizer(),
        feature_extractor=ClapFeatureExtractor(feature_size=8, hop_length=48),
        unet=AudioLDM2UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=8,
            sample_size=32,
            in_channels=4,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=(8, 16),
        ),
        scheduler=DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
        ),
        vocoder=SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=8,
                sampling_rate=RATE,
                upsample_initial_channel=16,
                upsample_rates=[2, 2],
                upsample_kernel_sizes=[4, 4],
                resblock_kernel_sizes=[3],
                resblock_dilation_sizes=[[1, 3]],
                normalize_before=False,
                initializer_range=0.3,
            )
        ),
    ).save_pretrained(folder)


def musicgen(folder: Path) -> None:
    """MusicGen, with an EnCodec of two codebooks."""
    from transformers import MusicgenConfig, MusicgenForConditionalGeneration

    config = MusicgenConfig(
        text_encoder={
            "model_type": "t5",
            "vocab_size": 300,
            "d_model": 32,
            "d_kv": 8,
            "d_ff": 37,
            "num_layers": 1,
            "num_heads": 4,
        },
        audio_encoder={
            "model_type": "encodec",
            "num_filters": 4,
            "hidden_size": 16,
            "upsampling_ratios": [8, 5],
            "codebook_size": 64,
            "codebook_dim": 16,
            "num_residual_layers": 1,
            "num_lstm_layers": 1,
            "sampling_rate": RATE,
            "target_bandwidths": [0.3],
        },
        decoder={
            "model_type": "musicgen_decoder",
            "vocab_size": 64,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 37,
            "num_codebooks": 2,
            "pad_token_id": 64,
            "bos_token_id": 64,
            "max_position_embeddings": 256,
            "initializer_factor": 0.5,
        },
    )
    model = MusicgenForConditionalGeneration(config)
    fill_codebooks(model.audio_encoder)
    said = model.generation_config
    said.pad_token_id = said.bos_token_id = said.decoder_start_token_id = 64
    model.save_pretrained(folder)
    _t5_tokenizer().save_pretrained(folder)
