from concurrent.futures import ThreadPoolExecutor

import numpy as np


def make_inputs(sizes, rng):
    """Rows, shuffled, of a unit lower factor with entries below one half times an upper one with a large diagonal."""
    batch, n = sizes["batch"], sizes["n"]
    lower = np.tril(rng.uniform(-0.5, 0.5, (batch, n, n)).astype(np.float32), -1)
    upper = np.triu(rng.uniform(-0.5, 0.5, (batch, n, n)).astype(np.float32), 1)
    diagonal = np.arange(n)
    lower[:, diagonal, diagonal] = 1
    signs = rng.integers(0, 2, (batch, n)) * 2 - 1
    upper[:, diagonal, diagonal] = signs * rng.uniform(1, 2, (batch, n))
    order = np.argsort(rng.random((batch, n)), axis=1)
    return {"a": np.take_along_axis(lower @ upper, order[:, :, None], axis=1)}


def factor(lu):
    """Factors in place; the order of the rows."""
    count, n, _ = lu.shape
    perm = np.tile(np.arange(n), (count, 1))
    each = np.arange(count)
    for k in range(n):
        pivot = k + np.argmax(np.abs(lu[:, k:, k]), axis=1)
        for rows in (lu, perm):
            held = rows[:, k].copy()
            rows[:, k] = rows[each, pivot]
            rows[each, pivot] = held
        lu[:, k + 1 :, k] /= lu[:, k, k, None]
        lu[:, k + 1 :, k + 1 :] -= lu[:, k + 1 :, k, None] * lu[:, None, k, k + 1 :]
    return perm


def reference(inputs, sizes):
    lu = inputs["a"].copy()
    with ThreadPoolExecutor() as pool:
        perms = list(pool.map(factor, [lu[i : i + 256] for i in range(0, len(lu), 256)]))
    return {"lu": lu, "perm": np.concatenate(perms)}
