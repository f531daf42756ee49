"""Tiny tokenizers and text encoders that several pipelines share."""

from typing import Any


def byte_tokenizer(*special: str, starts: bool = False, **marks: str) -> Any:
    """One token for each byte, after four special tokens and those named; `starts` puts `<s>`
    before every text. `marks` are special tokens that processors ask for by name.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["<pad>", "<s>", "</s>", "<unk>", *special, *marks.values()]
    names += sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(
        models.BPE(
            vocab={name: place for place, name in enumerate(names)}, merges=[], unk_token="<unk>"
        )
    )
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    if starts:
        core.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=512,
        **({"extra_special_tokens": marks or list(special)} if marks or special else {}),
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<s>{{ m['role'] }}\n"
        "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
        "{% for c in m['content'] %}{{ c['text'] if c['type'] == 'text' else '<image>' }}"
        "{% endfor %}{% endif %}</s>\n{% endfor %}"
        "{% if add_generation_prompt %}<s>assistant\n{% endif %}"
    )
    return tokenizer


def t5(width: int = 32) -> Any:
    """The encoder of T5."""
    import torch
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(0)
    return T5EncoderModel(T5Config(**_t5_shape(width))).eval()


def umt5(width: int = 32) -> Any:
    """The encoder of UMT5, which is multilingual."""
    import torch
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    return UMT5EncoderModel(UMT5Config(**_t5_shape(width))).eval()


def qwen3_config(layers: int = 2) -> Any:
    """The shape of a tiny Qwen3."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=600,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
    )


def _t5_shape(width: int) -> dict[str, Any]:
    return {
        "vocab_size": 600,
        "d_model": width,
        "d_kv": 8,
        "d_ff": 37,
        "num_layers": 1,
        "num_heads": 4,
    }
