"""Tiny encoders with random weights, saved as folders that the real backends load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from medley.backend import ModelSpec

START, END = "<|startoftext|>", "<|endoftext|>"
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
TEXT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
}
VISION = {**TEXT, "image_size": 32, "patch_size": 8}


def clip_tokenizer() -> Any:
    """CLIP's own tokenizer over single letters."""
    from transformers import CLIPTokenizer

    tokens = [*ALPHABET, *(letter + "</w>" for letter in ALPHABET), START, END]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[], model_max_length=16)


def image_processor() -> Any:
    """CLIP's image processor for 32x32 pictures."""
    from transformers import CLIPImageProcessor

    return CLIPImageProcessor(crop_size={"height": 32, "width": 32}, size={"shortest_edge": 32})


def imagebind(folder: Path) -> ModelSpec:
    """Our ImageBind: vision, text and audio towers of two blocks."""
    from encoders.imagebind.configuration import ImageBindConfig
    from encoders.imagebind.modeling import ImageBindModel
    from encoders.imagebind.processing import ImageBindProcessor

    tower = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = ImageBindConfig(
        projection_dim=24,
        vision_config={**tower, "image_size": 32, "patch_size": 8},
        text_config={**tower, "vocab_size": 54, "context_length": 16},
        audio_config={**tower, "mel_bins": 32, "target_length": 100, "patch_size": 8, "stride": 8},
    )
    ImageBindModel(config).half().save_pretrained(folder)
    ImageBindProcessor(
        tokenizer=clip_tokenizer(), image_size=32, mel_bins=32, target_length=100, context_length=16
    ).save_pretrained(folder)
    return ModelSpec(
        id="tiny/imagebind", backend="imagebind", tools=frozenset({"embed"}), source=str(folder)
    )


def clip(folder: Path) -> ModelSpec:
    """CLIP."""
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor

    text = {**TEXT, "vocab_size": 54, "max_position_embeddings": 16, "eos_token_id": 53}
    CLIPModel(
        CLIPConfig(text_config=text, vision_config=VISION, projection_dim=24)
    ).save_pretrained(folder)
    CLIPProcessor(image_processor(), clip_tokenizer()).save_pretrained(folder)
    return ModelSpec(id="tiny/clip", backend="dual", tools=frozenset({"embed"}), source=str(folder))


def clap(folder: Path) -> ModelSpec:
    """CLAP: words and sounds."""
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        RobertaTokenizer,
    )

    letters = {
        t: i for i, t in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *ALPHABET])
    }
    tokenizer = RobertaTokenizer(vocab=letters, merges=[])
    text = {**TEXT, "vocab_size": len(letters), "max_position_embeddings": 34, "projection_dim": 24}
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
    ClapModel(ClapConfig(text_config=text, audio_config=audio, projection_dim=24)).save_pretrained(
        folder
    )
    extractor = ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=16000,
        max_length_s=1,
        frequency_max=8000,
        truncation="rand_trunc",
    )
    ClapProcessor(extractor, tokenizer).save_pretrained(folder)
    return ModelSpec(id="tiny/clap", backend="dual", tools=frozenset({"embed"}), source=str(folder))


def starter(_: Path) -> ModelSpec:
    """The bundled encoder."""
    source = Path(__file__).parents[2] / "starter" / "weights" / "encoder"
    return ModelSpec(
        id="starter/encoder",
        backend="imagebind",
        tools=frozenset({"embed"}),
        source=str(source),
        space="starter",
    )


def starter_takes() -> frozenset[str]:
    """What the bundled encoder has towers for, by its config."""
    import json

    path = Path(starter(Path()).source) / "config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    heard = {"audio"} if config.get("audio_config") else set()
    return frozenset({"text", "image", "video", *heard})


MEMBERS: dict[str, tuple[Callable[[Path], ModelSpec], frozenset[str]]] = {
    "imagebind": (imagebind, frozenset({"text", "image", "audio", "video"})),
    "clip": (clip, frozenset({"text", "image", "video"})),
    "clap": (clap, frozenset({"text", "audio"})),
    "starter": (starter, starter_takes()),
}
