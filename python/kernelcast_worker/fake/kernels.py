"""What a candidate does on the fake device: the reference's answer, spoilt as its markers say."""

from __future__ import annotations

import os
import time
from typing import Any, Dict, Sequence

import numpy as np

from ..driver import DriverError
from ..dtypes import FLOATING, STORAGE, store, widen
from ..reference import load_reference


def run_candidate(driver: Any, module: Any, values: Sequence[Any]) -> None:
    """One launch of a candidate."""
    marks = module.marks
    if "launch_error" in marks:
        raise DriverError(1, "CUDA_ERROR_INVALID_VALUE", "the launch")
    _die(driver, marks)
    time.sleep(float(marks.get("naps", 0)))
    if "hang" in marks:
        driver.hung = True
    elif "sticky_error" in marks:
        driver.error = 700
    elif "unwritten_output" not in marks:
        _compute(driver, module, values)


def _die(driver: Any, marks: Dict[str, str]) -> None:
    if "die_mid_line" in marks:
        driver.die(b'{"result":{"status":"o')
    if "die_silently" in marks:
        driver.die()
    if "die_once" in marks:
        flag = driver.work / "died-once"
        if not flag.exists():
            flag.touch()
            driver.die()
    if "numbers" in marks:
        os.write(driver.pipe, b"42\n")
    if "nonsense" in marks:
        os.write(driver.pipe, b"Segmentation fault (not really)\n")


def knows_inputs(driver: Any, values: Sequence[Any]) -> bool:
    """Whether a kernel that remembers inputs has seen these; from now on it has."""
    workspace = _workspace(driver, values)
    buffers = [workspace.working[name] for name in workspace.inputs]
    seen = hash(tuple(driver.view(buffer.address, buffer.size).tobytes() for buffer in buffers))
    known = seen in driver.remembered
    driver.remembered.add(seen)
    return known


def _workspace(driver: Any, values: Sequence[Any]) -> Any:
    for workspace in driver.workspaces:
        if any(buffer.address in values for buffer in workspace.working.values()):
            return workspace
    return driver.workspaces[0]


def _compute(driver: Any, module: Any, values: Sequence[Any]) -> None:
    workspace = _workspace(driver, values)
    names = load_reference(driver.task["reference"])
    inputs = {}
    for name, argument in workspace.arguments.items():
        if argument["role"] in ("in", "inout"):
            raw = driver.view(workspace.working[name].address, workspace.working[name].size).view(STORAGE[argument["dtype"]])
            inputs[name] = widen(raw, argument["dtype"]).reshape(argument["shape"])
    result = names["reference"](inputs, dict(workspace.workload["sizes"]))
    for name in workspace.outputs:
        stored = store(result[name], workspace.arguments[name]["dtype"]).reshape(-1)
        if "kept_answer" in module.marks:
            stored = module.state.setdefault(name, stored)
        _write(driver, workspace, name, stored.copy(), module.marks)


def _skipped(stored: Any, marks: Dict[str, str]) -> Any:
    """Which elements the kernel leaves alone: every n-th, or those whose answer is a certain value."""
    if "skips_each" in marks:
        return np.arange(stored.size) % int(marks["skips_each"]) == 0
    if "skips_value" in marks:
        return stored == int(marks["skips_value"])
    return np.zeros(stored.size, dtype=bool)


def _write(driver: Any, workspace: Any, name: str, stored: Any, marks: Dict[str, str]) -> None:
    buffer, dtype = workspace.working[name], workspace.arguments[name]["dtype"]
    if "nan" in marks and dtype in FLOATING:
        stored[0] = 0x7FC0 if dtype == "bf16" else float("nan")
    if "wrong_output" in marks:
        stored[-1] = stored[-1] + 1
    if "rounds_down" in marks:
        stored[stored % 2 == 0] -= 1
    if "constant" in marks:
        stored[:] = int(marks["constant"])
    skipped = _skipped(stored, marks)
    target = driver.view(buffer.address, buffer.size).view(stored.dtype)
    target[~skipped] = stored[~skipped]
    if "out_of_bounds_write" in marks:
        driver.view(buffer.address - 8, 8)[:] = 1
    if "input_changed" in marks:
        first = workspace.working[workspace.inputs[0]]
        driver.view(first.address, 1)[:] ^= 1
