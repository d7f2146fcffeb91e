"""Confirmation: blocks of A B B A against the anchor on fresh input sets until the log ratio's interval is narrow."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import Any, Dict, List

from .stats import mean, mean_interval
from .timing import Timed, rotation

HALF_WIDTH = 0.005
LEAST_BLOCKS, MOST_BLOCKS = 8, 60


@dataclass
class Confirmation:
    """Paired samples of anchor and candidate."""

    ratios: List[float] = field(default_factory=list)
    anchor_us: List[float] = field(default_factory=list)
    candidate_us: List[float] = field(default_factory=list)

    def add(self, first_a: float, first_b: float, second_b: float, second_a: float) -> None:
        """Adds a block in the order measured."""
        self.anchor_us += [first_a, second_a]
        self.candidate_us += [first_b, second_b]
        logs = [math.log2(value) for value in (first_a, first_b, second_b, second_a)]
        self.ratios.append((logs[1] + logs[2] - logs[0] - logs[3]) / 2)

    def enough(self, stop_at: float) -> bool:
        """Whether to stop after this block."""
        if len(self.ratios) >= MOST_BLOCKS or time.monotonic() > stop_at:
            return True
        if len(self.ratios) < LEAST_BLOCKS:
            return False
        low, high = mean_interval(self.ratios)
        return (high - low) / 2 <= HALF_WIDTH


def confirm(candidate: Timed, anchor: Timed) -> Confirmation:
    """Measures both in blocks. The outputs of all of the candidate's runs are checked: a kernel that is wrong now and then must
    not become the best."""
    anchor.warm_up()
    candidate.warm_up()
    result = Confirmation()
    chosen = rotation(candidate.checker.sets)
    while not result.ratios or not result.enough(candidate.stop_at):
        one = chosen(len(result.ratios))
        first_a = anchor.sample(one, False)
        first_b = candidate.sample(one, True)
        second_b = candidate.sample(one, True)
        result.add(first_a, first_b, second_b, anchor.sample(one, False))
    candidate.checker.judge()
    return result


def as_record(result: Confirmation, anchor_id: str) -> Dict[str, Any]:
    """`confirmation` of a measurement."""
    low, high = mean_interval(result.ratios)
    return {
        "anchor_id": anchor_id,
        "log_ratio": round(mean(result.ratios), 6),
        "low": round(low, 6) if math.isfinite(low) else None,
        "high": round(high, 6) if math.isfinite(high) else None,
        "blocks": len(result.ratios),
    }
