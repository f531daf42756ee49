"""A fast way to train the hub on one core: rows packed end to end, one compiled graph.

Rows made on the fly lie behind each other in sequences of one length, each seeing only itself. So
all batches have one shape and PyTorch compiles once; that and packing make a step two to three
times cheaper than with padded batches. The weights are those of the transformers model.

    python -m starter.hub_packed plans --minutes 40      planning and answering, from words alone
    python -m starter.hub_packed finish --minutes 15     with descriptions, down to a rate of nought
                                                         (several runs: `train_hub mean`)
"""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from starter.hub_data import Row, text_rows
from starter.hub_describe import word_rows
from starter.hub_finish import make_connector, read_bank, seen_loss, seen_rows
from starter.train_hub import RUN, keep, log, make_model, make_tokenizer, optimizers

LENGTH, SEQUENCES, WANTED = 160, 26, 2240
STATE = RUN / "packed.pt"
TUNED = RUN / "tune.pt"


@dataclass(frozen=True)
class Packed:
    """Tokens, their positions and row numbers (B, L); where to predict, and what (WANTED,)."""

    ids: Tensor
    places: Tensor
    rows: Tensor
    at: Tensor
    wanted: Tensor


class PackedHub(nn.Module):
    """The loss of packed rows, computed with the weights of a hub."""

    cos: Tensor
    sin: Tensor

    def __init__(self, hub: Any) -> None:
        super().__init__()
        self.hub = hub
        config = hub.config
        self.heads = int(config.num_attention_heads)
        size = config.hidden_size // self.heads
        turns = 1 / 10_000 ** (torch.arange(0, size, 2).float() / size)
        angles = torch.arange(LENGTH)[:, None] * turns
        for name, values in (("cos", angles.cos()), ("sin", angles.sin())):
            self.register_buffer(name, torch.cat((values, values), -1).bfloat16(), persistent=False)

    def forward(
        self, ids: Tensor, places: Tensor, rows: Tensor, at: Tensor, wanted: Tensor
    ) -> Tensor:
        """Mean cross entropy of the wanted tokens."""
        half = torch.bfloat16
        batch, length = ids.shape
        body = self.hub.model
        cos, sin = self.cos[places][:, None], self.sin[places][:, None]
        seen = (rows[:, :, None] == rows[:, None, :]) & torch.ones(
            length, length, dtype=torch.bool
        ).tril()
        mask = torch.where(seen, 0.0, -1e4).to(half)[:, None]
        x = functional.embedding(ids, body.embed_tokens.weight).to(half)
        for layer in body.layers:
            attention = layer.self_attn
            h = normed(x, layer.input_layernorm.weight).view(batch * length, -1)
            parts = (attention.q_proj, attention.k_proj, attention.v_proj)
            joint = torch.cat([part.weight for part in parts]).to(half)
            mixed = (h @ joint.T).view(batch, length, 3, self.heads, -1)
            q, k, v = mixed.permute(2, 0, 3, 1, 4)
            q, k = turned(q, cos, sin), turned(k, cos, sin)
            weights = torch.softmax(q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + mask, -1)
            y = (weights @ v).transpose(1, 2).reshape(batch * length, -1)
            x = x + (y @ attention.o_proj.weight.to(half).T).view(batch, length, -1)
            h = normed(x, layer.post_attention_layernorm.weight).view(batch * length, -1)
            mlp = layer.mlp
            gate = functional.silu(h @ mlp.gate_proj.weight.to(half).T)
            up = h @ mlp.up_proj.weight.to(half).T
            x = x + ((gate * up) @ mlp.down_proj.weight.to(half).T).view(batch, length, -1)
        last = normed(x.view(batch * length, -1)[at], body.norm.weight)
        scores = (last @ self.hub.lm_head.weight.to(half).T).float()
        return functional.cross_entropy(scores, wanted)


def normed(x: Tensor, weight: Tensor) -> Tensor:
    """RMS norm, reckoned in 32 bits."""
    wide = x.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-5)
    return (wide * scale * weight).to(torch.bfloat16)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions."""
    one, two = x.chunk(2, -1)
    return x * cos + torch.cat((-two, one), -1) * sin


def packed(rows: Iterator[Row]) -> Iterator[Packed]:
    """Batches without end; each sequence is filled with whole rows, the longest first."""
    waiting: list[Row] = []
    while True:
        while len(waiting) < 3 * SEQUENCES:
            row = next(rows)
            if len(row.ids) <= LENGTH:
                waiting.append(row)
        waiting.sort(key=lambda row: -len(row.ids))
        yield _batch([_sequence(waiting, rows) for _ in range(SEQUENCES)])


def _sequence(waiting: list[Row], rows: Iterator[Row]) -> list[Row]:
    room = LENGTH
    chosen: list[Row] = []
    while True:
        place = next((k for k, row in enumerate(waiting) if len(row.ids) <= room), None)
        if place is None:
            if len(waiting) >= 3 * SEQUENCES or room < 20:
                return chosen
            row = next(rows)
            if len(row.ids) <= LENGTH:
                waiting.append(row)
                waiting.sort(key=lambda row: -len(row.ids))
            continue
        row = waiting.pop(place)
        chosen.append(row)
        room -= len(row.ids)


def _batch(sequences: list[list[Row]]) -> Packed:
    ids = np.ones((SEQUENCES, LENGTH), np.int64)
    places = np.zeros((SEQUENCES, LENGTH), np.int64)
    numbers = np.full((SEQUENCES, LENGTH), -1, np.int64)
    at: list[int] = []
    wanted: list[int] = []
    for line, sequence in enumerate(sequences):
        start = 0
        for number, row in enumerate(sequence):
            end = start + len(row.ids)
            ids[line, start:end] = row.ids
            places[line, start:end] = range(len(row.ids))
            numbers[line, start:end] = number
            first = line * LENGTH + start + row.start - 1
            at += range(first, line * LENGTH + end - 1)
            wanted += row.ids[row.start :]
            start = end
    missing = max(0, WANTED - len(at))
    at, wanted = at[:WANTED] + [0] * missing, wanted[:WANTED] + [-100] * missing
    return Packed(*(torch.tensor(values) for values in (ids, places, numbers, at, wanted)))


def mixed_rows(tokenizer: Any, seed: int, named: float = 0.06) -> Iterator[Row]:
    """Plans, some answers, and a share of descriptions of named things."""
    rng = random.Random(seed)
    plans, told = text_rows(tokenizer, seed), word_rows(tokenizer, seed + 1)
    while True:
        yield next(told) if rng.random() < named else next(plans)


def lightened(tokenizer: Any, batches: Iterator[Packed], kept: float = 0.3) -> Iterator[Packed]:
    """Batches in which most words of quoted questions are not asked for: where a question begins
    and ends matters little beside which tool reads what.
    """
    begin = tokenizer.convert_tokens_to_ids('"question":')
    pieces = tokenizer.convert_tokens_to_ids('{"steps":[')
    dice = np.random.default_rng(0)
    for batch in batches:
        inside = False
        wanted = batch.wanted.tolist()
        for place, token in enumerate(wanted):
            if token == begin:
                inside = True
            elif inside and token >= pieces:
                inside = False
            elif inside and dice.random() > kept:
                wanted[place] = -100
        yield replace(batch, wanted=torch.tensor(wanted))


def train(
    minutes: float,
    rate: float,
    first: float,
    last: float,
    *,
    told: bool,
    seed: int,
    threads: int = 1,
) -> None:
    """Trains for so many minutes; the rate goes from `first` to `last` of its full value, after a
    short warm-up. With `told`, descriptions of embeddings are learnt too.
    """
    torch.set_num_threads(threads)
    both = nn.ModuleDict({"model": make_model(), "connector": make_connector()})
    state = torch.load(STATE if STATE.exists() else TUNED, weights_only=True)
    both.load_state_dict(state["model"])
    opts = optimizers(both, rate)
    if STATE.exists():
        for optimizer, saved in zip(opts, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    step = int(state["step"]) if STATE.exists() else 0
    bases = [
        (group, rate * (8 if place == 0 else 1))
        for place, optimizer in enumerate(opts)
        for group in optimizer.param_groups
    ]
    tokenizer = make_tokenizer()
    rows = mixed_rows(tokenizer, seed + step, 0.02 if told else 0.06)
    batches = lightened(tokenizer, packed(rows))
    seen = seen_rows(tokenizer, read_bank(), seed=seed + step) if told else None
    loss_of = torch.compile(PackedHub(both["model"]), dynamic=False)
    begin, saved_at, done, means = time.monotonic(), time.monotonic(), 0, [0.0, 0.0]
    while (share := (time.monotonic() - begin) / (minutes * 60)) < 1:
        scale = min(1.0, (done + 1) / 30) * (first + (last - first) * share)
        for group, value in bases:
            group["lr"] = value * scale
        part = next(batches)
        losses = [loss_of(part.ids, part.places, part.rows, part.at, part.wanted)]
        if seen is not None and done % 2 == 0:
            losses.append(
                seen_loss(both["model"], both["connector"], [next(seen) for _ in range(24)])
            )
        torch.stack(losses).sum().backward()
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        for optimizer in opts:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        step, done = step + 1, done + 1
        for place, loss in enumerate(losses):
            means[place] = 0.97 * means[place] + 0.03 * loss.item() if means[place] else loss.item()
        if done % 25 == 0:
            left = minutes * (1 - share)
            log(f"step {step} plans {means[0]:.4f} told {means[1]:.4f} left {left:.1f} min")
        if time.monotonic() - saved_at > 60:
            saved_at = time.monotonic()
            keep(STATE, both, opts, step)
    keep(STATE, both, opts, step)
    keep(TUNED, both, opts, step)
    if told:
        keep(RUN / f"finished-{step}.pt", both, opts, step)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("stage", choices=("plans", "finish"))
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--first", type=float, default=1.0)
    parser.add_argument("--last", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=70_000)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    finish = given.stage == "finish"
    last = 0.0 if finish else given.last
    train(
        given.minutes, given.rate, given.first, last,
        told=finish, seed=given.seed, threads=given.threads,
    )  # fmt: skip


if __name__ == "__main__":
    main()
