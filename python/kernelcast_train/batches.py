"""Draws training batches: a few tasks, in each some anchors whose times are known and some kernels to forecast."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .data import TaskData

ANCHOR_COUNTS = (1, 1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Draw:
    """Kernels of one task by index: anchors, the seed first, and candidates."""

    task: TaskData
    anchors: np.ndarray
    candidates: np.ndarray


def draw(task: TaskData, candidates: int, rng: np.random.Generator) -> Draw:
    """Half of the draws have parents of candidates among the anchors, as a search has."""
    count = int(rng.choice(ANCHOR_COUNTS))
    order = rng.permutation(np.arange(1, len(task.ok)))
    targets = order[:candidates]
    pool = [index for index in order[candidates:] if task.ok[index]]
    if rng.random() < 0.5:
        parents = [p for p in dict.fromkeys(task.parents[targets].tolist()) if p > 0 and task.ok[p]]
        pool = parents + [index for index in pool if index not in set(parents)]
        targets = np.array([index for index in targets if index not in set(pool[: count - 1])])
    return Draw(task, np.array([0, *pool[: count - 1]]), targets)


@dataclass(frozen=True)
class Padded:
    """Token ids of kernels, padded to one length."""

    ids: Tensor
    magnitudes: Tensor
    present: Tensor


def pad(ids: list[np.ndarray], magnitudes: list[np.ndarray], device: torch.device) -> Padded:
    length = -(-max(len(row) for row in ids) // 64) * 64
    padded = np.zeros((2, len(ids), length), dtype=np.int64)
    for row, (words, bins) in enumerate(zip(ids, magnitudes, strict=True)):
        padded[0, row, : len(words)] = words
        padded[1, row, : len(bins)] = bins
    lengths = torch.tensor([len(row) for row in ids])
    present = torch.arange(length)[None, :] < lengths[:, None]
    tokens = torch.from_numpy(padded).to(device, non_blocking=True)
    return Padded(tokens[0], tokens[1], present.to(device, non_blocking=True))


def groups_by_length(lengths: list[int], tokens: int) -> list[np.ndarray]:
    """Splits rows into groups of like length of at most so many padded tokens each."""
    order = np.argsort(lengths, kind="stable")
    groups: list[list[int]] = [[]]
    for row in order[::-1]:
        longest = lengths[groups[-1][0]] if groups[-1] else lengths[row]
        if groups[-1] and (len(groups[-1]) + 1) * longest > tokens:
            groups.append([])
        groups[-1].append(int(row))
    return [np.array(group) for group in groups]


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
