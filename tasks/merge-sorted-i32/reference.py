import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def make_inputs(sizes, rng):
    rows, runs, length = sizes["rows"], sizes["runs"], sizes["length"]
    x = rng.integers(-(2**31), 2**31, (rows, runs, length), dtype=np.int32)
    # Every eighth row has many equal numbers; in every eleventh the runs hardly overlap and come in descending order.
    x[::8] %= 1000
    steps = (np.arange(runs, dtype=np.int64)[::-1] * (2**32 // runs) - 2**31)[None, :, None]
    apart = rng.integers(0, 2**32 // runs + 2**32 // runs // 8, x[::11].shape, dtype=np.int64) + steps
    x[::11] = np.minimum(apart, 2**31 - 1).astype(np.int32)
    # Both ends of the range occur.
    x[::7, 0, 0] = 2**31 - 1
    x[::7, runs // 2, length // 2] = -(2**31)
    x[::13, runs - 1, -1] = 2**31 - 1
    x.sort(axis=2)
    return {"x": x}


def reference(inputs, sizes):
    x = inputs["x"].reshape(sizes["rows"], -1)

    def merged(start):
        return np.sort(x[start : start + 128].astype(np.int32), axis=1)

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return {"y": np.concatenate(list(pool.map(merged, range(0, len(x), 128)))).astype(np.int64)}
