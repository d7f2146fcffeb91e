from concurrent.futures import ThreadPoolExecutor

import numpy as np


def make_inputs(sizes, rng):
    rows, columns, nnz = sizes["rows"], sizes["columns"], sizes["nnz"]
    weight = rng.lognormal(0.0, 1.0, rows)
    heavy = rng.random(rows) < 0.004
    weight[heavy] = rng.uniform(8, 25, int(heavy.sum()))
    weight[rng.random(rows) < 0.04] = 0
    # Lengths in proportion to the weights that sum to nnz exactly.
    row_ptr = np.zeros(rows + 1, dtype=np.int64)
    row_ptr[1:] = np.rint(np.cumsum(weight) * (nnz / weight.sum()))
    row_ptr[-1] = nnz
    lengths = np.diff(row_ptr)
    place = np.arange(nnz) - np.repeat(row_ptr[:-1], lengths)
    share = (place + rng.random(nnz)) / np.repeat(lengths, lengths)
    cols = np.minimum(share * share * columns, columns - 1)
    return {
        "row_ptr": row_ptr.astype(np.int32),
        "cols": cols.astype(np.int32),
        "vals": rng.standard_normal(nnz, dtype=np.float32),
    }


def reference(inputs, sizes):
    row_ptr, cols, vals, x = inputs["row_ptr"], inputs["cols"], inputs["vals"], inputs["x"]
    rows = len(row_ptr) - 1
    y = np.zeros((rows, x.shape[1]))

    def part(bounds):
        first, last = bounds
        filled = first + np.flatnonzero(np.diff(row_ptr[first : last + 1]))
        if len(filled):
            start, end = row_ptr[first], row_ptr[last]
            products = np.take(x, cols[start:end], axis=0)
            products *= vals[start:end, None]
            y[filled] = np.add.reduceat(products, row_ptr[filled] - start, axis=0)

    edges = np.unique(np.append(np.arange(0, rows, 128), rows))
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(part, zip(edges[:-1], edges[1:])))
    return {"y": y}
