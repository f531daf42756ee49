"""Alignment: teaching a connector to say to a hub what an embedding means.

Stage one freezes encoder and hub and trains the connector alone with the language-model loss of a
text, given a vector between the words of a prompt (PandaGPT, Su et al. 2023; LLaVA, Liu et al.
2023). Where other parameters of the hub may learn, as low-rank adapters in stage two, they are
trained along.

What a step does depends on its number and on what was learnt before it alone, so a training that
goes on from a checkpoint ends where an uninterrupted one does.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medley.errors import BackendError

if TYPE_CHECKING:
    from torch import Tensor

    from hub.connectors import Connector

NOTES = "notes"  #: of a checkpoint: what is no tensor, as JSON


@dataclass(frozen=True, slots=True)
class Pair:
    """One vector (d,) between the tokens of a prompt, and the tokens that should follow."""

    before: list[int]
    after: list[int]
    target: list[int]
    vector: npt.NDArray[np.float32]
    of: str = ""  # its modality


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How to train. The rate rises for `warmup` steps and falls to `floor` of itself."""

    steps: int
    rate: float = 2e-3
    warmup: int = 20
    floor: float = 0.05
    decay: float = 0.01
    clip: float = 1.0  # largest length of a gradient
    half: bool = False  # the hub reckons in bfloat16 where that is faster

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return self.rate * rising * max(self.floor, 1 - step / self.steps)


def loss_of(hub: Any, connector: "Connector", pairs: Sequence[Pair], *, half: bool = False) -> Any:
    """Mean cross entropy of the targets, a scalar tensor. `hub`: any causal language model."""
    import torch
    from torch.nn.functional import cross_entropy

    embed = hub.get_input_embeddings()
    device = embed.weight.device
    vectors = torch.from_numpy(np.stack([pair.vector for pair in pairs])).to(device)
    soft = connector(vectors.float(), None, [pair.of for pair in pairs])
    count = soft.shape[1]
    sizes = [len(p.before) + count + len(p.after) + len(p.target) for p in pairs]
    # What stands behind a row is never seen by it: the model is causal, and needs no mask.
    ids = torch.zeros(len(pairs), max(sizes), dtype=torch.long)
    wanted = torch.full((len(pairs), max(sizes)), -100)
    for row, (pair, size) in enumerate(zip(pairs, sizes, strict=True)):
        start = len(pair.before)
        ids[row, :start] = torch.tensor(pair.before, dtype=torch.long)
        ids[row, start + count : size] = torch.tensor(pair.after + pair.target, dtype=torch.long)
        wanted[row, size - len(pair.target) : size] = torch.tensor(pair.target, dtype=torch.long)
    rows = embed(ids.to(device))
    places = torch.tensor([len(p.before) for p in pairs])[:, None] + torch.arange(count)
    places = places[..., None].expand(-1, -1, rows.shape[-1]).to(device)
    rows = rows.scatter(1, places, soft.to(rows.dtype))
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
        scores = hub(inputs_embeds=rows, use_cache=False).logits[:, :-1]
    wanted = wanted[:, 1:].to(device)
    kept = wanted != -100
    return cross_entropy(scores[kept].float(), wanted[kept])


def in_turn(pairs: Sequence[Pair], size: int, seed: int) -> Callable[[int], list[Pair]]:
    """The batch of each step: all pairs once in an order by chance, then in another one."""
    orders: dict[int, npt.NDArray[np.int64]] = {}

    def batch(step: int) -> list[Pair]:
        found = []
        for number in range(step * size, (step + 1) * size):
            turn, place = divmod(number, len(pairs))
            if turn not in orders:
                orders.clear()
                orders[turn] = np.random.default_rng((seed, turn)).permutation(len(pairs))
            found.append(pairs[orders[turn][place]])
        return found

    return batch


class Alignment:
    """One training: of the connector, and of whatever of the hub may learn."""

    def __init__(
        self,
        hub: Any,
        connector: "Connector",
        recipe: Recipe,
        batch: Callable[[int], Sequence[Pair]],
    ) -> None:
        import torch

        self.hub, self.connector, self.recipe, self._batch = hub, connector, recipe, batch
        self.losses: list[float] = []
        hub.eval()
        connector.train()
        learning = {f"connector.{name}": item for name, item in connector.named_parameters()}
        learning |= {
            f"hub.{name}": item for name, item in hub.named_parameters() if item.requires_grad
        }
        self._learning: dict[str, torch.nn.Parameter] = learning
        self._optimizer = torch.optim.AdamW(
            learning.values(), lr=recipe.rate, weight_decay=recipe.decay
        )

    @property
    def step(self) -> int:
        """How many steps were done."""
        return len(self.losses)

    @property
    def done(self) -> bool:
        """Whether all steps of the recipe were done."""
        return self.step >= self.recipe.steps

    def advance(self) -> float:
        """One step; its loss. Raises `BackendError` where that is no number any more."""
        import torch

        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(self.step)
        pairs = self._batch(self.step)
        with torch.enable_grad():
            loss = loss_of(self.hub, self.connector, pairs, half=self.recipe.half)
            loss.backward()
        value = float(loss.detach())
        if not np.isfinite(value):
            raise BackendError(f"The loss of step {self.step} is {value}; use a smaller rate.")
        torch.nn.utils.clip_grad_norm_(self._learning.values(), self.recipe.clip)
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        self.losses.append(value)
        return value

    def save(self, path: Path, about: str) -> None:
        """Writes a checkpoint, whole or not at all. `about`: what is being trained."""
        from safetensors.torch import save_file

        tensors: dict[str, Tensor] = {}
        for name, item in self._learning.items():
            tensors[f"weight.{name}"] = item.detach().cpu().contiguous()
            for key, value in self._optimizer.state[item].items():
                tensors[f"{key}.{name}"] = value.detach().cpu().contiguous()
        notes = {NOTES: json.dumps({"about": about, "losses": self.losses})}
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        save_file(tensors, part, metadata=notes)
        os.replace(part, path)

    def resume(self, path: Path, about: str) -> bool:
        """Goes on from a checkpoint; False where there is none, or one of another training."""
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(str(path), framework="pt") as file:
                notes = json.loads((file.metadata() or {}).get(NOTES, "{}"))
                if notes.get("about") != about:
                    return False
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, ValueError, SafetensorError):
            return False
        with torch.no_grad():
            for name, item in self._learning.items():
                item.copy_(tensors[f"weight.{name}"])
                self._optimizer.state[item] = {
                    key: tensors[f"{key}.{name}"].to(item.device if key != "step" else "cpu")
                    for key in ("step", "exp_avg", "exp_avg_sq")
                    if f"{key}.{name}" in tensors
                }
        self.losses = [float(loss) for loss in notes["losses"]]
        return True


def fresh(
    connector: "Connector", hub: Any, vectors: npt.NDArray[np.float32], of: Sequence[str] = ()
) -> "Connector":
    """The connector with soft tokens as long as the hub's own words, for these vectors (N, d)."""
    import torch

    words = float(hub.get_input_embeddings().weight.float().norm(dim=-1).mean())
    connector.fit_length(torch.from_numpy(vectors).float(), words, of)
    return connector
