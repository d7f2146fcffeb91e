from concurrent.futures import ThreadPoolExecutor

import numpy as np


def reference(inputs, sizes):
    x, weight = inputs["x"], inputs["weight"]
    n, c, h, w = x.shape
    out = np.empty((n, c, h, w))

    def channel(index):
        padded = np.pad(x[:, index], ((0, 0), (2, 2), (2, 2)))
        total = np.zeros((n, h, w))
        term = np.empty((n, h, w))
        for r in range(5):
            for s in range(5):
                np.multiply(padded[:, r : r + h, s : s + w], weight[index, r, s], out=term)
                total += term
        out[:, index] = total

    with ThreadPoolExecutor() as pool:
        list(pool.map(channel, range(c)))
    return {"out": out}
