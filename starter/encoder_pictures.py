"""The pictures of the encoder's training: batches of renderings, some easy, some covered."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import IterableDataset

from starter.encoder_parts import SIDE
from starter.pictures import MONO_VENDORS, TRAIN_VENDORS, augment, flatten, load_vendors

CONCEPTS_IN_BATCH, PICTURES_OF_EACH, LINE_DRAWINGS = 40, 3, 16


class Renderings(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Endless batches of augmented pictures: a few drawings each of some concepts, and line
    drawings. Gives the renderings, their labels, and which of `drawings()` they show.
    """

    def __init__(self, seed: int, busy: bool = False) -> None:
        self.seed, self.busy = seed, busy
        self.pictures, self.labels, _ = load_vendors(TRAIN_VENDORS, alternates=True, side=SIDE)
        self.lines, self.line_labels, _ = load_vendors(MONO_VENDORS, side=SIDE)

    def drawings(self) -> Tensor:
        """All of them, plain on white: (N, 3, side, side), the line drawings last."""
        return flatten(torch.cat([self.pictures, self.lines]), SIDE)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        torch.set_num_threads(1)
        dice = torch.Generator().manual_seed(self.seed)
        of = [(self.labels == c).nonzero().flatten() for c in range(int(self.labels.max()) + 1)]
        while True:
            chosen = torch.randperm(len(of), generator=dice)[:CONCEPTS_IN_BATCH]
            rows = [
                of[c][torch.randint(len(of[c]), (PICTURES_OF_EACH,), generator=dice)]
                for c in chosen
            ]
            index = torch.cat(rows)
            lines = torch.randint(len(self.lines), (LINE_DRAWINGS,), generator=dice)
            drawn = augment(self.lines[lines], SIDE, dice, tint=True, busy=self.busy)
            easy = mild(self.pictures[index[::PICTURES_OF_EACH]], dice)
            pictures = augment(self.pictures[index], SIDE, dice, busy=self.busy)
            pictures[::PICTURES_OF_EACH] = easy
            pictures = torch.cat([pictures, drawn])
            labels = torch.cat([self.labels[index], self.line_labels[lines]])
            which = torch.cat([index, lines + len(self.pictures)])
            yield cut_out(pictures, dice), labels, which


def mild(rgba: Tensor, dice: torch.Generator) -> Tensor:
    """Plain pictures, most on white and some on one colour, moved a little: easy to begin with."""
    black, white = flatten(rgba, SIDE, 0.0), flatten(rgba, SIDE, 1.0)
    ground = torch.rand(len(rgba), 3, 1, 1, generator=dice)
    ground[torch.rand(len(rgba), generator=dice) < 0.6] = 1.0
    pictures = F.pad(black + (white - black) * ground - ground, (6, 6, 6, 6)) + ground
    x, y = torch.randint(0, 13, (2,), generator=dice).tolist()
    flip = torch.rand(len(rgba), generator=dice) < 0.15
    pictures[flip] = pictures[flip].flip(-1)
    return pictures[..., y : y + SIDE, x : x + SIDE].clamp(0, 1)


def cut_out(pictures: Tensor, dice: torch.Generator) -> Tensor:
    """Cover a grey square, up to two fifths of the side, in three of ten pictures (DeVries &
    Taylor, 2017).
    """
    count, _, side, _ = pictures.shape
    draw = torch.rand(4, count, generator=dice)
    size = (draw[0] * 0.3 + 0.1) * side * (draw[3] < 0.3)
    axis = torch.arange(side)
    row = (axis - draw[1, :, None] * side).abs() < size[:, None] / 2
    column = (axis - draw[2, :, None] * side).abs() < size[:, None] / 2
    hole = (row[:, None, :, None] & column[:, None, None, :]).float()
    return pictures * (1 - hole) + 0.5 * hole
