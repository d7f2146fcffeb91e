import numpy as np


def reference(inputs, sizes):
    sums = np.cumsum(inputs["x"], dtype=np.int64)
    return {"out": (sums + 2**31) % 2**32 - 2**31}
