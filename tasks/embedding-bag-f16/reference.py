from concurrent.futures import ThreadPoolExecutor

import numpy as np

BAND = 512


def make_inputs(sizes, rng):
    bags, count = sizes["bags"], sizes["count"]
    cuts = np.sort(rng.integers(0, count + 1, size=bags - 1))
    return {
        "indices": rng.integers(0, sizes["vocab"], size=count, dtype=np.int32),
        "offsets": np.concatenate([[0], cuts, [count]]).astype(np.int32),
    }


def reference(inputs, sizes):
    table, indices, offsets = inputs["table"], inputs["indices"], inputs["offsets"]
    out = np.zeros((sizes["bags"], sizes["dim"]))

    def band(first):
        last = min(first + BAND, sizes["bags"])
        starts, stop = offsets[first:last], offsets[last]
        filled = np.flatnonzero(offsets[first + 1 : last + 1] > starts)
        if len(filled):
            rows = table[indices[starts[0] : stop]]
            out[first + filled] = np.add.reduceat(rows, starts[filled] - starts[0], axis=0)

    with ThreadPoolExecutor() as pool:
        list(pool.map(band, range(0, sizes["bags"], BAND)))
    return {"out": out}
