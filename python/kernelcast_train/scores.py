"""Scores of forecasts as tensors: the formulas of `src/domain/two-piece-normal.ts`, which shared test vectors compare."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BROAD_WEIGHT = 0.02
BROAD_SIGMA = 4.0
TWO_PIECE_WEIGHT = 1 - BROAD_WEIGHT
SMALLEST_SIGMA = 0.001


def _pdf(z: Tensor) -> Tensor:
    return torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _cdf(z: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(z / math.sqrt(2)))


def below(distance: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """P(outcome < median + distance)."""
    sigma = torch.where(distance < 0, low, high)
    return TWO_PIECE_WEIGHT * _cdf(distance / sigma) + BROAD_WEIGHT * _cdf(distance / BROAD_SIGMA)


def log_score(median: Tensor, low: Tensor, high: Tensor, outcome: Tensor) -> Tensor:
    """-ln of the density at the outcome, in nats; all in log2 µs."""
    distance = outcome - median
    sigma = torch.where(distance < 0, low, high)
    constant = 0.5 * math.log(2 * math.pi)
    narrow = math.log(TWO_PIECE_WEIGHT) - torch.log(sigma) - constant - 0.5 * (distance / sigma) ** 2
    broad = math.log(BROAD_WEIGHT / BROAD_SIGMA) - constant - 0.5 * (distance / BROAD_SIGMA) ** 2
    return -torch.logaddexp(narrow, broad)


def _product_integral(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    cdf_a, cdf_b = _cdf(x / a), _cdf(x / b)
    root = torch.sqrt(a * a + b * b)
    return (
        x * cdf_a * cdf_b
        + a * _pdf(x / a) * cdf_b
        + b * _pdf(x / b) * cdf_a
        - root / math.sqrt(2 * math.pi) * _cdf(x * root / (a * b))
    )


def _square_integral(sigma: Tensor, x: Tensor) -> Tensor:
    broad = torch.full_like(sigma, BROAD_SIGMA)
    return (
        TWO_PIECE_WEIGHT**2 * _product_integral(sigma, sigma, x)
        + 2 * TWO_PIECE_WEIGHT * BROAD_WEIGHT * _product_integral(sigma, broad, x)
        + BROAD_WEIGHT**2 * _product_integral(broad, broad, x)
    )


def crps(median: Tensor, low: Tensor, high: Tensor, outcome: Tensor) -> Tensor:
    """Continuous ranked probability score in log2 units."""
    distance = (outcome - median).abs()
    below = outcome < median
    near, other = torch.where(below, low, high), torch.where(below, high, low)
    zero = torch.zeros_like(near)
    return (
        _square_integral(other, zero)
        + _square_integral(near, distance)
        - _square_integral(near, zero)
        + _square_integral(near, -distance)
    )
