"""Several answers to one question as one forecast."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor

from .read_answer import SIGMAS_TO_90, SMALLEST_SIGMA, Belief

REACH = 6.0
HALVINGS = 50
NORMAL = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)


def mix(beliefs: Sequence[Belief]) -> Belief:
    """The 10, 50 and 90 % quantiles of the mixture, and the mean of P(works)."""
    m, low, high, p_ok = (
        torch.tensor([getattr(one, name) for one in beliefs], dtype=torch.float64) for name in ("m", "sigma_low", "sigma_high", "p_ok")
    )
    p10, p50, p90 = (_quantile(share, m, low, high) for share in (0.1, 0.5, 0.9))
    widths = [max(SMALLEST_SIGMA, width / SIGMAS_TO_90) for width in (p50 - p10, p90 - p50)]
    return Belief(p_ok.mean().item(), p50, *widths)


def _quantile(share: float, m: Tensor, low: Tensor, high: Tensor) -> float:
    least, most = (m - REACH * low).min(), (m + REACH * high).max()
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        distance = middle - m
        is_below = NORMAL.cdf(distance / torch.where(distance < 0, low, high)).mean() < share
        least, most = (middle, most) if is_below else (least, middle)
    return ((least + most) / 2).item()
