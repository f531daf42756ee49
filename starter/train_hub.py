"""Trains the starter hub: tokenizer and rows, language with plans and answers, then the connector,
then all together.

    python -m starter.train_hub data      requests and answers as token rows; the tokenizer
    python -m starter.train_hub text      stage zero: plans and answers from words alone
    python -m starter.train_hub align     stage one: the connector alone, encoder and hub frozen
    python -m starter.train_hub tune      stage two: connector and hub, on all of it
    python -m starter.train_hub mean      the mean of the weights that runs of `finish` ended with
    python -m starter.train_hub export    fp16 weights to starter/weights/hub
    python -m starter.train_hub resume    the other way: shipped weights to where training goes on

Every stage can be stopped and goes on where it was. Literature: two-stage recipe of LLaVA (Liu et
al., 2023).
"""

import argparse
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from starter.concepts import HERE, load_concepts
from starter.hub_data import Row, text_rows
from starter.hub_describe import word_rows
from starter.hub_tokenizer import VOCABULARY, build, save
from starter.requests_compose import generate

RUN = HERE / "runs" / "hub"
SHARD = 2000
PAD = -100


def make_tokenizer() -> Any:
    """The tokenizer of this run; trained when it is not there yet."""
    from transformers import AutoTokenizer

    if not (RUN / "tokenizer.json").exists():
        rng = random.Random(0)
        texts = [generate(rng, "zh" if k % 5 < 2 else "en").request for k in range(5000)]
        texts += [
            word for concept in load_concepts() for word in (*concept.english, *concept.chinese)
        ] * 3
        texts += [
            "I see a . I hear “”. This is a . What do you see? 我听到的是“”这个词。这是。"
        ] * 20
        RUN.mkdir(parents=True, exist_ok=True)
        save(build(texts), RUN)
    return AutoTokenizer.from_pretrained(RUN)


def make_model() -> Any:
    """A fresh LLaMA-shaped hub of 3.9 million parameters."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=672,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        rms_norm_eps=1e-5,
        initializer_range=0.02,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=1,
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation(
        "eager"
    )  # on CPUs, the backward pass of fused attention is several times slower
    return model


def write_rows(shards: int, first: int) -> None:
    """Shards of token rows: `ids` end to end, `sizes`, and `starts` of the hub's own words."""
    tokenizer = make_tokenizer()
    for number in range(first, first + shards):
        target = RUN / f"rows-{number:04d}.npz"
        if target.exists():
            continue
        rows, words = (
            text_rows(tokenizer, seed=1000 + number),
            word_rows(tokenizer, seed=5000 + number),
        )
        made = [next(words if place % 8 == 0 else rows) for place in range(SHARD)]
        ids = np.concatenate([np.array(row.ids, np.int16) for row in made])
        temporary = target.with_suffix(".tmp.npz")
        np.savez(
            temporary,
            ids=ids,
            sizes=np.array([len(row.ids) for row in made], np.int16),
            starts=np.array([row.start for row in made], np.int16),
        )
        temporary.rename(target)


def read_rows(path: Path) -> list[Row]:
    """One shard."""
    data = np.load(path)
    ends = np.cumsum(data["sizes"].astype(np.int64))
    parts = np.split(data["ids"].astype(np.int64), ends[:-1])
    return [
        Row(part.tolist(), int(start)) for part, start in zip(parts, data["starts"], strict=True)
    ]


def batches(seed: int, size: int) -> Iterator[list[Row]]:
    """Batches of rows of like length; new shards are read first, as soon as they are there."""
    rng = random.Random(seed)
    used: dict[Path, int] = {}
    while True:
        shards = sorted(
            path for path in RUN.glob("rows-*.npz") if not path.name.endswith(".tmp.npz")
        )
        fewest = min((used.get(path, 0) for path in shards), default=0)
        fresh = [path for path in shards if used.get(path, 0) == fewest]
        rows: list[Row] = []
        for path in rng.sample(fresh, min(3, len(fresh))):
            used[path] = used.get(path, 0) + 1
            rows += read_rows(path)
        if not rows:
            time.sleep(5)
            continue
        rng.shuffle(rows)
        rows.sort(key=lambda row: len(row.ids) // 8)
        cut = [rows[k : k + size] for k in range(0, len(rows) - size + 1, size)]
        rng.shuffle(cut)
        yield from cut


def optimizers(model: Any, rate: float) -> list[Any]:
    """Muon for the matrices inside, AdamW for the embedding and the norms."""
    import torch

    inside = [
        p
        for name, p in model.named_parameters()
        if p.ndim == 2 and "embed" not in name and "lm_head" not in name
    ]
    names = {id(p) for p in inside}
    rest = [p for p in model.parameters() if id(p) not in names]
    return [
        torch.optim.Muon(
            inside, lr=rate * 8, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original"
        ),
        torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]


def loss_of(model: Any, rows: list[Row], words: float = 0.1) -> Any:
    """Cross entropy of the hub's own words, and `words` times that of the request's."""
    import torch
    from torch.nn.functional import cross_entropy

    longest = max(len(row.ids) for row in rows)
    ids = torch.ones(len(rows), longest, dtype=torch.long)
    weights = torch.zeros(len(rows), longest)
    for place, row in enumerate(rows):
        ids[place, : len(row.ids)] = torch.tensor(row.ids)
        weights[place, : row.start] = words
        weights[place, row.start : len(row.ids)] = 1.0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = model.model(input_ids=ids).last_hidden_state[:, :-1]
        kept = weights[:, 1:] > 0
        scores = model.lm_head(hidden[kept])
    losses = cross_entropy(scores.float(), ids[:, 1:][kept], reduction="none")
    share = weights[:, 1:][kept]
    return (losses * share).sum() / share.sum()


def train_text(minutes: float, threads: int, size: int, rate: float, planned: int) -> None:
    """Stage zero, for so many minutes; the rate follows the planned number of steps."""
    import torch

    torch.set_num_threads(threads)
    model = make_model()
    both = optimizers(model, rate)
    state_file = RUN / "text.pt"
    step = 0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(both, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step = int(state["step"])
    base = [
        (group, group["lr"] if step == 0 else group.get("base", group["lr"]))
        for optimizer in both
        for group in optimizer.param_groups
    ]
    for group, value in base:
        group["base"] = value
    end = time.monotonic() + minutes * 60
    saved_at = time.monotonic()
    feed = batches(step, size)
    mean = 0.0
    while time.monotonic() < end and step < planned:
        scale = min(1.0, (step + 1) / 100) * max(0.03, min(1.0, (planned - step) / (0.6 * planned)))
        for group, value in base:
            group["lr"] = value * scale
        loss = loss_of(model, next(feed))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step += 1
        mean = loss.item() if mean == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 50 == 0:
            log(f"step {step} loss {mean:.4f} left {(end - time.monotonic()) / 60:.1f} min")
        if time.monotonic() - saved_at > 90:
            saved_at = time.monotonic()
            keep(state_file, model, both, step)
    keep(state_file, model, both, step)


def keep(path: Path, model: Any, both: list[Any], step: int) -> None:
    """Writes a checkpoint, whole or not at all."""
    import torch

    temporary = path.with_suffix(".tmp")
    torch.save(
        {
            "model": model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in both],
            "step": step,
        },
        temporary,
    )
    temporary.rename(path)


def log(line: str) -> None:
    """One line of progress, with the time."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "stage", choices=("data", "text", "align", "tune", "mean", "export", "resume")
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2.5e-3)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--shards", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    if given.stage == "data":
        write_rows(given.shards, given.first)
    elif given.stage == "text":
        train_text(given.minutes, given.threads, given.batch, given.rate, given.steps)
    else:
        from starter import hub_finish

        getattr(hub_finish, given.stage)(given)


if __name__ == "__main__":
    main()
