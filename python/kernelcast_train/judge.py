"""Scores of a model on tasks, for choosing between models. `kernelcast evaluate` gives the published figures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .batches import Corpus, groups_by_length
from .data import TaskData
from .model import Forecaster, widths
from .scores import below, crps, log_score


@torch.no_grad()
def encode_all(model: Forecaster, corpus: Corpus) -> Tensor:
    """Vectors of all kernels, [kernels, width]; zeros for a network that reads no text."""
    vectors = torch.zeros(len(corpus.lengths), model.shape.width, device=corpus.device)
    if not model.shape.use_text:
        return vectors
    for rows in groups_by_length(corpus.lengths, 128):
        with torch.autocast(corpus.device.type, torch.bfloat16, enabled=corpus.device.type == "cuda"):
            encoded = model.encoder(*corpus.words(rows))
        vectors[torch.from_numpy(rows).to(corpus.device)] = encoded.float()
    return vectors


@torch.no_grad()
def forecast_task(model: Forecaster, corpus: Corpus, place: int, all_vectors: Tensor, view: str, seed: int = 1) -> Tensor:
    """
    [kernels, 4] outputs. Views: `start` (the seed is the only anchor, no evidence), `search` (the kernel's parent and
    eight others are anchors too, with evidence).
    """
    task, device = corpus.tasks[place], corpus.device
    own = slice(int(corpus.first[place]), int(corpus.first[place]) + len(task.ok))
    vectors, times = all_vectors[own], torch.nan_to_num(corpus.target[own])
    features = (corpus.bare if view == "start" else corpus.compiled)[own]
    rng = np.random.default_rng(seed)
    others = [int(i) for i in rng.permutation(np.arange(1, len(task.ok))) if task.ok[i]][:8]
    rows, counts = [], []
    for kernel in range(len(task.ok)):
        parent = int(task.parents[kernel])
        near = [parent] if parent > 0 and task.ok[parent] else []
        found = [0] if view == "start" else [0, *near, *(o for o in others if o not in (kernel, parent))]
        counts.append(len(found))
        rows.append(found + [0] * (10 - len(found)))
    anchors = torch.tensor(rows, device=device)
    return model.head(
        vectors[:, None],
        features[:, None],
        vectors[anchors],
        features[anchors],
        times[anchors],
        torch.tensor(counts, device=device),
        corpus.alike[place][torch.arange(len(rows), device=device)[:, None], anchors][:, None],
    )[:, 0]


def judge(model: Forecaster, corpus: Corpus) -> dict[str, dict[str, float]]:
    """Means over tasks by view; `ece_pooled` is over all tasks' kernels at once."""
    model.eval()
    vectors = encode_all(model, corpus)
    views = {}
    for view in ("start", "search"):
        outputs = [forecast_task(model, corpus, place, vectors, view) for place in range(len(corpus.tasks))]
        pairs = [wins(output, task) for output, task in zip(outputs, corpus.tasks, strict=True)]
        pooled = calibration(*(np.concatenate(part) for part in zip(*pairs, strict=True)))
        views[view] = {
            **_mean([score_task(o, t) for o, t in zip(outputs, corpus.tasks, strict=True)]),
            "ece_pooled": pooled,
        }
    return views


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.nanmean([row[name] for row in rows])) for name in rows[0]} if rows else {}


def score_task(output: Tensor, task: TaskData) -> dict[str, float]:
    median, low, high, odds = (part.float().cpu() for part in widths(output))
    scored = np.arange(len(task.ok)) > 0
    ok = task.ok & scored
    truth = torch.from_numpy(task.target)[ok]
    m, lo, hi = median[ok], low[ok], high[ok]
    z = torch.where(truth < m, (truth - m) / lo, (truth - m) / hi)
    return {
        "pairwise": pairwise(m.numpy(), truth.numpy()),
        "spearman": spearman(m.numpy(), truth.numpy()),
        "crps": float(crps(m, lo, hi, truth).mean()),
        "log_score": float(log_score(m, lo, hi, truth).mean()),
        "cover80": float((z.abs() < 1.2816).float().mean()),
        "auroc_ok": auroc(odds.numpy()[scored], task.ok[scored]),
        "top10": top_tenth(m.numpy(), truth.numpy(), [task.templates[i] for i in np.flatnonzero(ok)]),
        "ece": calibration(*wins(output, task)),
    }


def pairwise(forecast: np.ndarray, truth: np.ndarray) -> float:
    difference = truth[:, None] - truth[None, :]
    counted = difference > np.log2(1.1)
    return float((forecast[:, None] > forecast[None, :])[counted].mean()) if counted.any() else float("nan")


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(x)).astype(float) for x in (a, b)]
    return float(np.corrcoef(*ranks)[0, 1])


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    if positive.all() or not positive.any():
        return float("nan")
    ranks = np.argsort(np.argsort(score)) + 1
    count = positive.sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (~positive).sum()))


def top_tenth(forecast: np.ndarray, truth: np.ndarray, templates: list[str | None]) -> float:
    """Mean over draws of one kernel per template of: is the best of the tenth forecast fastest within 5 % of the best?"""
    rng = np.random.default_rng(1)
    by_template: dict[str | None, list[int]] = {}
    for index, template in enumerate(templates):
        by_template.setdefault(template, []).append(index)
    hits = []
    for _ in range(20):
        drawn = np.array([rng.choice(group) for group in by_template.values()])
        chosen = drawn[np.argsort(forecast[drawn])[: max(1, len(drawn) // 10)]]
        hits.append(truth[chosen].min() <= truth[drawn].min() + np.log2(1.05))
    return float(np.mean(hits))


def wins(output: Tensor, task: TaskData) -> tuple[np.ndarray, np.ndarray]:
    """P(faster than the measured parent by more than 2 %), and whether it was, of working children."""
    median, low, high, _ = (part.float().cpu() for part in widths(output))
    rows = [i for i in range(1, len(task.ok)) if task.ok[i] and task.parents[i] >= 0 and task.ok[task.parents[i]]]
    bound = torch.from_numpy(task.target[task.parents[rows]] - np.log2(1.02).astype(np.float32))
    p = below(bound - median[rows], low[rows], high[rows])
    return p.numpy(), task.target[rows] < bound.numpy()


def calibration(p: np.ndarray, won: np.ndarray) -> float:
    """Calibration error in 15 bins of equal mass; not debiased."""
    parts = np.array_split(np.argsort(p, kind="stable"), 15)
    return float(sum(len(part) / len(p) * abs(p[part].mean() - won[part].mean()) for part in parts))
