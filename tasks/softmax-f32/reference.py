import numpy as np


def reference(inputs, sizes):
    x = inputs["x"]
    y = np.exp(x - x.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    return {"y": y}
