import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def make_inputs(sizes, rng):
    rows, cols = sizes["rows"], sizes["cols"]
    x = rng.integers(-(2**31), 2**31, (rows, cols), dtype=np.int32)
    # Some numbers occur twice, and both ends of the range occur.
    x[:, 3::61] = x[:, 2::61][:, : x[:, 3::61].shape[1]]
    x[::7, 0] = 2**31 - 1
    x[::5, cols // 2] = -(2**31)
    return {"x": x}


def reference(inputs, sizes):
    x = inputs["x"]

    def some(start):
        return np.sort(x[start : start + 256].astype(np.int32), axis=1)

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return {"y": np.concatenate(list(pool.map(some, range(0, len(x), 256)))).astype(np.int64)}
