"""What a kept beginning saves: plans of a local hub of random weights in the general wording, with
and without `hub.prefix`, in turns on the same process. Only the ratios mean anything.

The tokenizer is trained on the wording itself, so that a prompt has about as many tokens as with a
real one. `plan` is a whole plan, `first` the time to its first token.

    python -m bench.prefix [--rounds 9] [--width 256] [--layers 6] [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hub.chat import plan_messages
from hub.local import LocalHub
from medley.backend import ModelSpec, Request
from medley.errors import StepStopped
from medley.tasks import PlanTask
from medley.toolset import toolbox

TOOLS = toolbox().planned()
REQUESTS = [
    "Draw a red apple",
    "What is in the picture? Say it aloud.",
    "Make a film of these pictures with the sound under it",
    "画一只猫",
    "Describe the sound in one sentence and put it under the picture",
]


class Watch:
    """A control that notes the first token, and may stop there."""

    scratch = Path()

    def __init__(self, first_only: bool) -> None:
        self.first_only = first_only

    def tick(self, done: float, total: float, *, message: str = "", preview: Any = None) -> None:
        """Stops at the first token where only that is wanted."""
        if self.first_only:
            raise StepStopped

    def delta(self, text: str, place: int = 0) -> None:
        """Nothing."""

    def stopped(self, place: int) -> bool:
        """Never."""
        return False


def task(words: str) -> dict[str, Any]:
    """Something to plan over a picture and a sound."""
    assets = [{"id": "a1", "modality": "image"}, {"id": "a2", "modality": "audio"}]
    return {"request": words, "assets": assets, "tools": list(TOOLS), "max_steps": 4}


def make_hub(folder: Path, width: int, layers: int) -> LocalHub:
    """A LLaMA with random weights, loaded."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    said = [
        message["content"]
        for words in REQUESTS
        for message in plan_messages(PlanTask.model_validate(task(words)), TOOLS)
    ]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        special_tokens=["<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(said, trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<eos>", pad_token="<eos>"
    )
    wrapped.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(wrapped),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=8192,
        eos_token_id=wrapped.eos_token_id,
        pad_token_id=wrapped.pad_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    hub = LocalHub()
    options = {"wording": "chat", "max_words": 12, "max_steps": 4}
    hub.load(
        ModelSpec(
            id="bench",
            backend="transformers",
            tools=LocalHub.tools,
            source=str(folder),
            options=options,
        ),
        "cpu",
    )
    return hub


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    with suppress(StepStopped):
        act()
    return time.perf_counter() - began


def measure(hub: LocalHub, rounds: int, batch: int) -> dict[str, dict[str, float]]:
    """Median seconds with and without, and how many times faster."""
    seconds: dict[str, dict[str, list[float]]] = {}
    prefix = hub._prefix
    assert prefix is not None
    for number in range(-2, rounds):  # two to warm up: the second prompt learns
        words = [REQUESTS[(number + place) % len(REQUESTS)] for place in range(batch)]
        requests = [Request(tool="plan", inputs={"task": task(said)}, params={}) for said in words]
        for name, first_only in (("first", True), ("plan", False)):
            for way in ("without", "with"):
                hub._prefix = prefix if way == "with" else None
                took = timed(lambda: hub.run(requests, Watch(first_only)))  # noqa: B023
                if number >= 0:
                    seconds.setdefault(name, {}).setdefault(way, []).append(took)
    return {
        name: {
            **{way: round(statistics.median(found[way]), 4) for way in found},
            "faster": round(
                statistics.median(found["without"]) / statistics.median(found["with"]), 2
            ),
        }
        for name, found in seconds.items()
    }


def main() -> None:
    """Prints the medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        hub = make_hub(Path(folder), given.width, given.layers)
        found = {f"batch of {size}": measure(hub, given.rounds, size) for size in (1, 4)}
    if given.json:
        print(json.dumps(found))
        return
    for size, measured in found.items():
        for name, row in measured.items():
            print(f"{size}, {name}: {row['faster']} times as fast ({row['without']} s without)")


if __name__ == "__main__":
    main()
