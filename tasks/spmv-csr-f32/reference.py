import numpy as np


def row_lengths(rows, columns, nnz, rng):
    """Lengths that sum to nnz: a twentieth of the rows empty, most short, a few very long."""
    weight = rng.lognormal(2.5, 0.9, rows)
    long = rng.random(rows) < 0.003
    weight[long] = rng.uniform(300, 3000, int(long.sum()))
    weight[rng.random(rows) < 0.05] = 0
    lengths = np.minimum((weight * (nnz / weight.sum())).astype(np.int64), min(columns, 4000))
    while (missing := nnz - int(lengths.sum())) > 0:
        open_rows = np.flatnonzero((weight > 0) & (lengths < columns))
        lengths[rng.permutation(open_rows)[:missing]] += 1
    return lengths


def make_inputs(sizes, rng):
    rows, columns, nnz = sizes["rows"], sizes["columns"], sizes["nnz"]
    lengths = row_lengths(rows, columns, nnz, rng)
    row_ptr = np.zeros(rows + 1, dtype=np.int32)
    np.cumsum(lengths, out=row_ptr[1:])
    # Each entry draws its column within its own equal share of the row's window: ascending without sorting.
    wide = rng.random(rows) < 0.5
    window = np.where(wide, columns, np.minimum(columns, 16 * lengths + 64))
    first = (rng.random(rows) * (columns - window)).astype(np.int32)
    share = (window / np.maximum(lengths, 1)).astype(np.float32)
    place = np.arange(nnz, dtype=np.int32) - np.repeat(row_ptr[:-1], lengths)
    cols = ((place + rng.random(nnz, dtype=np.float32)) * np.repeat(share, lengths)).astype(np.int32)
    cols = np.minimum(cols + np.repeat(first, lengths), columns - 1)
    return {"row_ptr": row_ptr, "cols": cols, "vals": rng.standard_normal(nnz, dtype=np.float32)}


def reference(inputs, sizes):
    products = np.take(inputs["x"], inputs["cols"])
    products *= inputs["vals"]
    ends = np.concatenate([[0.0], np.cumsum(products)])
    row_ptr = inputs["row_ptr"]
    return {"y": ends[row_ptr[1:]] - ends[row_ptr[:-1]]}
