"""
Reads written forecasts just as `src/forecast/llm/read-entries.ts` and the forms `quantiles` and `doublings` do:
`tests/fixtures/rewards.json` compares them.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Sequence

SMALLEST_SIGMA = 0.001
SIGMAS_TO_90 = 1.2816


@dataclass(frozen=True)
class Belief:
    """P(works), and a two-piece normal over log2 µs."""

    p_ok: float
    m: float
    sigma_low: float
    sigma_high: float


def read_written(form: str, text: str, labels: Sequence[str], scale_log2_us: float) -> Dict[str, Belief]:
    """What could be read, by label; a kernel that was answered twice was not answered. The scale is what doublings are of."""
    read_one = READERS[form]
    readings: Dict[str, Belief] = {}
    seen = set()
    for entry in _find_entries(text):
        label = _label_of(entry, labels)
        if label is None:
            continue
        belief = read_one(entry, scale_log2_us)
        if label in seen:
            readings.pop(label, None)
        elif belief is not None:
            readings[label] = belief
        seen.add(label)
    return readings


def read_answers(
    tokenizer: Any, form: str, answers: Sequence[Sequence[int]], labels: Sequence[str], scale_log2_us: float
) -> List[Dict[str, Belief]]:
    """The same of answers as tokens."""
    texts = [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]
    return [read_written(form, text, labels, scale_log2_us) for text in texts]


def from_quantiles(p10: float, p50: float, p90: float, p_ok: float) -> Belief:
    low, m, high = (math.log2(us) for us in sorted((p10, p50, p90)))
    return Belief(p_ok, m, max(SMALLEST_SIGMA, (m - low) / SIGMAS_TO_90), max(SMALLEST_SIGMA, (high - m) / SIGMAS_TO_90))


def _read_quantiles(entry: Dict[str, Any], _: float) -> Optional[Belief]:
    return _belief(entry, [_number(entry.get(name)) for name in ("us_p10", "us_p50", "us_p90")])


def _read_doublings(entry: Dict[str, Any], scale_log2_us: float) -> Optional[Belief]:
    doublings, less, more = (_number(entry.get(name)) for name in ("doublings", "less", "more"))
    if doublings is None or less is None or more is None or less < 0 or more < 0:
        return None
    median = doublings + scale_log2_us
    return _belief(entry, [_power(log2_us) for log2_us in (median - less, median, median + more)])


READERS: Dict[str, Callable[[Dict[str, Any], float], Optional[Belief]]] = {
    "quantiles": _read_quantiles,
    "doublings": _read_doublings,
}


def _belief(entry: Dict[str, Any], times: Sequence[Optional[float]]) -> Optional[Belief]:
    """Of the quantiles in µs and the entry's p_ok, where all are in range and in order."""
    p_ok = _number(entry.get("p_ok"))
    if p_ok is None or not 0 <= p_ok <= 1 or any(us is None or not 0.01 <= us <= 1e9 for us in times):
        return None
    p10, p50, p90 = (us for us in times if us is not None)
    if p10 > p50 or p50 > p90:
        return None
    return from_quantiles(p10, p50, p90, min(0.999, max(0.001, p_ok)))


def _power(exponent: float) -> float:
    """2 to it, infinite where that is no number any more."""
    return math.inf if exponent > 1000 else 2.0**exponent


def _number(value: Any) -> Optional[float]:
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", value):
            return None
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _label_of(entry: Dict[str, Any], labels: Sequence[str]) -> Optional[str]:
    if "kernel" not in entry:
        return labels[0] if len(labels) == 1 else None
    named = entry["kernel"]
    wanted = named.strip().upper() if isinstance(named, str) else None
    return wanted if wanted in labels else None


def _find_entries(text: str) -> List[Dict[str, Any]]:
    answer = re.sub(r"<think(?:ing)?>[\s\S]*?</think(?:ing)?>", " ", text).strip()
    whole = _parse(answer)
    if whole is None:
        whole = _parse(answer[max(0, answer.find("{")) : answer.rfind("}") + 1])
    return _collect(whole) if whole is not None else _scan(answer)


def _parse(text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, (dict, list)) else None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _collect(value: Any) -> List[Dict[str, Any]]:
    if isinstance(value, list):
        return [entry for one in value for entry in _collect(one)]
    if not isinstance(value, dict):
        return []
    if "kernel" in value:
        return [value]
    inner = [entry for one in value.values() for entry in _collect(one)]
    return inner if inner or any(isinstance(one, list) for one in value.values()) else [value]


def _scan(text: str) -> List[Dict[str, Any]]:
    """Complete objects that name a kernel, in text that is not JSON as a whole."""
    entries, starts, in_string = [], [], False
    for match in re.finditer(r"\\.|[\"{}]", text, re.DOTALL):
        piece = match[0]
        if piece == '"' and starts:
            in_string = not in_string
        elif in_string:
            continue
        elif piece == "{":
            starts.append(match.start())
        elif piece == "}" and starts:
            value = _parse(text[starts.pop() : match.end()])
            if isinstance(value, dict) and "kernel" in value:
                entries.append(value)
    return entries
