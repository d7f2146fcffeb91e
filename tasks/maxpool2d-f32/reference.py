from concurrent.futures import ThreadPoolExecutor

import numpy as np


def reference(inputs, sizes):
    x = inputs["x"]
    n, c, h, w = x.shape
    rows, columns = (h + 1) // 2, (w + 1) // 2
    out = np.empty((n, c, rows, columns))

    def image(index):
        padded = np.full((c, 2 * rows + 1, 2 * columns + 1), -np.inf)
        padded[:, 1 : h + 1, 1 : w + 1] = x[index]
        across = np.maximum(padded[:, :, 0:-1:2], padded[:, :, 1::2])
        np.maximum(across, padded[:, :, 2::2], out=across)
        best = np.maximum(across[:, 0:-1:2], across[:, 1::2])
        out[index] = np.maximum(best, across[:, 2::2])

    with ThreadPoolExecutor() as pool:
        list(pool.map(image, range(n)))
    return {"out": out}
