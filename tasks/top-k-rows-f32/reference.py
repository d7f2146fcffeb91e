import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np


def reference(inputs, sizes):
    x = inputs["x"]

    def some(start):
        # Every value is a 32-bit float: the narrower copy is exact and sooner partitioned.
        block = x[start : start + 64].astype(np.float32)
        largest = np.partition(block, block.shape[1] - 16, axis=1)[:, -16:]
        return np.sort(largest, axis=1)[:, ::-1]

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        return {"top": np.concatenate(list(pool.map(some, range(0, len(x), 64)))).astype(np.float64)}
