"""
Rewards of written forecasts, and proper scores of a distribution over bins: the formulas of `src/train/language-model/rewards.ts`,
which shared vectors compare.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from ..scores import below, crps, log_score
from .data import Bins, Example
from .read_answer import Belief, from_quantiles

WORST_CRPS = 4.0
WORST_LOG = -10.0
UNREAD = {"correctness": -1.0, "correctness+brier": -2.0, "correctness+crps": -3.0, "crps": -3.0, "log": WORST_LOG - 2}
OUTER_WIDTH = 1.0


def bin_of(log2_speedup: float, bins: Bins) -> int:
    """A bin holds its lower edge."""
    return bisect_right(bins.edges, log2_speedup)


def outcome_of(log2_us: Optional[float], scale_log2_us: float, bins: Bins) -> int:
    """The bin, or the last outcome where the kernel does not work."""
    return len(bins.letters) if log2_us is None else bin_of(scale_log2_us - log2_us, bins)


def bin_probabilities(belief: Belief, scale_log2_us: float, bins: Bins) -> List[float]:
    edges = torch.tensor([scale_log2_us - edge - belief.m for edge in bins.edges], dtype=torch.float64)
    low, high = (torch.full_like(edges, sigma) for sigma in (belief.sigma_low, belief.sigma_high))
    bounds = [1.0, *below(edges, low, high).tolist(), 0.0]
    return [bound - following for bound, following in zip(bounds, bounds[1:])]


@dataclass(frozen=True)
class Scores:
    """CRPS in log2 units and log score in nats, lower being better."""

    crps: float
    log: float


def scores_of(forecasts: Sequence[Tuple[Belief, float]]) -> List[Scores]:
    """Of beliefs and log2 µs, together: one by one they take far longer."""
    rows = [(belief.m, belief.sigma_low, belief.sigma_high, log2_us) for belief, log2_us in forecasts]
    columns = torch.tensor(rows, dtype=torch.float64).view(-1, 4).T
    return [Scores(*one) for one in zip(crps(*columns).tolist(), log_score(*columns).tolist())]


def score(belief: Belief, log2_us: float) -> Scores:
    return scores_of([(belief, log2_us)])[0]


def reward(
    name: str,
    belief: Optional[Belief],
    log2_us: Optional[float],
    scale_log2_us: float,
    bins: Bins,
    scores: Optional[Scores] = None,
) -> float:
    """`scores` are those of a forecast of a working kernel, where they are known already."""
    if belief is None:
        return UNREAD[name]
    known = scores if scores or log2_us is None else score(belief, log2_us)
    if name == "log":
        return max(WORST_LOG, math.log(belief.p_ok) - known.log if known else math.log(1 - belief.p_ok))
    if name == "crps":
        return -_crps_loss(belief, known)
    outcomes = [belief.p_ok * one for one in bin_probabilities(belief, scale_log2_us, bins)] + [1 - belief.p_ok]
    confidence = max(outcomes)
    correct = float(outcomes.index(confidence) == outcome_of(log2_us, scale_log2_us, bins))
    if name == "correctness":
        return correct
    if name == "correctness+brier":
        return correct - (confidence - correct) ** 2
    return correct - _crps_loss(belief, known)


def _crps_loss(belief: Belief, scores: Optional[Scores]) -> float:
    """0 to 2: the CRPS of the time where the kernel works, as a share of the worst, and the Brier score of p_ok."""
    brier = (belief.p_ok - float(scores is not None)) ** 2
    return brier + min(WORST_CRPS, scores.crps) / WORST_CRPS if scores else brier


def rewards_of_answers(name: str, readings: Sequence[Dict[str, Belief]], example: Example, bins: Bins) -> List[List[float]]:
    """Of each answer, of each kernel that was asked for; an answer's reward is their mean."""
    asked = [[(read.get(one.label), one.log2_us) for one in example.kernels] for read in readings]
    working = [(belief, log2_us) for answer in asked for belief, log2_us in answer if belief and log2_us is not None]
    scores = iter(scores_of(working))

    def of_one(belief: Optional[Belief], log2_us: Optional[float]) -> float:
        known = next(scores) if belief and log2_us is not None else None
        return reward(name, belief, log2_us, example.scale_log2_us, bins, known)

    return [[of_one(belief, log2_us) for belief, log2_us in answer] for answer in asked]


def belief_of_bins(probabilities: Sequence[float], p_ok: float, scale_log2_us: float, bins: Bins) -> Belief:
    """`beliefOfBins` of src/forecast/llm/bins.ts: the 10, 50 and 90 % quantiles, mass spread evenly within a bin."""
    total = sum(probabilities)
    bounds = [bins.edges[0] - OUTER_WIDTH, *bins.edges, bins.edges[-1] + OUTER_WIDTH]

    def speedup_at(share: float) -> float:
        before = 0.0
        for index, probability in enumerate(probabilities):
            if probability > 0 and before + probability >= share * total:
                low, high = bounds[index], bounds[index + 1]
                return low + (share * total - before) / probability * (high - low)
            before += probability
        return bounds[-1]

    p10, p50, p90 = (2 ** (scale_log2_us - speedup_at(share)) for share in (0.9, 0.5, 0.1))
    return from_quantiles(p10, p50, p90, p_ok)


def proper_loss(kind: str, log_letters: Tensor, outcomes: Tensor) -> Tensor:
    """
    Of log probabilities over the letters [rows, bins + 1], the last one failure: cross-entropy, or the ranked probability score of
    the bins given that the kernel works, with the Brier score of that. Both are proper.
    """
    if kind == "log":
        return -log_letters.gather(1, outcomes.unsqueeze(1)).squeeze(1)
    p = log_letters.exp()
    works = (outcomes < p.shape[1] - 1).float()
    p_ok = 1 - p[:, -1]
    brier = (p_ok - works) ** 2
    cumulative = (p[:, :-1] / p_ok.clamp(min=1e-6).unsqueeze(1)).cumsum(dim=1)[:, :-1]
    reached = (torch.arange(cumulative.shape[1], device=p.device) >= outcomes.unsqueeze(1)).float()
    ranked = ((cumulative - reached) ** 2).mean(dim=1)
    return brier + works * ranked
