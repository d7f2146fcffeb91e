from concurrent.futures import ThreadPoolExecutor

import numpy as np


def make_inputs(sizes, rng):
    batch, n = sizes["batch"], sizes["n"]
    a = 2 * rng.random((batch, n, n), dtype=np.float32) - 1
    index = np.arange(n)
    a[:, index, index] = 0
    diagonal = np.abs(a).sum(axis=2) + np.float32(0.5) + rng.random((batch, n), dtype=np.float32)
    diagonal[:, ::2] *= -1
    a[:, index, index] = diagonal
    return {"a": a}


def reference(inputs, sizes):
    a = inputs["a"]
    out = np.empty_like(a)

    def part(start):
        out[start : start + 8192] = np.linalg.inv(a[start : start + 8192])

    with ThreadPoolExecutor() as pool:
        list(pool.map(part, range(0, sizes["batch"], 8192)))
    return {"inverse": out}
