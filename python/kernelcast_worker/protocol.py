"""The protocol's edge: lines in, lines out, requests validated once."""

from __future__ import annotations

import hashlib
import json
import math
import select
import sys
import threading
from typing import Any, Iterator, List, Mapping, Optional

from .dtypes import FLOATING, STORAGE

PROTOCOL = 1
#: A longer line on stdin is skipped: it would cost more memory than any request is worth.
LINE_LIMIT = 64 << 20
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
        self._broken = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Writes one message; a closed reader is not an error here."""
        self.send_line(encode(message))

    def send_line(self, data: bytes) -> None:
        """Writes a message that `encode` made."""
        with self._lock:
            try:
                self._stream.write(data)
                self._stream.flush()
            except (BrokenPipeError, ConnectionResetError):
                self._broken = True

    def abandoned(self) -> bool:
        """Whether nobody can read any more what is written: the other end of the pipe is closed."""
        if not self._broken:
            poll = select.poll()
            poll.register(self._stream.fileno(), 0)
            self._broken = any(seen & (select.POLLERR | select.POLLHUP) for _, seen in poll.poll(0))
        return self._broken

    def log(self, message: str, level: str = "info") -> None:
        """A log event."""
        self.send({"event": "log", "params": {"level": level, "message": " ".join(message.split())}})


def encode(message: Mapping[str, Any]) -> bytes:
    """A message as a line; a number that JSON has no word for becomes null."""
    try:
        text = json.dumps(message, separators=(",", ":"), allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(message), separators=(",", ":"), allow_nan=False)
    return (text + "\n").encode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_lines(stream: Any, limit: int = LINE_LIMIT) -> Iterator[Optional[bytes]]:
    """The lines of a stream; None for one that is longer than `limit`, which is never held in memory."""
    while True:
        line = stream.readline(limit)
        if not line:
            return
        if len(line) < limit or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(limit)
        yield None


def read_request(line: bytes) -> Any:
    """The JSON of a line. NaN and infinity, which are no JSON, are read as null, and half of a surrogate pair as U+FFFD, as
    other writers of UTF-8 write it. `ValueError` for anything else that is not JSON."""
    try:
        value = json.loads(line, parse_constant=lambda word: None)
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if text.encode("utf-8", "replace") == text.encode("utf-8", "surrogatepass"):
        return value
    return json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))


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
    for key in ("rtol", "atol", "max_fraction"):
        _check_number(task["tolerance"].get(key), f"task.tolerance.{key}")
    precisions = task.get("precisions") or []
    good = isinstance(precisions, list) and all(isinstance(one, str) for one in precisions)
    require(good, "task.precisions must be texts")
    require(isinstance(task.get("boundary_workloads") or [], list), "task.boundary_workloads must be a list")
    _check_workload(task.get("workload"), "task.workload")
    for i, workload in enumerate(task.get("boundary_workloads") or []):
        _check_workload(workload, f"task.boundary_workloads[{i}]")


def _check_workload(workload: Any, where: str) -> None:
    require(isinstance(workload, dict) and isinstance(workload.get("args"), list), f"{where}.args must be a list")
    require(isinstance(workload.get("sizes"), dict), f"{where}.sizes must be an object")
    for key in ("flops", "bytes_min"):
        _check_number(workload.get(key), f"{where}.{key}")
    names = set()
    for argument in workload["args"]:
        require(isinstance(argument, dict) and isinstance(argument.get("name"), str), f"{where}: an argument has no name")
        name = argument["name"]
        require(name.isidentifier() and name not in names, f"{where}: bad or repeated argument name {name!r}")
        names.add(name)
        require(argument.get("dtype") in STORAGE, f"{where}: {name} has unknown dtype {argument.get('dtype')!r}")
        require(argument.get("role") in ("in", "out", "inout", "scratch"), f"{where}: {name} has no role")
        shape = argument.get("shape")
        good = isinstance(shape, list) and all(_is_whole(extent) and extent > 0 for extent in shape)
        require(good, f"{where}: the shape of {name} must be positive integers")
    require(any(argument["role"] in ("out", "inout") for argument in workload["args"]), f"{where} has no output")


def check_limits(limits: Any) -> None:
    """Validates a measurement's limits."""
    require(limits is None or isinstance(limits, dict), "limits must be an object")
    for key in ("timeout_s", "gpu_s"):
        _check_number((limits or {}).get(key), f"limits.{key}")


def check_anchor(anchor: Any, mode: str, names: List[str]) -> None:
    """Validates a measurement's anchor; its kernel is needed to confirm only."""
    require(isinstance(anchor, dict), "anchor must be an object")
    _check_number(anchor.get("runtime_us"), "anchor.runtime_us")
    if mode == "confirm":
        check_kernel(anchor.get("kernel"), names)


def _check_number(value: Any, where: str) -> None:
    """Validates a number that may be missing."""
    if value is None:
        return
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 2**63
    require(good, f"{where} must be a number that is not negative")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_kernel(kernel: Any, names: Optional[List[str]]) -> None:
    """Validates a kernel; with the task's argument names also what its launches name."""
    require(isinstance(kernel, dict), "kernel must be an object")
    require(isinstance(kernel.get("source"), str), "kernel.source must be text")
    require(isinstance(kernel.get("kernel_id"), str), "kernel.kernel_id must be text")
    options = kernel.setdefault("compile_options", []) or []
    require(isinstance(options, list) and all(isinstance(option, str) for option in options), "compile_options must be texts")
    kernel["compile_options"] = options
    _check_launches(kernel.get("launches"), names)
    require(isinstance(kernel.get("boundary_launches") or [], list), "boundary_launches must be a list")
    for launches in kernel.get("boundary_launches") or []:
        if launches is not None:
            _check_launches(launches, names)


def _check_launches(launches: Any, names: Optional[List[str]]) -> None:
    require(isinstance(launches, list) and launches, "launches must be a non-empty list")
    for launch in launches:
        require(isinstance(launch, dict) and isinstance(launch.get("kernel"), str), "a launch names no kernel")
        for key in ("grid", "block"):
            extent = launch.get(key)
            good = isinstance(extent, list) and len(extent) == 3 and all(map(_is_whole, extent))
            require(good, f"launch.{key} must be three integers")
        shared = launch.setdefault("smem_bytes", 0)
        require(_is_whole(shared) and shared >= 0, "launch.smem_bytes must be a number of bytes")
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
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    require(good and (dtype in FLOATING or value == int(value)), f"bad {dtype} scalar {str(value)[:40]}")
