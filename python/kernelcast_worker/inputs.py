"""Draws input sets: fast, in chunks with spawned seeds, so that a seed fixes the values whatever the thread count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Mapping, Optional

import numpy as np

from .dtypes import FLOATING, STORAGE, element_count, store

CHUNK = 1 << 20


class DrawError(Exception):
    """An input that cannot be drawn as declared."""


def draw_inputs(
    workload: Mapping[str, Any], entropy: int, threads: int, make_inputs: Optional[Callable[..., Any]] = None
) -> Dict[str, Any]:
    """One input set: the stored array of each `in` and `inout` argument."""
    inputs: Dict[str, Any] = {}
    missing: List[Mapping[str, Any]] = []
    declared = [argument for argument in workload["args"] if argument["role"] in ("in", "inout")]
    for argument, seed in zip(declared, np.random.SeedSequence(entropy).spawn(len(declared))):
        if argument.get("draw"):
            inputs[argument["name"]] = draw_array(argument, seed, threads)
        else:
            missing.append(argument)
    if missing:
        inputs.update(_made(workload, missing, entropy, make_inputs))
    return inputs


def _made(workload: Mapping[str, Any], missing: List[Mapping[str, Any]], entropy: int, make_inputs: Any) -> Dict[str, Any]:
    names = [argument["name"] for argument in missing]
    if make_inputs is None:
        raise DrawError(f"no draw for {', '.join(names)} and the reference has no make_inputs")
    made = make_inputs(dict(workload["sizes"]), np.random.default_rng([entropy, 1]))
    result = {}
    for argument in missing:
        name, shape = argument["name"], tuple(argument["shape"])
        if name not in made:
            raise DrawError(f"make_inputs gave no {name}")
        values = np.asarray(made[name])
        if values.size != element_count(shape):
            raise DrawError(f"make_inputs gave {name} the shape {values.shape}, declared {shape}")
        result[name] = store(values.reshape(shape), argument["dtype"])
    return result


def draw_array(argument: Mapping[str, Any], seed: Any, threads: int) -> Any:
    """The stored array of one argument."""
    dtype, shape = argument["dtype"], tuple(int(extent) for extent in argument["shape"])
    count = element_count(shape)
    result = np.empty(count, dtype=STORAGE[dtype])
    chunk = _chunk_maker(argument["draw"], dtype)
    starts = range(0, count, CHUNK)
    seeds = seed.spawn(len(starts))

    def fill(item: Any) -> None:
        start, child = item
        end = min(count, start + CHUNK)
        result[start:end] = store(chunk(np.random.Generator(np.random.PCG64(child)), end - start), dtype)

    if len(starts) < 2 or threads < 2:
        for item in zip(starts, seeds):
            fill(item)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, zip(starts, seeds)))
    return result.reshape(shape)


def _chunk_maker(draw: Mapping[str, Any], dtype: str) -> Callable[[Any, int], Any]:
    kind, given = next(iter(draw.items()))
    real = np.float64 if dtype == "f64" else np.float32
    if kind == "constant":
        value = given["value"] if isinstance(given, Mapping) else given
        return lambda rng, n: np.full(n, value)
    if kind == "normal":
        mean, deviation = real(given.get("mean", 0)), real(given.get("std", 1))
        return lambda rng, n: rng.standard_normal(n, dtype=real) * deviation + mean
    if kind == "uniform":
        low, high = float(given["low"]), float(given["high"])
        return lambda rng, n: rng.random(n, dtype=real) * real(high - low) + real(low)
    if kind == "integers":
        low, high = int(given["low"]), int(given["high"])
        native = np.int64 if dtype in FLOATING or dtype == "bf16" else STORAGE[dtype]
        return lambda rng, n: rng.integers(low, high, size=n, dtype=native)
    raise DrawError(f"unknown draw: {kind}")
