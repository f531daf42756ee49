"""The judge of generated pictures: a small convolutional classifier, trained apart.

It never sees the drawings that the generator learns (`GENERATOR_VENDORS`) and shares no weights
and no architecture with the product's models. It stays in `cache/` and is not shipped:
`python -m starter.judge` trains it and prints how well it names the real drawings that the
generator was taught, which is the most that a generated picture can be expected to reach.
"""

import argparse
import logging
import sys
import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starter.concepts import CACHE, load_concepts
from starter.pictures import GENERATOR_VENDORS, JUDGE_VENDORS, augment, flatten, load_vendors

WEIGHTS = CACHE / "judge.pt"
SIDE = 64
BATCH = 128

log = logging.getLogger(__name__)


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm around a shortcut; the first one may stride."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(stride) if stride > 1 else nn.Identity(), nn.Conv2d(channels, out, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, channels, H, W) to (B, out, H/stride, W/stride)."""
        return F.relu(self.shortcut(features) + self.body(features))


class Judge(nn.Module):
    """Pictures (B, 3, 64, 64) in 0..1 to logits (B, concepts)."""

    def __init__(self, concepts: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 32, 5, 2, 2),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            Block(32, 64, 2),
            Block(64, 128, 2),
            Block(128, 256, 2),
        )
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(256, concepts)

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits over the concepts in label order."""
        features = self.trunk(pictures * 4 - 2).float().mean((2, 3))
        logits: Tensor = self.head(self.drop(features))
        return logits


def load_judge() -> Judge:
    """The trained judge in evaluation mode; FileNotFoundError when it was not trained yet."""
    judge = Judge(len(load_concepts()))
    judge.load_state_dict(torch.load(WEIGHTS, weights_only=True)["judge"])
    return judge.eval()


@torch.inference_mode()
def verdicts(judge: Judge, pictures: Tensor) -> Tensor:
    """The label that the judge gives each picture: (B, 3, H, W) in 0..1 to (B,) int64."""
    if pictures.shape[-1] != SIDE:
        pictures = F.interpolate(pictures, size=(SIDE, SIDE), mode="area")
    return torch.cat([judge(part).argmax(1) for part in pictures.split(256)])


def ceiling(judge: Judge) -> float:
    """Top-1 on the real drawings that the generator was taught, on white."""
    rgba, labels, _ = load_vendors(GENERATOR_VENDORS)
    return (verdicts(judge, flatten(rgba, SIDE)) == labels).float().mean().item()


class _Training:
    """Model, optimiser, average of weights and position, as kept in a checkpoint."""

    def __init__(self, minutes: float) -> None:
        torch.manual_seed(17)
        self.judge = Judge(len(load_concepts()))
        self.average = torch.optim.swa_utils.AveragedModel(
            self.judge, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99),
            use_buffers=True,
        )  # fmt: skip
        self.optimiser = torch.optim.AdamW(self.judge.parameters(), lr=3e-3, weight_decay=0.05)
        self.limit, self.spent, self.step = 60 * minutes, 0.0, 0
        self.rgba, self.labels, _ = load_vendors(JUDGE_VENDORS, side=SIDE)
        self.dice = torch.Generator().manual_seed(23)

    def learn(self) -> float:
        """One step; returns its loss."""
        began = time.monotonic()
        pick = torch.randint(len(self.labels), (BATCH,), generator=self.dice)
        rgba = self.rgba[pick]
        plain = BATCH // 4
        pictures = torch.cat([flatten(rgba[:plain], SIDE), augment(rgba[plain:], SIDE, self.dice)])
        for group in self.optimiser.param_groups:
            group["lr"] = 3e-3 * min(1.0, (self.step + 1) / 50) * (1 - self.spent / self.limit)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.judge(pictures.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), self.labels[pick], label_smoothing=0.1)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.average.update_parameters(self.judge)
        self.step += 1
        self.spent = min(self.limit, self.spent + time.monotonic() - began)
        return loss.item()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds; `judge` is the average that is used."""
        return {
            "judge": self.average.module.state_dict(),
            "raw": self.judge.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "spent": self.spent,
            "step": self.step,
        }

    def resume(self) -> None:
        """Take up the last checkpoint where there is one."""
        if WEIGHTS.exists():
            state = torch.load(WEIGHTS, weights_only=True)
            self.average.module.load_state_dict(state["judge"])
            self.judge.load_state_dict(state["raw"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.spent, self.step = state["spent"], state["step"]

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        part = WEIGHTS.with_suffix(".part")
        torch.save(self.state(), part)
        part.replace(WEIGHTS)


def main() -> int:
    """Train for some minutes of computing time, resumable. Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    training = _Training(options.minutes)
    training.resume()
    loss = 0.0
    while training.spent < training.limit:
        loss = 0.95 * loss + 0.05 * training.learn()
        if training.step % 200 == 0:
            training.save()
            log.info("step %d, %.0f s, loss %.3f", training.step, training.spent, loss)
    training.save()
    log.info("names %.1f %% of the generator's drawings", 100 * ceiling(load_judge()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
