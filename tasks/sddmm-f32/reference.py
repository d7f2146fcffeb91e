import numpy as np


def row_lengths(m, nnz, rng):
    """Lengths that sum to nnz: one row in fifty empty, most some hundred, one in a hundred about six times as long."""
    weight = rng.lognormal(0, 0.6, m)
    weight[rng.random(m) < 0.01] *= 6
    weight[rng.random(m) < 0.02] = 0
    lengths = (weight * (nnz / weight.sum())).astype(np.int64)
    some = np.flatnonzero(weight > 0)
    lengths[rng.choice(some, nnz - int(lengths.sum()), replace=False)] += 1
    return lengths


def make_inputs(sizes, rng):
    m, n, nnz = sizes["m"], sizes["n"], sizes["nnz"]
    lengths = row_lengths(m, nnz, rng)
    row_ptr = np.zeros(m + 1, dtype=np.int32)
    np.cumsum(lengths, out=row_ptr[1:])
    rows = np.repeat(np.arange(m, dtype=np.int64), lengths)
    window = min(512, n)
    start = np.clip(rows * n // m - window // 2, 0, n - window)
    near = rng.random(nnz) < 0.5
    cols = np.where(near, start + rng.integers(0, window, nnz), rng.integers(0, n, nnz))
    keys = np.sort(rows * n + cols)
    return {"row_ptr": row_ptr, "rows": rows.astype(np.int32), "cols": (keys % n).astype(np.int32)}


def reference(inputs, sizes):
    """Products of blocks of rows with all of b, of which the pattern's entries are taken."""
    rows, cols, row_ptr = inputs["rows"], inputs["cols"], inputs["row_ptr"]
    transposed = np.ascontiguousarray(inputs["b"].T)
    out = np.empty(sizes["nnz"])
    for first in range(0, sizes["m"], 512):
        last = min(first + 512, sizes["m"])
        part = slice(row_ptr[first], row_ptr[last])
        dense = inputs["a"][first:last] @ transposed
        out[part] = dense[rows[part] - first, cols[part]]
    return {"out": out * inputs["scale"]}
