"""A byte-level tokenizer for tiny language models: it reads and writes any text in any language."""

from collections.abc import Mapping, Sequence
from typing import Any

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% else %}MARK_{{ c['type'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
#: As some chat models have it: no system message, and they say so.
STRICT = (
    "<s>{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('Conversation roles must alternate.') }}{% endif %}"
    "[INST] {{ m['content'] | trim }} [/INST]{% endfor %}"
)


def chat_template(**marks: str) -> str:
    """A template whose media are marked so: `image="<image>"`."""
    chosen = "".join(
        f"{{% if c['type'] == '{kind}' %}}{mark}{{% endif %}}" for kind, mark in marks.items()
    )
    return CHATML.replace("MARK_{{ c['type'] }}", chosen)


def tokenizer(
    extra: Sequence[str] = (),
    *,
    template: str | None = None,
    named: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """All bytes and the special words `extra`; `named` ones are known by a name as well. Begins
    with no word of its own.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = dict(named or {})
    special = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", *extra, *names.values()]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {word: place for place, word in enumerate(dict.fromkeys([*special, *letters]))}
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=bare,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=[word for word in special[3:] if word not in names.values()],
        model_specific_special_tokens=names,
        **options,
    )
    made.chat_template = template
    return made
