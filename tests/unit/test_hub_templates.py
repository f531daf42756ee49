"""Prompts through chat templates of many tempers."""

import pytest

from hub.chat import Message
from hub.templates import Template
from medley.errors import BackendError
from tests.tiny.letters import CHATML, STRICT, tokenizer

TALK: list[Message] = [
    {"role": "system", "content": "Plan well."},
    {"role": "user", "content": "A cat, please."},
]


def test_a_template_that_knows_systems_gets_one() -> None:
    text = Template.of(tokenizer(template=CHATML)).write(TALK)
    assert text.startswith("<|im_start|>system\nPlan well.<|im_end|>")
    assert text.endswith("<|im_start|>assistant\n")


def test_a_template_that_refuses_a_system_gets_its_words_with_the_next_message() -> None:
    text = Template.of(tokenizer(template=STRICT)).write(TALK)
    assert text == "<s>[INST] Plan well.\n\nA cat, please. [/INST]"


def test_a_template_that_passes_over_a_system_in_silence_gets_its_words_all_the_same() -> None:
    silent = "{% for m in messages if m['role'] == 'user' %}{{ m['content'] }}{% endfor %}"
    assert "Plan well." in Template.of(tokenizer(template=silent)).write(TALK)


def test_without_a_template_there_are_plain_sections() -> None:
    text = Template.of(tokenizer()).write(TALK)
    assert text == "system: Plan well.\n\nuser: A cat, please.\n\nassistant: "


def test_a_template_of_the_options_comes_first() -> None:
    named = "USER: {{ messages[-1]['content'] }} ASSISTANT:"
    text = Template.of(tokenizer(template=CHATML), named=named).write(TALK)
    assert text == "USER: Plan well.\n\nA cat, please. ASSISTANT:"


def test_a_template_that_can_write_nothing_says_so() -> None:
    broken = "{{ raise_exception('never') }}"
    with pytest.raises(BackendError, match="never"):
        Template.of(tokenizer(template=broken)).write(TALK)


def test_models_that_think_aloud_are_asked_not_to() -> None:
    thinking = (
        "{{ messages[-1]['content'] }}{% if enable_thinking is false %}<think></think>{% endif %}"
    )
    assert Template.of(tokenizer(template=thinking)).write(TALK).endswith("<think></think>")
