"""Tiny language models with random weights: text hubs of many families."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.tiny.letters import CHATML, STRICT, tokenizer

SIZES: Mapping[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 16384,
    "initializer_range": 0.4,
}
OPT = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 48,
    "word_embed_proj_dim": 32,
    "max_position_embeddings": 16384,
    "init_std": 0.4,
}
MPT = {
    "d_model": 32,
    "n_heads": 4,
    "n_layers": 2,
    "expansion_ratio": 2,
    "max_seq_len": 16384,
    "initializer_range": 0.4,
}
CODEGEN = {
    "n_embd": 32,
    "n_head": 4,
    "n_layer": 2,
    "n_positions": 16384,
    "n_ctx": 16384,
    "rotary_dim": 8,
    "initializer_range": 0.4,
}
PHI3 = {**SIZES, "original_max_position_embeddings": 16384}


def text(folder: Path, config: str, sizes: Mapping[str, Any], template: str | None) -> None:
    """A causal language model of this configuration, with its tokenizer."""
    import torch
    import transformers

    words = tokenizer(template=template)
    words.save_pretrained(folder)
    torch.manual_seed(0)
    made = getattr(transformers, config)(
        vocab_size=len(words), pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes
    )
    transformers.AutoModelForCausalLM.from_config(made).save_pretrained(folder)


#: Each family's name -> what writes it into an empty folder.
TEXT: Mapping[str, Callable[[Path], None]] = {
    "llama": partial(text, config="LlamaConfig", sizes=SIZES, template=CHATML),
    "qwen3": partial(text, config="Qwen3Config", sizes={**SIZES, "head_dim": 8}, template=CHATML),
    "mistral": partial(text, config="MistralConfig", sizes=SIZES, template=STRICT),
    "phi3": partial(text, config="Phi3Config", sizes=PHI3, template=CHATML),
    "internlm3": partial(text, config="InternLM3Config", sizes=SIZES, template=CHATML),
    "opt": partial(text, config="OPTConfig", sizes=OPT, template=None),
    "mpt": partial(text, config="MptConfig", sizes=MPT, template=None),
    "codegen": partial(text, config="CodeGenConfig", sizes=CODEGEN, template=None),
}
