"""Draws training batches: a few tasks, in each some anchors whose times are known and some kernels to forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .data import TaskData

FEW_ANCHORS = (1, 1, 2, 4, 8)
OTHER_ANCHORS = (0, 4, 8)


@dataclass(frozen=True)
class Draw:
    """Kernels of one task by index: anchors, the seed first, and candidates."""

    task: TaskData
    anchors: np.ndarray
    candidates: np.ndarray


def draw(task: TaskData, candidates: int, rng: np.random.Generator) -> Draw:
    """
    Sometimes few anchors, as a search begins; mostly the parents of all candidates that have a working one, and some others,
    as a search goes on.
    """
    order = rng.permutation(np.arange(1, len(task.ok)))
    targets, rest = order[:candidates], order[candidates:]
    pool = rest[task.ok[rest]]
    if rng.random() < 0.4:
        return Draw(task, np.array([0, *pool[: int(rng.choice(FEW_ANCHORS)) - 1]]), targets)
    parents = {int(p) for p in task.parents[targets] if p > 0 and task.ok[p]}
    targets = np.array([index for index in targets if int(index) not in parents])
    others = [index for index in pool if int(index) not in parents][: int(rng.choice(OTHER_ANCHORS))]
    return Draw(task, np.array([0, *sorted(parents), *others]), targets)


@dataclass(frozen=True)
class Padded:
    """Token ids of kernels, padded to one length."""

    ids: Tensor
    magnitudes: Tensor
    present: Tensor


LENGTH_STEP = 128
"""Kernels are padded to a multiple of this, in training and use alike; the encoder sees the padding as words."""


def padded_length(tokens: int) -> int:
    return -(-tokens // LENGTH_STEP) * LENGTH_STEP


def pad(ids: list[np.ndarray], magnitudes: list[np.ndarray], device: torch.device) -> Padded:
    """Kernels of one padded length."""
    length = padded_length(max(len(row) for row in ids))
    padded = np.zeros((2, len(ids), length), dtype=np.int64)
    for row, (words, bins) in enumerate(zip(ids, magnitudes, strict=True)):
        padded[0, row, : len(words)] = words
        padded[1, row, : len(bins)] = bins
    tokens = torch.from_numpy(padded).to(device, non_blocking=True)
    return Padded(tokens[0], tokens[1], tokens[0] != 0)


def groups_by_length(lengths: list[int], tokens: int) -> list[np.ndarray]:
    """Splits rows into groups of one padded length and at most so many tokens each."""
    by_length: dict[int, list[int]] = {}
    for row, length in enumerate(lengths):
        by_length.setdefault(padded_length(length), []).append(row)
    groups = []
    for length, rows in sorted(by_length.items()):
        size = max(1, tokens // length)
        groups += [np.array(rows[start : start + size]) for start in range(0, len(rows), size)]
    return groups


@dataclass(frozen=True)
class Augmentation:
    """How training disguises kernels."""

    word_loss: float = 0.05
    shuffled_names: float = 0.3
    first_name: int = 0
    name_slots: int = 0
    unknown: int = 2


def disguise(ids: np.ndarray, rule: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Loses some words, and sometimes gives the names other slots."""
    out = ids.copy()
    if rng.random() < rule.shuffled_names:
        slots = rng.permutation(rule.name_slots)
        named = (out >= rule.first_name) & (out < rule.first_name + rule.name_slots)
        out[named] = rule.first_name + slots[out[named] - rule.first_name]
    if rule.word_loss > 0:
        lost = rng.random(len(out)) < rule.word_loss * rng.random()
        out[lost] = rule.unknown
    return out
