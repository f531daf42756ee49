"""Tiny speech models: what hears words and what says them."""

import json
from pathlib import Path
from typing import Any

from tests.tiny.encoders import LETTERS

TEXT = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
}
TOWER = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
}


def byte_tokenizer(special: list[str], **named: str) -> Any:
    """Every byte a token, after the special ones; a sentence is `... </s>`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    usual = {name: named.pop(name) for name in ("unk_token", "bos_token", "eos_token", "pad_token")
             if name in named}  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        extra_special_tokens=special,
        model_specific_special_tokens=named,
        **usual,
    )


def whisper(folder: Path) -> None:
    """Whisper, multilingual, with two blocks on each side."""
    from tokenizers import pre_tokenizers
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    plain = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>"]
    special = ["<|startoftranscript|>", "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>"]
    special += ["<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    tokenizer = WhisperTokenizer(
        vocab={token: place for place, token in enumerate(plain)},
        merges=[],
        additional_special_tokens=special,
        language=None,
        task=None,
    )
    tokenizer.add_special_tokens({"additional_special_tokens": special})
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in [*special, plain[-1]]}
    config = WhisperConfig(
        vocab_size=len(plain) + len(special) + 8,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=37,
        decoder_ffn_dim=37,
        num_mel_bins=16,
        max_source_positions=200,  # four seconds instead of thirty
        max_target_positions=32,
        pad_token_id=ids["<|endoftext|>"],
        bos_token_id=ids["<|endoftext|>"],
        eos_token_id=ids["<|endoftext|>"],
        decoder_start_token_id=ids["<|startoftranscript|>"],
        suppress_tokens=None,
        begin_suppress_tokens=None,
        init_std=0.5,
    )
    model = WhisperForConditionalGeneration(config)
    said = model.generation_config
    said._from_model_config = False  # else what follows is left out when it is read again
    said.is_multilingual = True
    said.lang_to_id = {token: ids[token] for token in ("<|en|>", "<|zh|>")}
    said.task_to_id = {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")}
    said.no_timestamps_token_id = ids["<|notimestamps|>"]
    said.alignment_heads = [[0, 1], [1, 2]]  # say when each word is said
    # Random weights would write times without end: nothing after the words may be written.
    said.suppress_tokens = list(range(len(plain), config.vocab_size))
    model.save_pretrained(folder)
    extractor = WhisperFeatureExtractor(feature_size=16, chunk_length=4)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)


def moonshine(folder: Path) -> None:
    """Moonshine."""
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Processor,
    )

    config = MoonshineConfig(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=37,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2,
        encoder_num_attention_heads=4,
        decoder_num_attention_heads=4,
        max_position_embeddings=64,
        decoder_start_token_id=1,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        initializer_range=0.5,
    )
    MoonshineForConditionalGeneration(config).save_pretrained(folder)
    tokenizer = byte_tokenizer(
        ["<unk>", "<s>", "</s>"], unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        pad_token="</s>",
    )  # fmt: skip
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=True, do_normalize=False)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(folder)


def _letters(folder: Path, masked: bool) -> Any:
    """The processor of Wav2Vec2: letters, `|` between words."""
    from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor, Wav2Vec2Processor

    symbols = ["<pad>", "<s>", "</s>", "<unk>", "|", *LETTERS.upper()]
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({symbol: i for i, symbol in enumerate(symbols)}))
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=masked)
    return Wav2Vec2Processor(extractor, Wav2Vec2CTCTokenizer(str(vocabulary)))


_CONVOLUTIONS = {
    **TOWER,
    "vocab_size": 31,
    "conv_dim": (16, 16, 16),
    "conv_stride": (10, 8, 4),
    "conv_kernel": (10, 8, 4),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "num_feat_extract_layers": 3,
    "pad_token_id": 0,
}


def wav2vec2(folder: Path) -> None:
    """Wav2Vec2 as it was first published: normalised over time, without a mask."""
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC

    Wav2Vec2ForCTC(Wav2Vec2Config(**_CONVOLUTIONS)).save_pretrained(folder)
    _letters(folder, masked=False).save_pretrained(folder)


def hubert(folder: Path) -> None:
    """HuBERT as it was published at large size: normalised over features, with a mask."""
    from transformers import HubertConfig, HubertForCTC

    config = HubertConfig(**_CONVOLUTIONS, feat_extract_norm="layer", do_stable_layer_norm=True)
    HubertForCTC(config).save_pretrained(folder)
    _letters(folder, masked=True).save_pretrained(folder)


_FAST_CONFORMER = {
    **TOWER,
    "num_key_value_heads": 4,
    "subsampling_factor": 4,
    "subsampling_conv_channels": 8,
    "num_mel_bins": 16,
    "conv_kernel_size": 5,
}


def _parakeet_processor(folder: Path, special: list[str], decoder: str) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import ParakeetFeatureExtractor, ParakeetProcessor
    from transformers.models.parakeet.tokenization_parakeet import ParakeetTokenizer

    tokens = ["<unk>", "▁", *LETTERS, *special]
    inside = Tokenizer(
        models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[], unk_token="<unk>")
    )
    inside.pre_tokenizer = pre_tokenizers.Metaspace()
    inside.decoder = decoders.Metaspace()
    tokenizer = ParakeetTokenizer(
        tokenizer_object=inside,
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=special,
    )
    ParakeetProcessor(
        ParakeetFeatureExtractor(feature_size=16), tokenizer, decoder_type=decoder
    ).save_pretrained(folder)


def parakeet_ctc(folder: Path) -> None:
    """Parakeet CTC."""
    from transformers import ParakeetCTCConfig, ParakeetForCTC

    _parakeet_processor(folder, ["<pad>"], "ctc")
    config = ParakeetCTCConfig(vocab_size=29, pad_token_id=28, encoder_config=_FAST_CONFORMER)
    ParakeetForCTC(config).save_pretrained(folder)


def parakeet_tdt(folder: Path) -> None:
    """Parakeet TDT."""
    from transformers import ParakeetForTDT, ParakeetTDTConfig

    _parakeet_processor(folder, ["<pad>", "<blank>"], "tdt")
    config = ParakeetTDTConfig(
        vocab_size=30,
        pad_token_id=28,
        blank_token_id=29,
        decoder_hidden_size=16,
        num_decoder_layers=1,
        max_symbols_per_step=2,
        encoder_config=_FAST_CONFORMER,
    )
    model = ParakeetForTDT(config)
    model.generation_config.decoder_start_token_id = 29
    model.generation_config.suppress_tokens = list(range(30, 35))  # durations are no tokens
    model.save_pretrained(folder)


_ASR_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}"
    "{% if c['type'] == 'audio' %}<|audio_start|><|audio_pad|><|audio_end|>"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
)


def qwen_asr(folder: Path) -> None:
    """Qwen3-ASR."""
    from transformers import (
        Qwen3ASRConfig,
        Qwen3ASRFeatureExtractor,
        Qwen3ASRForConditionalGeneration,
        Qwen3ASRProcessor,
    )

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>"]
    special += ["<|audio_pad|>", "<asr_text>", "<timestamp>"]
    tokenizer = byte_tokenizer(
        special,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        audio_token="<|audio_pad|>",
        audio_bos_token="<|audio_start|>",
        audio_eos_token="<|audio_end|>",
    )
    processor = Qwen3ASRProcessor(
        Qwen3ASRFeatureExtractor(feature_size=16), tokenizer, chat_template=_ASR_TEMPLATE
    )
    processor.save_pretrained(folder)
    audio = {
        "num_mel_bins": 16,
        "encoder_layers": 1,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 37,
        "d_model": 32,
        "output_dim": 32,
        "downsample_hidden_size": 8,
        "initializer_range": 0.5,
    }
    config = Qwen3ASRConfig(
        audio_config=audio,
        text_config={"model_type": "qwen3", **TEXT, "initializer_range": 0.5},
        audio_token_id=5,
        timestamp_token_id=7,
        pad_token_id=0,
        eos_token_id=[0, 2],
    )
    Qwen3ASRForConditionalGeneration(config).save_pretrained(folder)
