import numpy as np


def reference(inputs, sizes):
    x = inputs["x"]
    y = x - x.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", y, y) / sizes["cols"]
    y *= (1.0 / np.sqrt(variance + 1e-5))[:, None]
    y *= inputs["gamma"]
    y += inputs["beta"]
    return {"y": y}
