"""Tiny random pipelines of real shapes, saved as folders: they draw noise, fast. For tests."""

from pathlib import Path
from typing import Any

EMBED_DIM = 32


def save_starter(folder: Path) -> None:
    """Our own pipeline, two narrow blocks deep, 16x16 pixels."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler
    from transformers import BertConfig, BertModel

    from generators.diffusion.pipeline import PixelFlowPipeline
    from generators.diffusion.transformer import PixelTransformer

    torch.manual_seed(0)
    words = word_tokenizer()
    text = BertModel(
        BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=64,
            type_vocab_size=1,
        ),
        add_pooling_layer=False,
    )
    network = PixelTransformer(
        sample_size=16,
        patch_size=4,
        width=32,
        depth=2,
        heads=2,
        condition_width=16,
        text_dim=16,
        embed_dim=EMBED_DIM,
        embed_space="tiny",
    )
    with torch.no_grad():
        for weight in network.parameters():  # the zeros of adaLN-zero would hide every condition
            weight.add_(torch.randn_like(weight) * 0.2)
    pipeline = PixelFlowPipeline(words, text.eval(), network, FlowMatchEulerDiscreteScheduler())
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_stable_diffusion(folder: Path) -> None:
    """A Stable Diffusion of two narrow levels."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip_text(),
        tokenizer=clip_tokenizer(),
        unet=unet(),
        scheduler=DDIMScheduler(
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
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_unclip(folder: Path, features: int = EMBED_DIM) -> None:
    """A stable unCLIP: draws from an image embedding."""
    from diffusers import DDIMScheduler, DDPMScheduler, StableUnCLIPImg2ImgPipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import (
        StableUnCLIPImageNormalizer,
    )
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    vision = CLIPVisionConfig(
        hidden_size=32,
        projection_dim=features,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=37,
        image_size=32,
        patch_size=8,
    )
    pipeline = StableUnCLIPImg2ImgPipeline(
        feature_extractor=CLIPImageProcessor(),
        image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        image_normalizer=StableUnCLIPImageNormalizer(embedding_dim=features),
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer=clip_tokenizer(),
        text_encoder=clip_text(),
        unet=unet(
            class_embed_type="projection",
            projection_class_embeddings_input_dim=2 * features,
        ),
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        vae=vae(),
    )
    pipeline.save_pretrained(folder, safe_serialization=True)


def save_ip_adapter(folder: Path, features: int = EMBED_DIM) -> None:
    """An IP-Adapter that fits the tiny Stable Diffusion, as `adapter.safetensors` in `folder`."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network, tokens = unet(), 4
    cross = network.config.cross_attention_dim
    weights = {
        "image_proj.proj.weight": torch.randn(cross * tokens, features) * 0.2,
        "image_proj.proj.bias": torch.zeros(cross * tokens),
        "image_proj.norm.weight": torch.ones(cross),
        "image_proj.norm.bias": torch.zeros(cross),
    }
    names = [name for name in network.attn_processors if not name.endswith("attn1.processor")]
    for place, name in enumerate(names):
        width = network.get_submodule(name.removesuffix(".processor")).to_k.out_features
        for part in ("to_k_ip", "to_v_ip"):
            weights[f"ip_adapter.{2 * place + 1}.{part}.weight"] = torch.randn(width, cross) * 0.2
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "adapter.safetensors")


def save_tiny_vae(folder: Path) -> None:
    """A tiny autoencoder for previews of the tiny latent pipelines."""
    import torch
    from diffusers import AutoencoderTiny

    torch.manual_seed(0)
    vae = AutoencoderTiny(
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        num_encoder_blocks=(1, 1),
        num_decoder_blocks=(1, 1),
    )
    vae.save_pretrained(folder, safe_serialization=True)


def word_tokenizer() -> Any:
    """A WordPiece tokenizer over letters and digits; at most 64 tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    words = [*special, *letters, *(f"##{letter}" for letter in letters)]
    core = Tokenizer(models.WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=True)
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )


def clip_tokenizer() -> Any:
    """CLIP's own tokenizer over a few words."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*alphabet, *(f"{letter}</w>" for letter in alphabet)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: n for n, word in enumerate(words)}, merges=[], model_max_length=77
    )


def clip_text() -> Any:
    """A CLIP text tower of one block: words (B, 77) to (B, 77, 32)."""
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    return CLIPTextModel(
        CLIPTextConfig(
            bos_token_id=512,
            eos_token_id=513,
            pad_token_id=513,
            hidden_size=32,
            projection_dim=32,
            intermediate_size=37,
            num_attention_heads=4,
            num_hidden_layers=1,
            vocab_size=600,
            max_position_embeddings=77,
        )
    ).eval()


def unet(**more: Any) -> Any:
    """A denoiser of latents (B, 4, 16, 16) reading words of width 32; `more` changes its config."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "sample_size": 16,
        "in_channels": 4,
        "out_channels": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
    }
    return UNet2DConditionModel(**shape | more).eval()


def vae() -> Any:
    """An autoencoder of pictures (B, 3, H, W) into latents of four channels."""
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=[32, 64],
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
    ).eval()
