from concurrent.futures import ThreadPoolExecutor

import numpy as np


def quantise(x, q, scale):
    scale[:] = np.maximum(x.max(axis=1), -x.min(axis=1)) / 127.0
    ratio = x / scale[:, None]
    q[:] = np.rint(ratio, out=ratio)


def reference(inputs, sizes):
    x = inputs["x"]
    q = np.empty(x.shape)
    scale = np.empty(x.shape[0])
    with ThreadPoolExecutor(16) as pool:
        starts = range(0, x.shape[0], 128)
        list(pool.map(lambda r: quantise(x[r : r + 128], q[r : r + 128], scale[r : r + 128]), starts))
    return {"q": q.astype(np.int8), "scale": scale}
