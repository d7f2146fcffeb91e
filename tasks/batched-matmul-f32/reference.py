import numpy as np


def reference(inputs, sizes):
    return {"c": np.matmul(inputs["a"], inputs["b"])}
