"""Tiny pipelines whose denoiser is a UNet, saved as their repositories are."""

import json
from pathlib import Path
from typing import Any

from tests.tiny.pipelines import (
    EMBED_DIM,
    clip_text,
    clip_tokenizer,
    save_ip_adapter,
    save_stable_diffusion,
    save_unclip,
)
from tests.tiny.pipelines import unet as small_unet
from tests.tiny.pipelines import vae as small_vae
from tests.tiny.words import byte_tokenizer, t5

_PICTURE_BLOCKS = {
    "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
    "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "block_out_channels": (32, 64),
    "layers_per_block": 1,
    "resnet_time_scale_shift": "scale_shift",
}


def stable_diffusion(folder: Path) -> None:
    """Stable Diffusion 1.5."""
    save_stable_diffusion(folder)


def stable_diffusion_xl(folder: Path) -> None:
    """Stable Diffusion XL: two text encoders, sizes as a condition."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    pipeline = StableDiffusionXLPipeline(
        vae=small_vae(),
        text_encoder=clip_text(),
        text_encoder_2=_clip_text_projected(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=small_unet(
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            transformer_layers_per_block=(1, 1),
            projection_class_embeddings_input_dim=80,
            cross_attention_dim=64,
            use_linear_projection=True,
        ),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            timestep_spacing="leading",
            steps_offset=1,
        ),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)


def latent_consistency(folder: Path) -> None:
    """A latent consistency model: Stable Diffusion with the guidance as a condition."""
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler

    pipeline = LatentConsistencyModelPipeline(
        vae=small_vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=small_unet(time_cond_proj_dim=32),
        scheduler=LCMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)


def latent_diffusion(folder: Path) -> None:
    """The text-to-image latent diffusion model of 2022, with its own BERT."""
    import torch
    from diffusers import DDIMScheduler, LDMTextToImagePipeline
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
        LDMBertConfig,
        LDMBertModel,
    )

    torch.manual_seed(0)
    words = LDMBertModel(
        LDMBertConfig(
            vocab_size=600,
            encoder_layers=2,
            encoder_ffn_dim=32,
            encoder_attention_heads=2,
            head_dim=8,
            d_model=32,
            max_position_embeddings=77,
        )
    )
    pipeline = LDMTextToImagePipeline(
        vqvae=small_vae(),
        bert=words.eval(),
        tokenizer=clip_tokenizer(),
        unet=small_unet(),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
        ),
    )
    pipeline.save_pretrained(folder)


def kandinsky(folder: Path, features: int = EMBED_DIM) -> None:
    """Kandinsky 2.2: the decoder, and its prior in the folder `prior`."""
    import torch
    from diffusers import (
        DDPMScheduler,
        KandinskyV22Pipeline,
        KandinskyV22PriorPipeline,
        UNet2DConditionModel,
        VQModel,
    )
    from transformers import CLIPImageProcessor

    torch.manual_seed(0)
    prior = KandinskyV22PriorPipeline(
        prior=_prior(features),
        image_encoder=_clip_vision(features),
        text_encoder=_clip_text_projected(features),
        tokenizer=clip_tokenizer(),
        scheduler=_unclip_scheduler("fixed_small_log", "sample"),
        image_processor=CLIPImageProcessor(
            crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32}
        ),
    )
    prior.save_pretrained(folder / "prior")
    pipeline = KandinskyV22Pipeline(
        unet=UNet2DConditionModel(
            in_channels=4,
            out_channels=8,
            sample_size=16,
            addition_embed_type="image",
            encoder_hid_dim=features,
            encoder_hid_dim_type="image_proj",
            cross_attention_dim=32,
            attention_head_dim=4,
            **_PICTURE_BLOCKS,
        ).eval(),
        scheduler=DDPMScheduler(
            beta_schedule="linear",
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            variance_type="learned_range",
        ),
        movq=VQModel(
            block_out_channels=[32, 64],
            down_block_types=["DownEncoderBlock2D", "AttnDownEncoderBlock2D"],
            up_block_types=["AttnUpDecoderBlock2D", "UpDecoderBlock2D"],
            in_channels=3,
            out_channels=3,
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=8,
            norm_type="spatial",
            num_vq_embeddings=12,
            vq_embed_dim=4,
        ).eval(),
    )
    pipeline.save_pretrained(folder)


def karlo(folder: Path, features: int = EMBED_DIM) -> None:
    """Karlo, an unCLIP: prior, decoder and two steps of super-resolution in pixels."""
    import torch
    from diffusers import UNet2DConditionModel, UNet2DModel
    from diffusers.pipelines.deprecated.unclip import UnCLIPPipeline
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    torch.manual_seed(0)

    def larger() -> Any:
        return UNet2DModel(
            sample_size=32,
            in_channels=6,
            out_channels=3,
            layers_per_block=1,
            block_out_channels=(32, 64),
            down_block_types=("ResnetDownsampleBlock2D",) * 2,
            up_block_types=("ResnetUpsampleBlock2D",) * 2,
        ).eval()

    pipeline = UnCLIPPipeline(
        prior=_prior(features),
        decoder=UNet2DConditionModel(
            sample_size=16,
            in_channels=3,
            out_channels=6,
            cross_attention_dim=32,
            attention_head_dim=4,
            class_embed_type="identity",
            **_PICTURE_BLOCKS,
        ).eval(),
        text_encoder=_clip_text_projected(features),
        tokenizer=clip_tokenizer(),
        text_proj=UnCLIPTextProjModel(
            clip_embeddings_dim=features, time_embed_dim=128, cross_attention_dim=32
        ),
        super_res_first=larger(),
        super_res_last=larger(),
        prior_scheduler=_unclip_scheduler("fixed_small_log", "sample"),
        decoder_scheduler=_unclip_scheduler("learned_range", "epsilon"),
        super_res_scheduler=_unclip_scheduler("fixed_small_log", "epsilon"),
    )
    pipeline.save_pretrained(folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["text_proj"][0] = "unclip"  # as the repository has it
    (folder / "model_index.json").write_text(json.dumps(index))


def deepfloyd(folder: Path) -> None:
    """DeepFloyd IF: T5 and two pixel UNets, the second in the folder `larger`."""
    import torch
    from diffusers import (
        DDPMScheduler,
        IFPipeline,
        IFSuperResolutionPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    shape: dict[str, Any] = {
        **_PICTURE_BLOCKS,
        "out_channels": 6,
        "cross_attention_dim": 32,
        "encoder_hid_dim": 32,
        "attention_head_dim": 8,
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 2,
        "cross_attention_norm": "group_norm",
        "act_fn": "gelu",
    }

    def scheduler() -> Any:
        return DDPMScheduler(
            beta_schedule="squaredcos_cap_v2",
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=1.0,
            variance_type="learned_range",
        )

    shared: dict[str, Any] = {
        "tokenizer": byte_tokenizer(),
        "text_encoder": t5(),
        "safety_checker": None,
        "feature_extractor": None,
        "watermarker": None,
        "requires_safety_checker": False,
    }
    first = UNet2DConditionModel(in_channels=3, sample_size=16, **shape).eval()
    second = UNet2DConditionModel(
        in_channels=6,
        sample_size=32,
        class_embed_type="timestep",
        mid_block_scale_factor=1.414,
        time_embedding_act_fn="gelu",
        **shape,
    ).eval()
    IFPipeline(unet=first, scheduler=scheduler(), **shared).save_pretrained(folder)
    larger = IFSuperResolutionPipeline(
        unet=second,
        scheduler=scheduler(),
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        **{**shared, "tokenizer": None, "text_encoder": None},
    )
    larger.save_pretrained(folder / "larger")


def _clip_text_projected(features: int = 32) -> Any:
    import torch
    from transformers import CLIPTextModelWithProjection

    config = clip_text().config
    config.projection_dim = config.hidden_size = features
    torch.manual_seed(0)
    return CLIPTextModelWithProjection(config).eval()


def _clip_vision(features: int) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=32,
            projection_dim=features,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=37,
            image_size=32,
            patch_size=8,
        )
    ).eval()


def _prior(features: int) -> Any:
    from diffusers import PriorTransformer

    return PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=1,
        embedding_dim=features,
        num_embeddings=77,
    ).eval()


def _unclip_scheduler(variance: str, prediction: str) -> Any:
    from diffusers import UnCLIPScheduler

    return UnCLIPScheduler(
        variance_type=variance,
        prediction_type=prediction,
        num_train_timesteps=1000,
        clip_sample_range=5.0,
    )


def ip_adapter(folder: Path, features: int = EMBED_DIM) -> None:
    """Stable Diffusion 1.5 with an IP-Adapter in the folder `adapter`."""
    save_stable_diffusion(folder)
    save_ip_adapter(folder / "adapter", features)


def stable_unclip(folder: Path, features: int = EMBED_DIM) -> None:
    """Stable unCLIP."""
    save_unclip(folder, features)
