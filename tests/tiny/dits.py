"""Tiny pipelines whose denoiser is a diffusion transformer, saved as their repositories are."""

from pathlib import Path
from typing import Any

from tests.tiny.pipelines import clip_text, clip_tokenizer
from tests.tiny.pipelines import vae as small_vae
from tests.tiny.words import byte_tokenizer, qwen3_config, t5


def stable_diffusion_3(folder: Path) -> None:
    """Stable Diffusion 3: three text encoders, flow matching."""
    import torch
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection

    torch.manual_seed(0)
    transformer = SD3Transformer2DModel(
        sample_size=16,
        patch_size=1,
        in_channels=16,
        out_channels=16,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pooled_projection_dim=64,
    )
    pipeline = StableDiffusion3Pipeline(
        scheduler=_flow(),
        text_encoder=CLIPTextModelWithProjection(clip_text().config).eval(),
        text_encoder_2=CLIPTextModelWithProjection(clip_text().config).eval(),
        text_encoder_3=t5(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=byte_tokenizer(),
        transformer=transformer.eval(),
        vae=_narrow_vae(),
    )
    pipeline.save_pretrained(folder)


def cogview3(folder: Path) -> None:
    """CogView3-Plus."""
    import torch
    from diffusers import (
        CogVideoXDDIMScheduler,
        CogView3PlusPipeline,
        CogView3PlusTransformer2DModel,
    )

    torch.manual_seed(0)
    transformer = CogView3PlusTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        attention_head_dim=4,
        num_attention_heads=2,
        text_embed_dim=32,
        time_embed_dim=8,
        condition_dim=2,
        pos_embed_max_size=32,
        sample_size=8,
    )
    pipeline = CogView3PlusPipeline(
        tokenizer=byte_tokenizer(),
        text_encoder=t5(),
        vae=small_vae(),
        transformer=transformer.eval(),
        scheduler=CogVideoXDDIMScheduler(),
    )
    pipeline.save_pretrained(folder)


def cogview4(folder: Path) -> None:
    """CogView4, whose words are read by a GLM."""
    import torch
    from diffusers import (
        CogView4Pipeline,
        CogView4Transformer2DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from transformers import GlmConfig, GlmModel

    torch.manual_seed(0)
    transformer = CogView4Transformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=4,
        num_attention_heads=4,
        text_embed_dim=32,
        time_embed_dim=8,
        condition_dim=4,
        sample_size=8,
    )
    words = GlmModel(
        GlmConfig(
            hidden_size=32,
            intermediate_size=8,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            vocab_size=600,
            pad_token_id=0,
        )
    )
    pipeline = CogView4Pipeline(
        tokenizer=byte_tokenizer(starts=True),
        text_encoder=words.eval(),
        vae=small_vae(),
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(
            base_shift=0.25,
            max_shift=0.75,
            base_image_seq_len=256,
            use_dynamic_shifting=True,
            time_shift_type="linear",
        ),
    )
    pipeline.save_pretrained(folder)


def z_image(folder: Path) -> None:
    """Z-Image, whose words are read by a Qwen3."""
    import torch
    from diffusers import AutoencoderKL, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Model

    torch.manual_seed(0)
    transformer = ZImageTransformer2DModel(
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 64, 64],
    )
    with torch.no_grad():
        for name, weight in transformer.named_parameters():
            if "pad_token" in name:  # left without a value by the constructor
                weight.normal_()
    vae = AutoencoderKL(
        block_out_channels=[32, 64],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=16,
        scaling_factor=0.3611,
        shift_factor=0.1159,
    )
    pipeline = ZImagePipeline(
        scheduler=_flow(),
        vae=vae.eval(),
        text_encoder=Qwen3Model(qwen3_config()).eval(),
        tokenizer=byte_tokenizer(),
        transformer=transformer.eval(),
    )
    pipeline.save_pretrained(folder)


def flux2_klein(folder: Path) -> None:
    """FLUX.2 klein: draws and edits by instruction with one class."""
    import torch
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel
    from transformers import Qwen3ForCausalLM

    torch.manual_seed(0)
    transformer = Flux2Transformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=48,
        timestep_guidance_channels=32,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    vae = AutoencoderKLFlux2(
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        use_quant_conv=False,
        use_post_quant_conv=False,
    )
    pipeline = Flux2KleinPipeline(
        scheduler=_flow(),
        vae=vae.eval(),
        text_encoder=Qwen3ForCausalLM(qwen3_config(4)).eval(),
        tokenizer=byte_tokenizer(),
        transformer=transformer.eval(),
        is_distilled=True,
    )
    pipeline.save_pretrained(folder)


def qwen_image(folder: Path) -> None:
    """Qwen-Image, whose words are read by a Qwen2.5-VL."""
    import torch
    from diffusers import (
        AutoencoderKLQwenImage,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(0)
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=16,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=3,
        joint_attention_dim=16,
        guidance_embeds=False,
        axes_dims_rope=(8, 4, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=24,
        z_dim=4,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    words = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(
            text_config={
                "vocab_size": 600,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_hidden_layers": 2,
                "num_attention_heads": 2,
                "num_key_value_heads": 2,
                "rope_parameters": {
                    "rope_type": "default",
                    "mrope_section": [1, 1, 2],
                    "rope_theta": 1e6,
                },
            },
            vision_config={
                "depth": 2,
                "hidden_size": 16,
                "intermediate_size": 16,
                "num_heads": 2,
                "out_hidden_size": 16,
            },
        )
    )
    pipeline = QwenImagePipeline(
        scheduler=_flow(),
        vae=vae.eval(),
        text_encoder=words.eval(),
        tokenizer=byte_tokenizer(),
        transformer=transformer.eval(),
    )
    pipeline.save_pretrained(folder)


def _flow(**more: Any) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(**more)


def _narrow_vae() -> Any:
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(
        sample_size=32,
        block_out_channels=(4,),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=1,
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.0609,
        scaling_factor=1.5035,
    ).eval()
