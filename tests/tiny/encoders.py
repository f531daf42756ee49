"""Tiny encoders with random weights, saved in the layouts of the hub."""

from pathlib import Path
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}


def bert_tokenizer(*more: str) -> Any:
    """BERT's own tokenizer over single letters and the given words."""
    from transformers import BertTokenizer

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", *more]
    tokens += [*LETTERS, *("##" + letter for letter in LETTERS)]
    return BertTokenizer(vocab={token: place for place, token in enumerate(tokens)})


def byte_tokenizer(special: list[str], *, bos: bool = False, **named: str) -> Any:
    """A tokenizer over bytes, with the special tokens a model wants under the names it wants; with
    `bos`, one that puts "<s>" before every text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    known = ["<pad>", "<s>", "</s>", "<unk>", *special]
    known += sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: place for place, token in enumerate(known)}
    bare = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>"))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    if bos:
        bare.post_processor = TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", vocab["<s>"])]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=named or special,
    )


def square(size: int = 32) -> Any:
    """CLIP's image processor for squares of that many pixels."""
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(
        crop_size={"height": size, "width": size}, size={"shortest_edge": size}
    )


def clip(folder: Path) -> None:
    """CLIP with towers of two blocks."""
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor

    text = {**TEXT, "vocab_size": 54, "max_position_embeddings": 16, "eos_token_id": 53}
    config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    CLIPModel(config).save_pretrained(folder)
    CLIPProcessor(square(), clip_tokenizer()).save_pretrained(folder)


def clip_tokenizer() -> Any:
    """CLIP's own tokenizer over single letters."""
    from transformers import CLIPTokenizer

    tokens = [
        *LETTERS,
        *(letter + "</w>" for letter in LETTERS),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocab = {token: place for place, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocab, merges=[], model_max_length=16)


def align(folder: Path) -> None:
    """ALIGN: an EfficientNet of one block beside BERT."""
    from transformers import (
        AlignConfig,
        AlignModel,
        AlignProcessor,
        EfficientNetImageProcessor,
    )

    tokenizer = bert_tokenizer()
    vision = {
        "image_size": 32,
        "kernel_sizes": [3],
        "in_channels": [32],
        "out_channels": [16],
        "hidden_dim": 32,
        "strides": [1],
        "num_block_repeats": [1],
        "expand_ratios": [1],
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
    }
    text = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 80}
    config = AlignConfig(text_config=text, vision_config=vision, projection_dim=16)
    AlignModel(config).save_pretrained(folder)
    images = EfficientNetImageProcessor(size={"height": 32, "width": 32})
    AlignProcessor(images, tokenizer).save_pretrained(folder)


def siglip2(folder: Path) -> None:
    """SigLIP 2 with pictures of any shape (NaFlex): 16 patches at most."""
    from transformers import (
        Siglip2Config,
        Siglip2ImageProcessor,
        Siglip2Model,
        Siglip2Processor,
        Siglip2Tokenizer,
    )

    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS]
    tokenizer = Siglip2Tokenizer(
        vocab={token: place for place, token in enumerate(tokens)}, merges=[]
    )
    text = {**TEXT, "vocab_size": len(tokens), "max_position_embeddings": 16}
    vision = {**TEXT, "patch_size": 8, "num_patches": 16}
    Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)).save_pretrained(folder)
    images = Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
    Siglip2Processor(images, tokenizer).save_pretrained(folder)


def clap(folder: Path) -> None:
    """CLAP that hears one second at once."""
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        RobertaTokenizer,
    )

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
    tokenizer = RobertaTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[])
    text = {**TEXT, "vocab_size": len(tokens), "max_position_embeddings": 34, "projection_dim": 24}
    audio = {
        "hidden_size": 32,
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "window_size": 4,
        "spec_size": 32,
        "num_mel_bins": 16,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "projection_dim": 24,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=24)
    ClapModel(config).save_pretrained(folder)
    extractor = ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=16000,
        max_length_s=1,
        frequency_max=8000,
        truncation="rand_trunc",
    )
    ClapProcessor(extractor, tokenizer).save_pretrained(folder)


def xclip(folder: Path) -> None:
    """X-CLIP for clips of four frames."""
    from transformers import XCLIPConfig, XCLIPModel, XCLIPProcessor

    text = {**TEXT, "vocab_size": 54, "max_position_embeddings": 16, "eos_token_id": 53}
    vision = {
        **VISION,
        "num_frames": 4,
        "mit_hidden_size": 32,
        "mit_num_attention_heads": 4,
        "mit_num_hidden_layers": 1,
        "mit_intermediate_size": 37,
    }
    config = XCLIPConfig(
        text_config=text,
        vision_config=vision,
        projection_dim=32,
        prompt_num_attention_heads=4,
        prompt_layers=1,
    )
    XCLIPModel(config).save_pretrained(folder)
    XCLIPProcessor(square(), clip_tokenizer()).save_pretrained(folder)


def videoprism(folder: Path) -> None:
    """VideoPrism's video-text model for clips of two frames; without a video processor."""
    from transformers import VideoPrismClipModel, VideoPrismConfig, VideoPrismTokenizer

    known = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    known += [(letter, -3.0) for letter in LETTERS]
    tokenizer = VideoPrismTokenizer(vocab=known, extra_ids=0)
    vision = {
        "image_size": 36,
        "num_frames": 2,
        "tubelet_size": [1, 18, 18],
        "hidden_size": 32,
        "num_attention_heads": 4,
        "intermediate_size": 37,
        "num_spatial_layers": 1,
        "num_temporal_layers": 1,
        "num_auxiliary_layers": 1,
    }
    text = {**TEXT, "vocab_size": len(known), "max_position_embeddings": 16}
    config = VideoPrismConfig(vision_config=vision, text_config=text)
    VideoPrismClipModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
