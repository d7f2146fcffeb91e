import numpy as np


def reference(inputs, sizes):
    # Sums stay below 2**53, so double precision is exact.
    a = inputs["a"].astype(np.float64)
    b = inputs["b"].astype(np.float64)
    return {"c": np.rint(a @ b.T).astype(np.int64)}
