"""Ceilings by architecture and the time below which a runtime is not believed."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from .kernelimage import workload_bytes

#: Operations per clock and multiprocessor, a multiply-add counted as two, dense.
_RATES: Dict[str, Dict[str, int]] = {
    "7.0": {"f32": 128, "f64": 64, "f16": 1024, "i8": 512},
    "7.5": {"f32": 128, "f64": 4, "f16": 1024, "i8": 2048},
    "8.0": {"f32": 128, "f64": 128, "tf32": 1024, "f16": 2048, "bf16": 2048, "i8": 4096},
    "8.6": {"f32": 256, "f64": 4, "tf32": 512, "f16": 1024, "bf16": 1024, "i8": 2048},
    "8.9": {"f32": 256, "f64": 4, "tf32": 512, "f16": 1024, "bf16": 1024, "i8": 2048},
    "9.0": {"f32": 256, "f64": 256, "tf32": 2048, "f16": 4096, "bf16": 4096, "i8": 8192},
    "10.0": {"f32": 256, "f64": 160, "tf32": 4096, "f16": 8192, "bf16": 8192, "i8": 16384},
    "12.0": {"f32": 256, "f64": 4, "tf32": 512, "f16": 1024, "bf16": 1024, "i8": 2048},
}
_LIKE = {"7.2": "7.0", "8.7": "8.6", "10.3": "10.0", "11.0": "10.0", "12.1": "12.0"}
_FASTEST = "10.0"
SHARE = 0.9


def flop_ceilings(capability: str, multiprocessors: int, clock_mhz: float) -> Dict[str, float]:
    """Operations per second by arithmetic; an unknown architecture gets the largest table, so that nobody is accused."""
    rates = _RATES.get(_LIKE.get(capability, capability), _RATES[_FASTEST])
    return {name: rate * multiprocessors * clock_mhz * 1e6 for name, rate in rates.items()}


def permitted_ceiling(flops: Mapping[str, float], precisions: Any) -> float:
    """The fastest permitted arithmetic. f32 may also be built from three f16 products on the matrix units."""
    best = 0.0
    for precision in precisions:
        best = max(best, flops.get(precision, flops.get("f32", 0.0)))
        if precision == "f32":
            best = max(best, flops.get("f16", 0.0) / 3)
    return best


def floor_us(workload: Mapping[str, Any], precisions: Any, device: Mapping[str, Any]) -> float:
    """0.9 × the larger of the arithmetic's time and the traffic's, in microseconds."""
    arithmetic = permitted_ceiling(device["flops"], precisions)
    by_flops = float(workload.get("flops") or 0) / arithmetic if arithmetic else 0.0
    read, written = workload_bytes(workload)
    if workload.get("bytes_min") is not None:
        read = min(read, max(0, int(workload["bytes_min"]) - written))
    traffic = read + max(0, written - int(device["l2_bytes"]))
    return SHARE * max(by_flops, traffic / float(device["bandwidth"])) * 1e6
