import numpy as np


def reference(inputs, sizes):
    sums = np.cumsum(inputs["x"], dtype=np.int64)
    return {"out": sums.astype(np.int32).astype(np.int64)}
