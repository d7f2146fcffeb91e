"""The reference process: draws a secret input set, runs the task's `reference.py`, leaves both in files for the runner."""

from __future__ import annotations

import hashlib
import os
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, List, Mapping

from .childio import Pipe, die_with_parent, give_way, serve


def load_reference(source: str) -> Dict[str, Any]:
    """Executes `reference.py`; returns its names."""
    names: Dict[str, Any] = {"__name__": "reference"}
    exec(compile(source, "reference.py", "exec"), names)
    if not callable(names.get("reference")):
        raise ValueError("reference.py defines no function reference(inputs, sizes)")
    return names


def prepare_set(job: Mapping[str, Any]) -> Dict[str, Any]:
    """Draws one secret input set of a workload and its expected outputs into `job.folder`; says where they are."""
    from .inputs import draw_inputs

    folder, workload, threads = Path(job["folder"]), job["workload"], int(job["threads"])
    folder.mkdir(parents=True, exist_ok=True)
    module, seed = load_reference(job["reference"]), os.urandom(16)
    inputs = draw_inputs(workload, int.from_bytes(seed, "little"), threads, module.get("make_inputs"))
    entry: Dict[str, Any] = {"inputs": {}, "expected": {}, "input_sha256": {}, "seed_sha256": hashlib.sha256(seed).hexdigest()}
    with ThreadPoolExecutor(max(1, threads)) as pool:
        digests = {name: pool.submit(_write, folder / f"{name}.in.bin", array) for name, array in inputs.items()}
        expected = compute_expected(workload, inputs, module, job["tolerance"])
        for name, values in expected.items():
            _write(folder / f"{name}.expected.bin", values, digest=False)
            entry["expected"][name] = str(folder / f"{name}.expected.bin")
        for name, future in digests.items():
            entry["inputs"][name] = str(folder / f"{name}.in.bin")
            entry["input_sha256"][name] = future.result()
    return entry


def _write(path: Path, array: Any, digest: bool = True) -> str:
    array.tofile(str(path))
    return hashlib.sha256(array.reshape(-1).view("uint8")).hexdigest() if digest else ""


def compute_expected(
    workload: Mapping[str, Any], inputs: Mapping[str, Any], module: Mapping[str, Any], tolerance: Mapping[str, Any]
) -> Dict[str, Any]:
    """The expected values of each output, as they are compared."""
    from .dtypes import element_count, expected_values, widen

    types = {argument["name"]: argument for argument in workload["args"]}
    wide = {name: widen(array, types[name]["dtype"]) for name, array in inputs.items()}
    result = module["reference"](wide, dict(workload["sizes"]))
    if not isinstance(result, dict):
        raise ValueError("reference returned no dict")
    expected = {}
    for name, argument in types.items():
        if argument["role"] not in ("out", "inout"):
            continue
        if name not in result:
            raise ValueError(f"reference returned no {name}")
        values = _as_array(result[name])
        if values.size != element_count(argument["shape"]):
            raise ValueError(f"reference returned {name} with shape {values.shape}, declared {tuple(argument['shape'])}")
        expected[name] = expected_values(values.reshape(-1), argument["dtype"], tolerance["type"] == "exact")
    return expected


def _as_array(value: Any) -> Any:
    import numpy as np

    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def handle(request: Dict[str, Any]) -> Dict[str, Any]:
    """One job; a failure of the user's code is an answer, with the last lines of its traceback."""
    try:
        return {"ok": True, "set": prepare_set(request)}
    except Exception as error:  # the reference is the user's code: anything may come
        lines: List[str] = traceback.format_exc(limit=-3).strip().splitlines()
        return {"ok": False, "error": f"{type(error).__name__}: {error}".splitlines()[0], "trace": lines[-12:]}


def main() -> None:
    """Runs as a child of the supervisor."""
    pipe = Pipe()
    die_with_parent()
    give_way(5)
    serve(pipe, handle)


if __name__ == "__main__":
    main()
