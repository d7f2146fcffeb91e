import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np

CHUNK = 16384


def reference(inputs, sizes):
    c = sizes["c"]
    extent = np.array([sizes["w"], sizes["h"], sizes["d"]])
    strides = (1, sizes["w"], sizes["w"] * sizes["h"])
    voxels = np.ascontiguousarray(inputs["vol"].reshape(c, -1).T)
    out = np.empty((sizes["n"], c))

    def some(start):
        place = np.clip(inputs["points"][start : start + CHUNK], 0, 1) * (extent - 1)
        low = np.minimum(place.astype(np.int64), np.maximum(extent - 2, 0))
        fraction = place - low
        sums = np.zeros((len(place), c))
        for corner in product((0, 1), repeat=3):
            weight, index = 1.0, 0
            for axis, upper in enumerate(corner):
                weight = weight * (fraction[:, axis] if upper else 1 - fraction[:, axis])
                index = index + (low[:, axis] + upper) * strides[axis]
            sums += voxels[index] * weight[:, None]
        out[start : start + CHUNK] = sums

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        list(pool.map(some, range(0, sizes["n"], CHUNK)))
    return {"out": out}
