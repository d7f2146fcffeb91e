import numpy as np


def reference(inputs, sizes):
    x, delta, a = inputs["x"], inputs["delta"], inputs["a"]
    b, c = inputs["b"], inputs["c"]
    y = x * inputs["skip"]
    u = delta * x
    h = np.zeros((sizes["batch"], sizes["channels"], sizes["states"]))
    decay = np.empty_like(h)
    for t in range(sizes["length"]):
        np.multiply(delta[:, t, :, None], a[None], out=decay)
        np.exp(decay, out=decay)
        h *= decay
        h += u[:, t, :, None] * b[:, t, None, :]
        y[:, t] += np.matmul(h, c[:, t, :, None])[..., 0]
    return {"y": y}
