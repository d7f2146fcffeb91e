"""The few statistics that measuring needs."""

from __future__ import annotations

import math
from typing import Any, Dict, List, Sequence, Tuple

_T975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131]
_T975 += [2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042]
#: Standard error of a median over that of a mean, for normal samples.
MEDIAN_FACTOR = 1.2533


def t_975(degrees: int) -> float:
    """The 97.5 % quantile of Student's t."""
    if degrees < 1:
        return math.inf
    if degrees <= len(_T975):
        return _T975[degrees - 1]
    z = 1.959964
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def quantile(values: Sequence[float], share: float) -> float:
    """A quantile with linear interpolation."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = math.floor(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def median(values: Sequence[float]) -> float:
    """The median."""
    return quantile(values, 0.5)


def mean(values: Sequence[float]) -> float:
    """The mean."""
    return math.fsum(values) / len(values)


def deviation(values: Sequence[float]) -> float:
    """The sample standard deviation; 0 for one value."""
    if len(values) < 2:
        return 0.0
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def mean_interval(values: Sequence[float]) -> Tuple[float, float]:
    """The 95 % t interval of the mean."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = t_975(len(values) - 1) * deviation(values) / math.sqrt(len(values))
    return mean(values) - half, mean(values) + half


def median_half_width(values: Sequence[float]) -> float:
    """Half of the median's 95 % interval, as a share of the median."""
    if len(values) < 2:
        return math.inf
    return t_975(len(values) - 1) * MEDIAN_FACTOR * deviation(values) / math.sqrt(len(values)) / median(values)


def summary(samples: List[float]) -> Dict[str, Any]:
    """`runtime_us` of a measurement."""
    rounded = [round(sample, 3) for sample in samples]
    return {
        "median": round(median(samples), 3),
        "p10": round(quantile(samples, 0.1), 3),
        "p90": round(quantile(samples, 0.9), 3),
        "n": len(samples),
        "samples": rounded,
    }
