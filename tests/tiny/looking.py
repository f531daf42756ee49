"""Tiny matchers and detectors with random weights, saved in the layouts of the hub."""

from pathlib import Path
from typing import Any

from tests.tiny.encoders import LETTERS, TEXT
from tests.tiny.encoders import VISION as TOWER

VISION = {**TOWER, "initializer_range": 0.2}  # that of BLIP is too small to see anything


def bert_tokenizer() -> Any:
    """BERT's own tokenizer over single letters, its special tokens where BERT has them: networks
    know the full stop by its number.
    """
    from transformers import BertTokenizer

    places = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, ".": 1012}
    letters = [*LETTERS, *("##" + letter for letter in LETTERS)]
    places |= {letter: 200 + place for place, letter in enumerate(letters)}
    named = {place: token for token, place in places.items()}
    vocab = [named.get(place, f"[unused{place}]") for place in range(1040)]
    return BertTokenizer(vocab={token: place for place, token in enumerate(vocab)})


def blip(folder: Path) -> None:
    """BLIP with its matching head."""
    from transformers import (
        BlipConfig,
        BlipForImageTextRetrieval,
        BlipImageProcessor,
        BlipProcessor,
    )

    tokenizer = bert_tokenizer()
    text = {
        **TEXT,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 24,
        "encoder_hidden_size": 32,
        "bos_token_id": 101,
        "eos_token_id": 102,
        "sep_token_id": 102,
        "pad_token_id": 0,
    }
    config = BlipConfig(
        text_config=text, vision_config=VISION, projection_dim=24, image_text_hidden_size=24
    )
    BlipForImageTextRetrieval(config).save_pretrained(folder)
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(images, tokenizer).save_pretrained(folder)


def blip2(folder: Path) -> None:
    """BLIP-2's first stage: a Q-Former of four queries with its matching head."""
    from transformers import (
        Blip2Config,
        Blip2ForImageTextRetrieval,
        Blip2Processor,
        BlipImageProcessor,
    )

    tokenizer = bert_tokenizer()
    qformer = {
        **TEXT,
        "vocab_size": len(tokenizer) + 1,  # the processor adds "<image>"
        "max_position_embeddings": 24,
        "encoder_hidden_size": 32,
        "cross_attention_frequency": 1,
        "use_qformer_text_input": True,
    }
    language = {
        "model_type": "opt",
        "vocab_size": 99,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "ffn_dim": 16,
        "word_embed_proj_dim": 16,
    }
    config = Blip2Config(
        vision_config=VISION,
        qformer_config=qformer,
        text_config=language,
        num_query_tokens=4,
        image_text_hidden_size=16,
        image_token_index=len(tokenizer),
    )
    Blip2ForImageTextRetrieval(config).save_pretrained(folder)
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    Blip2Processor(images, tokenizer, num_query_tokens=4).save_pretrained(folder)


def vilt(folder: Path) -> None:
    """ViLT with its ranking head."""
    from transformers import (
        ViltConfig,
        ViltForImageAndTextRetrieval,
        ViltImageProcessor,
        ViltProcessor,
    )

    tokenizer = bert_tokenizer()
    config = ViltConfig(
        **TEXT,
        vocab_size=len(tokenizer),
        max_position_embeddings=24,
        image_size=32,
        patch_size=8,
    )
    ViltForImageAndTextRetrieval(config).save_pretrained(folder)
    images = ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8)
    ViltProcessor(images, tokenizer).save_pretrained(folder)


def bridgetower(folder: Path) -> None:
    """BridgeTower with its matching head."""
    from transformers import (
        BridgeTowerConfig,
        BridgeTowerForImageAndTextRetrieval,
        BridgeTowerImageProcessor,
        BridgeTowerProcessor,
        RobertaTokenizer,
    )

    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "Ġ", *LETTERS]
    tokenizer = RobertaTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[])
    config = BridgeTowerConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        text_config={
            **TEXT,
            "hidden_size": 64,
            "vocab_size": len(tokens),
            "max_position_embeddings": 26,
        },
        vision_config={
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "patch_size": 8,
            "image_size": 32,
        },
    )
    BridgeTowerForImageAndTextRetrieval(config).save_pretrained(folder)
    images = BridgeTowerImageProcessor(
        size={"shortest_edge": 32}, crop_size={"shortest_edge": 32}, size_divisor=8
    )
    BridgeTowerProcessor(images, tokenizer).save_pretrained(folder)


def grounding_dino(folder: Path) -> None:
    """Grounding DINO with five queries over a Swin of two stages."""
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
    )

    tokenizer = bert_tokenizer()
    config = GroundingDinoConfig(
        backbone_config={
            "model_type": "swin",
            "image_size": 64,
            "patch_size": 4,
            "embed_dim": 8,
            "depths": [1, 1],
            "num_heads": [2, 2],
            "window_size": 4,
            "out_indices": [1, 2],
        },
        text_config={
            "model_type": "bert",
            **TEXT,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 64,
        },
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=5,
        num_feature_levels=2,
        encoder_n_points=2,
        decoder_n_points=2,
        max_text_len=64,
    )
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
