"""Bridges: a language model that reads what the bundled encoder means through a connector.

The weights are random: the words that come out are noise, their way through the service is not.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.tiny.row import Row, step

SEEN_AND_HEARD = ("image", "audio", "video")


def bridge(kind: str, hub: str = "Llama", **more: Any) -> Callable[[Path], None]:
    """A builder of a hub of two layers with such a connector beside its weights."""

    def build(folder: Path) -> None:
        import transformers

        from hub.connectors import Connector, ConnectorConfig, shape_of
        from tests.contract.hub_fixtures import write_tiny_hub

        write_tiny_hub(folder, compact=False, connector=None)
        config = getattr(transformers, f"{hub}Config")(
            vocab_size=320,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            head_dim=16,
            max_position_embeddings=4096,
            eos_token_id=0,
            pad_token_id=0,
            bos_token_id=None,
        )
        model = transformers.AutoModelForCausalLM.from_config(config)
        model.save_pretrained(folder)
        shape = {"source": 256, "hidden": 32, "width": 16, "heads": 2, "layers": 1}
        declared = ConnectorConfig(
            kind=kind,  # type: ignore[arg-type]
            space="starter",
            hub=shape_of(model),
            **{**shape, **more},
        )
        Connector(declared).save_pretrained(folder / "connector")

    return build


def shown(name: str, like: str, build: Callable[[Path], None], media: str) -> Row:
    """A row that says in words what a sample is."""
    params = {"question": "What is this?", "max_tokens": 8}
    return Row(
        name=name,
        like=like,
        build=build,
        body=step("describe", media=media, params=params),
        gives={"s1.text": "text", "embed1.embedding": "embedding"},
        space="starter",
    )


PANDA = bridge("linear")
MINI = bridge("qformer", tokens=4)
BRIDGE = bridge("resampler", tokens=4, modalities=SEEN_AND_HEARD)
ONE = bridge("upm", tokens=4, modalities=SEEN_AND_HEARD)

ROWS = [
    shown("33 PandaGPT sees", "pandagpt", PANDA, "@image"),
    shown("33 PandaGPT hears", "pandagpt", PANDA, "@audio"),
    shown("33 PandaGPT on Qwen3", "pandagpt", bridge("linear", "Qwen3"), "@image"),
    shown("33 PandaGPT on Mistral", "pandagpt", bridge("linear", "Mistral"), "@image"),
    shown("28 MiniGPT-4", "minigpt4", MINI, "@image"),
    shown("24 ChatBridge sees", "chatbridge", BRIDGE, "@image"),
    shown("24 ChatBridge hears", "chatbridge", BRIDGE, "@audio"),
    shown("27 OneLLM sees", "onellm", ONE, "@image"),
    shown("27 OneLLM hears", "onellm", ONE, "@audio"),
]
