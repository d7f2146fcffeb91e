from concurrent.futures import ThreadPoolExecutor

import numpy as np


def rotate(x, cos, sin, out):
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    out[..., :half] = a * cos - b * sin
    out[..., half:] = b * cos + a * sin


def reference(inputs, sizes):
    half = sizes["dim"] // 2
    frequencies = 10000.0 ** (-np.arange(half) / half)
    angles = inputs["positions"].astype(np.float64)[:, None, None] * frequencies
    cos, sin = np.cos(angles), np.sin(angles)
    out = {}
    with ThreadPoolExecutor(16) as pool:
        for name in ("q", "k"):
            x = inputs[name]
            y = out[f"{name}_out"] = np.empty(x.shape)
            parts = [slice(i, i + 16) for i in range(0, x.shape[0], 16)]
            list(pool.map(lambda p: rotate(x[p], cos[p], sin[p], y[p]), parts))
    return out
