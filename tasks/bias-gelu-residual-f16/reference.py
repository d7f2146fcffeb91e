from concurrent.futures import ThreadPoolExecutor

import numpy as np


def gelu_residual(x, bias, residual, out):
    v = x + bias
    u = v * v
    u *= 0.044715
    u += 1.0
    u *= v
    u *= np.sqrt(2.0 / np.pi)
    np.tanh(u, out=u)
    u += 1.0
    u *= v
    u *= 0.5
    np.add(u, residual, out=out)


def reference(inputs, sizes):
    x, bias, residual = inputs["x"], inputs["bias"], inputs["residual"]
    out = np.empty(x.shape)
    with ThreadPoolExecutor(16) as pool:
        starts = range(0, x.shape[0], 128)
        list(pool.map(lambda r: gelu_residual(x[r : r + 128], bias, residual[r : r + 128], out[r : r + 128]), starts))
    return {"out": out}
