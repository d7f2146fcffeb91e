"""Completes a runner's verdict to a measurement with its receipt."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from . import __version__


@lru_cache(maxsize=1)
def worker_sha256() -> str:
    """SHA-256 over the names and contents of the package's files."""
    digest, root = hashlib.sha256(), Path(__file__).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".cu", ".json"):
            digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


_COPIED = ("samples_us", "anchor_samples_us", "blocks", "floor_us", "l2_flush_bytes", "warmup_ms", "repeated_samples", "phases_ms")


def measurement(
    params: Mapping[str, Any],
    device: str,
    verdict: Mapping[str, Any],
    evidence: Optional[Mapping[str, Any]],
    session: Mapping[str, Any],
) -> Dict[str, Any]:
    """The answer to `measure`."""
    kernel = params["kernel"]
    answer: Dict[str, Any] = {"request_id": params.get("request_id"), "kernel_id": kernel["kernel_id"], "device": device}
    answer["status"] = verdict["status"]
    for key in ("error", "runtime_us", "confirmation"):
        if verdict.get(key) is not None:
            answer[key] = verdict[key]
    if evidence:
        answer["evidence"] = dict(evidence)
    cpu = float(verdict.get("cpu_seconds", 0)) + float(session.get("compile_seconds", 0))
    answer["cost"] = {"gpu_seconds": verdict.get("gpu_seconds", 0), "cpu_seconds": round(cpu, 6)}
    answer["receipt"] = _receipt(params, verdict, evidence, session)
    return answer


def _receipt(
    params: Mapping[str, Any], verdict: Mapping[str, Any], evidence: Optional[Mapping[str, Any]], session: Mapping[str, Any]
) -> Dict[str, Any]:
    dataset = verdict.get("dataset") or {}
    receipt: Dict[str, Any] = {
        "worker_version": __version__,
        "worker_sha256": worker_sha256(),
        "task_key": params["task_key"],
        "source_sha256": hashlib.sha256(params["kernel"]["source"].encode()).hexdigest(),
        "machine_code_sha256": (evidence or {}).get("machine_code_sha256"),
        "mode": params["mode"],
        "request_id": params.get("request_id"),
        "seeds_sha256": dataset.get("seeds_sha256"),
        "input_sha256": _input_hashes(dataset),
        "checks": verdict.get("checks", []),
        "samples_us": verdict.get("samples_us", []),
        "environment_before": verdict.get("environment_before", {}),
        "environment_after": verdict.get("environment_after", {}),
        "started_at": session["started_at"],
        "finished_at": session["finished_at"],
        "controls": session["controls"],
        "controls_ok": {"ok": True, "failed": False}.get(session["controls"]),
    }
    receipt.update({key: verdict[key] for key in _COPIED if key in verdict})
    if params.get("sealed") is not None:
        receipt["sealed"] = params["sealed"]
    return receipt


def _input_hashes(dataset: Mapping[str, Any]) -> List[str]:
    return [digest for one in dataset.get("sets", []) for _, digest in sorted(one["input_sha256"].items())]
