"""The hub's connector: a bank of the starter encoder's embeddings, stage one and two of its
training, and the export.

Stage one trains the connector alone to say what a picture, a word or a sound is, encoder and hub
frozen. Stage two trains connector and hub together, on descriptions and on plans in turn.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hub.alignment import Alignment, Pair, Recipe, loss_of
from hub.compact import MEDIA_GAP, describe_prompt
from starter.concepts import HERE, load_concepts
from starter.hub_describe import answer, questions
from starter.hub_tokenizer import as_piece
from starter.train_hub import RUN, batches, keep, log, make_model, make_tokenizer

ENCODER = HERE / "weights" / "encoder"
WEIGHTS = HERE / "weights" / "hub"
BANK = RUN / "bank.npz"
SPACE = "starter"
SOFT_TOKENS, WIDTH, SOURCE, HIDDEN = 2, 256, 256, 256


@dataclass(frozen=True)
class Bank:
    """Unit embeddings (N, 256), their labels, and their modality: 0 picture, 1 words, 2 sound."""

    vectors: np.ndarray
    labels: np.ndarray
    kinds: np.ndarray


def make_bank(renderings: int = 3, sounds: int = 12) -> Bank:
    """Embeds training pictures, names and spoken names with the exported encoder."""
    import torch

    from encoders.imagebind.modeling import ImageBindModel
    from encoders.imagebind.processing import ImageBindProcessor

    model: Any = ImageBindModel.from_pretrained(ENCODER)
    model = model.float().eval()
    processor = ImageBindProcessor.from_pretrained(ENCODER)
    parts: list[tuple[Any, np.ndarray, int]] = []
    with torch.inference_mode():
        for vectors, labels in _pictures(model, processor, renderings):
            parts.append((vectors, labels, 0))
        concepts = load_concepts()
        words = [
            (name, label)
            for label, concept in enumerate(concepts)
            for name in (*concept.english, *concept.chinese)
        ]
        for start in range(0, len(words), 128):
            part = words[start : start + 128]
            vectors = model.encode(
                "text", processor.text([name for name, _ in part]), finish="unit"
            ).embedding
            parts.append((vectors, np.array([label for _, label in part]), 1))
        if "audio" in model.modality_trunks:
            for vectors, labels in _sounds(model, processor, sounds):
                parts.append((vectors, labels, 2))
    return Bank(
        np.concatenate([part.float().numpy() for part, _, _ in parts]),
        np.concatenate([labels for _, labels, _ in parts]).astype(np.int64),
        np.concatenate([np.full(len(labels), kind) for _, labels, kind in parts]),
    )


def _pictures(model: Any, processor: Any, renderings: int) -> Iterator[tuple[Any, np.ndarray]]:
    import torch

    from starter.pictures import TRAIN_VENDORS, augment, flatten, load_vendors

    pictures, labels, _ = load_vendors(TRAIN_VENDORS)
    dice = torch.Generator().manual_seed(0)
    for turn in range(renderings):
        for start in range(0, len(pictures), 128):
            part = pictures[start : start + 128]
            drawn = flatten(part) if turn == 0 else augment(part, generator=dice)
            vectors = model.encode("vision", processor.standardise(drawn), finish="unit").embedding
            yield vectors, labels[start : start + 128].numpy()


def _sounds(model: Any, processor: Any, each: int) -> Iterator[tuple[Any, np.ndarray]]:
    import torch

    from starter.speech import augment_speech, load_speech

    dice = torch.Generator().manual_seed(1)
    rng = np.random.default_rng(0)
    for split in ("train", "train_sounds"):
        speech = load_speech(split)
        labels = np.asarray(speech.label)
        chosen = np.concatenate(
            [rng.permutation(np.flatnonzero(labels == label))[:each] for label in np.unique(labels)]
        )
        for start in range(0, len(chosen), 64):
            places = np.sort(chosen[start : start + 64])
            waves = augment_speech(torch.from_numpy(np.array(speech.pcm[places])), dice).numpy()
            heard = torch.stack([processor.audio(wave[None], 16_000) for wave in waves])
            yield model.encode("audio", heard, finish="unit").embedding, labels[places]


def read_bank() -> Bank:
    """The bank of this run; made anew when the encoder is newer."""
    weights = ENCODER / "model.safetensors"
    if not BANK.exists() or BANK.stat().st_mtime < weights.stat().st_mtime:
        log("embedding pictures, words and sounds")
        bank = make_bank()
        np.savez(BANK, vectors=bank.vectors, labels=bank.labels, kinds=bank.kinds)
    data = np.load(BANK)
    return Bank(data["vectors"], data["labels"], data["kinds"])


def seen_rows(tokenizer: Any, bank: Bank, seed: int) -> Iterator[Pair]:
    """Descriptions without end: pictures and words are seen, sounds heard; questions decide the
    wording.
    """
    rng = random.Random(seed)
    noise = np.random.default_rng(seed)
    concepts = load_concepts()
    by_kind = [np.flatnonzero(bank.kinds == kind) for kind in range(3)]
    for question, heard in questions(rng):
        kind = (
            2
            if heard and len(by_kind[2]) and rng.random() < 0.85
            else rng.choice((0, 0, 1, 2 if len(by_kind[2]) else 0))
        )
        place = int(rng.choice(by_kind[kind]))
        vector = bank.vectors[place] + noise.normal(size=SOURCE).astype(np.float32) * rng.choice(
            (0.0, 0.01, 0.02)
        )
        before, _, after = describe_prompt(question).partition(MEDIA_GAP)
        said = answer(concepts[int(bank.labels[place])], question, heard=heard)
        yield Pair(
            as_piece(tokenizer, before),
            as_piece(tokenizer, after),
            [*as_piece(tokenizer, said), tokenizer.eos_token_id],
            vector,
        )


def seen_loss(model: Any, connector: Any, rows: list[Pair]) -> Any:
    """Cross entropy of the answers."""
    return loss_of(model, connector, rows, half=True)


def make_connector() -> Any:
    """A fresh connector."""
    import torch

    from hub.connectors import Connector, ConnectorConfig

    torch.manual_seed(0)
    config = ConnectorConfig(
        kind="mlp", source=SOURCE, hidden=HIDDEN, tokens=SOFT_TOKENS, width=WIDTH, space=SPACE
    )
    connector = Connector(config)
    with torch.no_grad():  # soft tokens as long as the hub's own
        connector.body.project[2].weight.mul_(0.1)  # type: ignore[union-attr,index]
    return connector


def alignment(
    model: Any, connector: Any, feed: Iterator[Pair], steps: int, size: int = 64
) -> Alignment:
    """Stage one, as the tool `align` trains: the connector alone, on new rows at each step."""
    recipe = Recipe(steps=steps, rate=2e-3, half=True)
    return Alignment(model, connector, recipe, lambda step: [next(feed) for _ in range(size)])


def align(given: argparse.Namespace) -> None:
    """Stage one: the connector alone."""
    import torch

    torch.set_num_threads(given.threads)
    model = make_model()
    model.load_state_dict(torch.load(RUN / "text.pt", weights_only=True)["model"])
    model.requires_grad_(False)
    feed = seen_rows(make_tokenizer(), read_bank(), seed=11)
    training = alignment(model, make_connector(), feed, given.steps)
    end = time.monotonic() + given.minutes * 60
    while not training.done and time.monotonic() < end:
        loss = training.advance()
        if training.step % 20 == 1:
            log(f"align {training.step} loss {loss:.4f}")
    connector = training.connector
    torch.save({"model": model.state_dict(), "connector": connector.state_dict()}, RUN / "align.pt")


def tune(given: argparse.Namespace) -> None:
    """Stage two: connector and hub together; descriptions and plans in turn."""
    import torch

    from starter.train_hub import loss_of as words_loss
    from starter.train_hub import optimizers

    torch.set_num_threads(given.threads)
    model, connector = make_model(), make_connector()
    state_file = RUN / "tune.pt"
    state = torch.load(state_file if state_file.exists() else RUN / "align.pt", weights_only=True)
    words = torch.load(RUN / "text.pt", weights_only=True)["model"]
    both = torch.nn.ModuleDict({"model": model, "connector": connector})
    if "step" in state:
        both.load_state_dict(state["model"])
    else:
        model.load_state_dict(words)  # it may have gone on learning since
        connector.load_state_dict(state["connector"])
    step = int(state.get("step", 0))
    opts = optimizers(both, given.rate)
    if "optimizers" in state:
        for optimizer, saved in zip(opts, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    bases = [
        (group, given.rate * (8 if place == 0 else 1))
        for place, optimizer in enumerate(opts)
        for group in optimizer.param_groups
    ]
    seen, plans = (
        seen_rows(make_tokenizer(), read_bank(), seed=100 + step),
        batches(500 + step, given.batch),
    )
    end, saved_at = time.monotonic() + given.minutes * 60, time.monotonic()
    means = [0.0, 0.0]
    while time.monotonic() < end and step < given.steps:
        left = (end - time.monotonic()) / (given.minutes * 60)
        scale = min(1.0, (step + 1) / 20) * max(0.02, min(1 - step / given.steps, left))
        for group, value in bases:
            group["lr"] = value * scale
        first, second = (
            words_loss(model, next(plans), words=0.0),
            seen_loss(model, connector, [next(seen) for _ in range(16)]),
        )
        (first + second).backward()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        for optimizer in opts:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        means = [
            0.95 * mean + 0.05 * loss.item() if mean else loss.item()
            for mean, loss in zip(means, (first, second), strict=True)
        ]
        if step % 25 == 0:
            left = (end - time.monotonic()) / 60
            log(f"tune {step} plans {means[0]:.4f} told {means[1]:.4f} left {left:.1f} min")
        if time.monotonic() - saved_at > 90:
            saved_at = time.monotonic()
            keep(state_file, both, opts, step)
    keep(state_file, both, opts, step)


def mean(given: argparse.Namespace) -> None:
    """Averages the weights of all runs of `finish`: they lie in one valley, and the middle of it is
    better than its sides (model soups, Wortsman et al., 2022).
    """
    import torch

    from starter.train_hub import optimizers

    files = sorted(RUN.glob("finished-*.pt"))
    states = [torch.load(file, weights_only=True)["model"] for file in files]
    both = torch.nn.ModuleDict({"model": make_model(), "connector": make_connector()})
    both.load_state_dict(
        {name: sum(state[name] for state in states) / len(states) for name in states[0]}
    )
    keep(RUN / "tune.pt", both, optimizers(both, given.rate), 0)


def resume(given: argparse.Namespace) -> None:
    """Puts the exported hub where training goes on from, on a machine that did not train it."""
    import torch
    from transformers import AutoTokenizer, LlamaForCausalLM

    from hub.connectors import Connector
    from starter.train_hub import optimizers

    RUN.mkdir(parents=True, exist_ok=True)
    AutoTokenizer.from_pretrained(WEIGHTS).save_pretrained(RUN)
    model, connector = make_model(), make_connector()
    model.load_state_dict(LlamaForCausalLM.from_pretrained(WEIGHTS).float().state_dict())
    connector.load_state_dict(Connector.from_pretrained(WEIGHTS / "connector").float().state_dict())
    both = torch.nn.ModuleDict({"model": model, "connector": connector})
    keep(RUN / "tune.pt", both, optimizers(both, given.rate), 0)


def export(given: argparse.Namespace) -> None:
    """Writes fp16 weights, tokenizer and connector in the layouts of `from_pretrained`."""
    del given
    import torch

    model, connector = make_model(), make_connector()
    tuned = RUN / "tune.pt"
    if tuned.exists():
        both = torch.nn.ModuleDict({"model": model, "connector": connector})
        both.load_state_dict(torch.load(tuned, weights_only=True)["model"])
    else:
        state = torch.load(RUN / "align.pt", weights_only=True)
        model.load_state_dict(state["model"])
        connector.load_state_dict(state["connector"])
    model.set_attn_implementation("sdpa")
    model.generation_config.eos_token_id = 0
    model.generation_config.pad_token_id = 1
    model.half().save_pretrained(WEIGHTS)
    connector.half().save_pretrained(WEIGHTS / "connector")
    make_tokenizer().save_pretrained(WEIGHTS)
    log(
        json.dumps(
            {
                path.name: path.stat().st_size
                for path in sorted(Path(WEIGHTS).rglob("*"))
                if path.is_file()
            }
        )
    )
