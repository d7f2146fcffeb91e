"""Draws training batches: a few tasks, in each some anchors whose times are known and some kernels to forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .data import TaskData

FEW_ANCHORS = (1, 1, 2, 4, 8)
OTHER_ANCHORS = (0, 4, 8)
UNKNOWN = 2
LENGTH_STEP = 64
"""Batches are padded to a multiple of this; the encoder does not see padding, so that its size matters to speed only."""


@dataclass(frozen=True)
class Draw:
    """Kernels of one task by index: anchors, the seed first, and candidates."""

    task: int
    anchors: np.ndarray
    candidates: np.ndarray


def draw(place: int, task: TaskData, candidates: int, rng: np.random.Generator) -> Draw:
    """
    Sometimes few anchors, as a search begins; mostly the parents of all candidates that have a working one, and some others,
    as a search goes on. `place` is the task's among the corpus's.
    """
    order = rng.permutation(np.arange(1, len(task.ok)))
    targets, rest = order[:candidates], order[candidates:]
    pool = rest[task.ok[rest]]
    if rng.random() < 0.4:
        return Draw(place, np.array([0, *pool[: int(rng.choice(FEW_ANCHORS)) - 1]]), targets)
    parents = {int(p) for p in task.parents[targets] if p > 0 and task.ok[p]}
    targets = np.array([index for index in targets if int(index) not in parents])
    others = [index for index in pool if int(index) not in parents][: int(rng.choice(OTHER_ANCHORS))]
    return Draw(place, np.array([0, *sorted(parents), *others]), targets)


class Corpus:
    """Kernels of some tasks as tensors on one device; a kernel's row is its task's first row plus its index there."""

    def __init__(self, tasks: list[TaskData], device: torch.device) -> None:
        self.tasks, self.device = tasks, device
        kernels = [(ids, bins) for task in tasks for ids, bins in zip(task.ids, task.magnitudes, strict=True)]
        self.lengths = np.array([len(ids) for ids, _ in kernels])
        self.first = np.cumsum([0, *(len(task.ids) for task in tasks)])[:-1]
        tokens = np.zeros((2, len(kernels), padded_length(int(self.lengths.max()))), dtype=np.int16)
        for row, (ids, bins) in enumerate(kernels):
            tokens[0, row, : len(ids)], tokens[1, row, : len(bins)] = ids, bins
        self.tokens = torch.from_numpy(tokens).to(device)
        self.bare = torch.from_numpy(np.concatenate([task.bare for task in tasks])).to(device)
        self.compiled = torch.from_numpy(np.concatenate([task.compiled for task in tasks])).to(device)
        self.target = torch.from_numpy(np.concatenate([task.target for task in tasks])).to(device)
        self.ok = torch.from_numpy(np.concatenate([task.ok for task in tasks])).to(device)
        self.alike = [torch.from_numpy(task.alike).to(device) for task in tasks]

    def words(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """Token ids and magnitudes of rows, [rows, length], padded to the longest."""
        length = padded_length(int(self.lengths[rows].max()))
        chosen = self.tokens[:, torch.from_numpy(rows).to(self.device), :length].long()
        return chosen[0], chosen[1]


def padded_length(tokens: int) -> int:
    return -(-tokens // LENGTH_STEP) * LENGTH_STEP


def groups_by_length(lengths: np.ndarray, size: int) -> list[np.ndarray]:
    """Splits rows into groups of at most so many, of like lengths."""
    order = np.argsort(lengths, kind="stable")
    return [order[start : start + size] for start in range(0, len(order), size)]


@dataclass(frozen=True)
class Augmentation:
    """How training disguises kernels."""

    word_loss: float = 0.05
    shuffled_names: float = 0.3
    first_name: int = 0
    name_slots: int = 0


def disguise(ids: Tensor, rule: Augmentation, generator: torch.Generator | None = None) -> Tensor:
    """Loses some words of [rows, length] ids, and gives the names of some rows other slots, each row its own."""
    rows, device = ids.shape[0], ids.device

    def random(*size: int) -> Tensor:
        return torch.rand(*size, device=device, generator=generator)

    if rule.shuffled_names > 0:
        slots = random(rows, rule.name_slots).argsort(dim=1)
        named = (ids >= rule.first_name) & (ids < rule.first_name + rule.name_slots)
        named &= (random(rows) < rule.shuffled_names)[:, None]
        renamed = rule.first_name + slots.gather(1, (ids - rule.first_name).clamp(0, rule.name_slots - 1))
        ids = torch.where(named, renamed, ids)
    if rule.word_loss > 0:
        lost = (random(*ids.shape) < rule.word_loss * random(rows)[:, None]) & (ids != 0)
        ids = ids.masked_fill(lost, UNKNOWN)
    return ids
