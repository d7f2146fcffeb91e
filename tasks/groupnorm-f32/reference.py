from concurrent.futures import ThreadPoolExecutor

import numpy as np


def normalise(x, gamma, beta, out):
    np.subtract(x, x.mean(), out=out)
    scale = 1 / np.sqrt(np.einsum("ij,ij->", out, out) / x.size + 1e-5)
    out *= (scale * gamma)[:, None]
    out += beta[:, None]


def reference(inputs, sizes):
    groups, width = sizes["groups"], sizes["channels"] // sizes["groups"]
    x = inputs["x"]
    gamma, beta = inputs["gamma"], inputs["beta"]
    y = np.empty(x.shape)
    with ThreadPoolExecutor(16) as pool:
        parts = [(i, slice(g * width, (g + 1) * width)) for i in range(x.shape[0]) for g in range(groups)]
        list(pool.map(lambda p: normalise(x[p], gamma[p[1]], beta[p[1]], y[p]), parts))
    return {"y": y}
