"""The protocol's edge: lines in, lines out, requests validated once."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from typing import Any, List, Mapping, Optional

from .dtypes import STORAGE

PROTOCOL = 1
ERROR_CODES = (
    "bad_request",
    "unknown_task",
    "no_device",
    "no_compiler",
    "reference_failed",
    "controls_failed",
    "shutting_down",
)


class RequestError(Exception):
    """An error answer: a code of `ERROR_CODES` and one line."""

    def __init__(self, code: str, message: str) -> None:
        assert code in ERROR_CODES, code
        super().__init__(message)
        self.code = code


class Output:
    """Messages on stdout, one per line, each written at once."""

    def __init__(self) -> None:
        self._stream, self._lock = sys.stdout.buffer, threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Writes one message; a closed reader is not an error here."""
        data = (json.dumps(message, separators=(",", ":"), allow_nan=False) + "\n").encode()
        with self._lock:
            try:
                self._stream.write(data)
                self._stream.flush()
            except BrokenPipeError:
                pass

    def log(self, message: str, level: str = "info") -> None:
        """A log event."""
        self.send({"event": "log", "params": {"level": level, "message": " ".join(message.split())}})


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def task_key(task: Mapping[str, Any]) -> str:
    """SHA-256 of a task's canonical JSON."""
    return hashlib.sha256(canonical(task).encode()).hexdigest()


def require(condition: Any, message: str) -> None:
    """Raises `bad_request` unless the condition holds."""
    if not condition:
        raise RequestError("bad_request", message)


def check_task(task: Any) -> None:
    """Validates a task."""
    require(isinstance(task, dict), "task must be an object")
    require(isinstance(task.get("reference"), str), "task.reference must be Python source")
    require(isinstance(task.get("tolerance"), dict), "task.tolerance must be an object")
    kind = task["tolerance"].get("type")
    require(kind in ("allclose", "exact", "mismatch_frac"), f"unknown tolerance type: {kind}")
    require(kind != "mismatch_frac" or "max_fraction" in task["tolerance"], "mismatch_frac needs max_fraction")
    _check_workload(task.get("workload"), "task.workload")
    for i, workload in enumerate(task.get("boundary_workloads") or []):
        _check_workload(workload, f"task.boundary_workloads[{i}]")


def _check_workload(workload: Any, where: str) -> None:
    require(isinstance(workload, dict) and isinstance(workload.get("args"), list), f"{where}.args must be a list")
    require(isinstance(workload.get("sizes"), dict), f"{where}.sizes must be an object")
    names = set()
    for argument in workload["args"]:
        require(isinstance(argument, dict) and isinstance(argument.get("name"), str), f"{where}: an argument has no name")
        name = argument["name"]
        require(name.isidentifier() and name not in names, f"{where}: bad or repeated argument name {name!r}")
        names.add(name)
        require(argument.get("dtype") in STORAGE, f"{where}: {name} has unknown dtype {argument.get('dtype')!r}")
        require(argument.get("role") in ("in", "out", "inout", "scratch"), f"{where}: {name} has no role")
        shape = argument.get("shape")
        good = isinstance(shape, list) and all(isinstance(extent, int) and extent > 0 for extent in shape)
        require(good, f"{where}: the shape of {name} must be positive integers")
    require(any(argument["role"] in ("out", "inout") for argument in workload["args"]), f"{where} has no output")


def check_kernel(kernel: Any, names: Optional[List[str]]) -> None:
    """Validates a kernel; with the task's argument names also what its launches name."""
    require(isinstance(kernel, dict), "kernel must be an object")
    require(isinstance(kernel.get("source"), str), "kernel.source must be text")
    require(isinstance(kernel.get("kernel_id"), str), "kernel.kernel_id must be text")
    options = kernel.setdefault("compile_options", []) or []
    require(isinstance(options, list) and all(isinstance(option, str) for option in options), "compile_options must be texts")
    kernel["compile_options"] = options
    _check_launches(kernel.get("launches"), names)
    for launches in kernel.get("boundary_launches") or []:
        if launches is not None:
            _check_launches(launches, names)


def _check_launches(launches: Any, names: Optional[List[str]]) -> None:
    require(isinstance(launches, list) and launches, "launches must be a non-empty list")
    for launch in launches:
        require(isinstance(launch, dict) and isinstance(launch.get("kernel"), str), "a launch names no kernel")
        for key in ("grid", "block"):
            extent = launch.get(key)
            good = isinstance(extent, list) and len(extent) == 3 and all(isinstance(value, int) for value in extent)
            require(good, f"launch.{key} must be three integers")
        shared = launch.setdefault("smem_bytes", 0)
        require(isinstance(shared, int) and shared >= 0, "launch.smem_bytes must be a number of bytes")
        require(isinstance(launch.get("args"), list), "launch.args must be a list")
        for argument in launch["args"]:
            _check_argument(argument, names)


def _check_argument(argument: Any, names: Optional[List[str]]) -> None:
    if isinstance(argument, str):
        require(names is None or argument in names, f"a launch names {argument!r}, which is no argument of the task")
        return
    require(isinstance(argument, dict) and len(argument) == 1, "a launch argument is a name or {dtype: value}")
    ((dtype, value),) = argument.items()
    require(dtype in STORAGE, f"unknown scalar type {dtype!r}")
    floating = dtype in ("f64", "f32", "f16", "bf16")
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and (floating or float(value).is_integer())
    require(good, f"bad {dtype} scalar {value!r}")
